/**
 * The chapter on the data before training: is it clean, what varies in it, which classes lie through each other, which
 * labels deserve a second look. Every picture of a space is followed by a number that says how far to believe it.
 */
import type { ConfusedPair, ExploreResult, ImageRef, LabelCandidate } from '../../explore/index.ts';
import type { Block, Section } from '../html.ts';
import { type FigureSource, percent, shown, whole } from './chapter.ts';
import { FIGURES, SHOWN_CANDIDATES, SHOWN_NEIGHBOURS, SHOWN_PAIRS } from './explore-figures.ts';
import { comparisonBlocks } from './map-comparison.ts';

const PAIRS = 5;

const TOLD_SHORT =
  'An image of 784 pixels can therefore be told with a few dozen numbers, which is why neighbours and the map below are ' +
  'computed from them.';

/** The chapter of an exploration. */
export function exploreSection(result: ExploreResult, read: FigureSource): Section {
  return {
    title: 'The data before training',
    blocks: [
      ...cleaningBlocks(result, read),
      ...componentBlocks(result, read),
      ...mapBlocks(result, read),
      ...(result.comparison ? comparisonBlocks(result.comparison, read) : []),
      ...overlapBlocks(result, read),
      ...candidateBlocks(result, read),
    ],
  };
}

/** Whether the images are other than Fashion-MNIST's. */
const isOther = ({ dataKind }: ExploreResult): boolean => dataKind === 'other';

const nameOf = ({ classNames }: ExploreResult, label: number): string => classNames[label] ?? `class ${label}`;
const pairName = (result: ExploreResult, { classes: [a, b] }: ConfusedPair): string =>
  `${nameOf(result, a)} and ${nameOf(result, b)}`;
const refName = (result: ExploreResult, { split, index, label }: ImageRef): string =>
  `${split} ${index} (${nameOf(result, label)})`;
/** "no images", "one image", "3 images" */
const counted = (count: number, one: string, many = `${one}s`): string =>
  count === 0 ? `no ${many}` : count === 1 ? `one ${one}` : `${whole(count)} ${many}`;

function cleaningBlocks(result: ExploreResult, read: FigureSource): Block[] {
  const { train, test, duplicates } = result.cleaning;
  const near = result.nearDuplicates;
  const constant = train.constant.length + test.constant.length;
  const isBalanced = new Set(train.perClass).size === 1 && new Set(test.perClass).size === 1;
  const [height, width] = train.size;
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `${whole(train.images)} training and ${whole(test.images)} test images of ${width} x ${height} pixels were looked at before ` +
        `anything was trained. ${isBalanced ? 'Every class has equally many images, so accuracy needs no weighting. ' : 'The classes are not equally frequent, so look at the figures of each class too. '}` +
        `There ${constant === 1 ? 'is' : 'are'} ${counted(constant, 'image')} whose pixels are all the same (an empty picture). ` +
        `Byte for byte, ${counted(duplicates.testInTrain, 'test image')} also ${duplicates.testInTrain === 1 ? 'stands' : 'stand'} among the ` +
        `training images, and ${counted(duplicates.withinTrain + duplicates.withinTest, 'image')} ` +
        `${duplicates.withinTrain + duplicates.withinTest === 1 ? 'repeats' : 'repeat'} an earlier one of the same set.`,
    },
    {
      kind: 'facts',
      facts: [
        {
          name: 'Mean of the pixels',
          value: train.pixels.mean.toFixed(4),
          detail: '0 black, 1 white; training images',
        },
        {
          name: 'Standard deviation',
          value: train.pixels.sd.toFixed(4),
          detail: 'with the mean: the normalisation used',
        },
        { name: 'Black pixels', value: percent(train.pixels.zero, 1), detail: 'mostly the empty surroundings' },
        {
          name: 'Test images nearly in training',
          value: whole(near.testInTrain),
          detail: `pixels differ by less than ${(255 * near.threshold).toFixed(1)} of 255 grey levels (root mean square)`,
        },
      ],
    },
    shown(
      read,
      FIGURES.classCounts,
      `How many images each class has. With equal bars, guessing would be right one time in ${isOther(result) ? result.classNames.length : 'ten'}; a network that is right as often as ` +
        'its commonest class is frequent has learnt nothing.',
    ),
    shown(
      read,
      FIGURES.meanImages,
      `The mean training image of each class: ${result.classNames.join(', ')}. ` +
        (isOther(result)
          ? 'Sharp outlines mean that the images of a class are alike and centred; classes with the same mean will be harder to tell ' +
            'apart. A mean is not an image: it hides whatever varies.'
          : 'Sharp outlines mean that the garments of a class are alike and centred; classes with the same outline (shirt, coat, ' +
            'pullover) will be hard to tell apart. A mean is not a garment: it hides whatever varies.'),
      470,
    ),
  ];
  if (near.pairs.length > 0) {
    const { testInTrain, withinTrain, withinTest, conflicting } = near;
    blocks.push(
      shown(
        read,
        FIGURES.nearDuplicates,
        `Nearly equal images, pair by pair (the ${Math.min(SHOWN_PAIRS, near.pairs.length)} most alike): ${isOther(result) ? 'the same thing, hardly changed' : 'the same garment in another size or colour'}. ` +
          `There are ${counted(withinTrain, 'such pair')} within the training images${withinTest === undefined ? '' : `, ${whole(withinTest)} within the test images`} and ` +
          `${counted(testInTrain, 'test image')} with a near twin among the training images, ${conflicting === 0 ? 'none with different labels' : `${conflicting} with different labels`}. So few twins of ` +
          `${whole(test.images)} test images can hardly flatter a test accuracy: ${percent(testInTrain / Math.max(1, test.images))} of it at most.`,
      ),
    );
  }
  return blocks;
}

function componentBlocks(result: ExploreResult, read: FigureSource): Block[] {
  const { pca, cleaning } = result;
  const pixels = cleaning.train.size.reduce((product, extent) => product * extent, 1);
  const ratios = pca.explainedVarianceRatio;
  let sum = 0;
  const sums = ratios.map(share => (sum += share));
  const needed = (share: number): string => {
    const count = sums.findIndex(value => value >= share) + 1;
    return count === 0 ? `more than ${ratios.length}` : String(count);
  };
  return [
    {
      kind: 'text',
      text:
        `Principal components are the directions in which the images vary most. Of the variance of ${whole(pca.images)} training images the ` +
        `first explains ${percent(ratios[0], 1)}, the first two ${percent(sums[1] ?? sums[0], 1)}, all ${ratios.length} together ` +
        `${percent(sum, 1)}; it takes ${needed(0.8)} for 80 % and ${needed(0.9)} for 90 %. ` +
        (isOther(result)
          ? `Neighbours and the map below are computed from these ${ratios.length} numbers instead of ${whole(pixels)}.`
          : TOLD_SHORT),
    },
    shown(
      read,
      FIGURES.explainedVariance,
      'Variance explained by each component and by all up to it. ' +
        (isOther(result)
          ? 'A steep start says that a few contrasts dominate; a long tail is detail. '
          : 'The steep start says that a few contrasts (bright or dark, trousers or pullover, shoe or not) dominate; the long tail is ' +
            'texture and print. ') +
        'Little variance does not mean little use: a detail may decide between two classes.',
    ),
    shown(
      read,
      FIGURES.components,
      'The first components as pictures, from the top left: red pixels grow with a component, blue ones shrink, white ones take no part; each ' +
        `picture has its own scale. ${isOther(result) ? '' : 'The first tells tops from shoes. '}They are directions of change, not ${isOther(result) ? 'images' : 'garments'}.`,
      620,
    ),
  ];
}

function mapBlocks(result: ExploreResult, read: FigureSource): Block[] {
  const { map } = result;
  const { trustworthiness, recall } = map;
  return [
    {
      kind: 'text',
      text:
        `${whole(map.images)} training images, the classes in their proportions, were laid out in the plane twice: along the first two ` +
        `principal components, and by t-SNE, which gives up distances to keep neighbourhoods. Trustworthiness (1: a point's ` +
        `${trustworthiness.k} neighbours on the map are its neighbours in the data; about 0.5 by chance) is ` +
        `${map.principalTrustworthiness.toFixed(3)} for the components and ${trustworthiness.value.toFixed(3)} for t-SNE. Of the ` +
        `${recall.k} nearest images t-SNE still has ${percent(recall.value, 0)} among the ${recall.k} nearest. ` +
        `${map.onMap.k} neighbours on the map vote for the right class of ${percent(map.onMap.accuracy, 1)} of its images, and of ` +
        `${percent(map.placed.accuracy, 1)} of the ${whole(map.placed.images)} test images that were placed on it afterwards. ` +
        divergenceSentence(map.kl),
    },
    shown(
      read,
      FIGURES.principalMap,
      'Along the two directions of most variance. Distances here are true as far as two numbers can hold them; classes that fall on top of ' +
        'each other here may well part in the other directions.',
    ),
    shown(
      read,
      FIGURES.map,
      'The t-SNE map. Who lies beside whom can be believed (see the trustworthiness), so islands are groups of images that are alike; sizes ' +
        'of islands and the distances between them mean nothing, and another start would turn the whole.',
    ),
    shown(
      read,
      FIGURES.pictureMap,
      `The same map made of the images.${isOther(result) ? '' : ' Within an island they are ordered too: by brightness, by length of sleeve, by height of the shaft.'}`,
      800,
    ),
  ];
}

function overlapBlocks(result: ExploreResult, read: FigureSource): Block[] {
  const { overlap, map } = result;
  const foremost = overlap.pairs.slice(0, PAIRS);
  const rankOn = (pair: ConfusedPair, pairs: readonly ConfusedPair[]): ConfusedPair =>
    pairs.find(({ classes }) => classes[0] === pair.classes[0] && classes[1] === pair.classes[1])!;
  return [
    {
      kind: 'text',
      text:
        `How far do classes overlap? Each of ${whole(overlap.images)} training images was given the class of most of its ${overlap.k} nearest ` +
        `neighbours (in ${result.pca.explainedVarianceRatio.length} components, itself left out). That is right for ` +
        `${percent(overlap.accuracy)} of them: what can be had without learning, and a yardstick for the networks. For the ` +
        `${whole(map.images)} images of the map alone it is ${percent(map.inComponents.accuracy)} in components and ` +
        `${percent(map.onMap.accuracy)} on the map; the difference is what the step into the plane costs.`,
    },
    shown(
      read,
      FIGURES.overlap,
      'Class of the images (rows) and of their neighbours (columns). Orange cells are overlaps; expect a network to err in the same ones, but ' +
        'less, since it may weigh details that a distance drowns.',
    ),
    shown(
      read,
      FIGURES.mapOverlap,
      'The same on the map. Overlaps that are larger here than above were made by the map.',
    ),
    {
      kind: 'table',
      caption: `The ${foremost.length} most confused pairs of classes: share of both classes' images that neighbours take for the other`,
      columns: ['classes', 'images', 'in components (%)', 'map images, in components (%)', 'on the map (%)'],
      rows: foremost.map(pair => [
        pairName(result, pair),
        whole(pair.images),
        ...[pair, rankOn(pair, map.inComponents.pairs), rankOn(pair, map.onMap.pairs)].map(({ share }) =>
          (100 * share).toFixed(1),
        ),
      ]),
    },
  ];
}

function candidateBlocks(result: ExploreResult, read: FigureSource): Block[] {
  const { labelCandidates, overlap } = result;
  const { count, foremost } = labelCandidates;
  const listed = foremost.slice(0, SHOWN_CANDIDATES);
  if (listed.length === 0) {
    return [{ kind: 'text', text: 'No training image lies wholly among the images of another class.' }];
  }
  const neighbourNames = ({ neighbours }: LabelCandidate): string =>
    neighbours
      .slice(0, SHOWN_NEIGHBOURS)
      .map(neighbour => neighbour.index)
      .join(', ');
  return [
    {
      kind: 'text',
      text:
        `${counted(count, 'training image')} of ${whole(overlap.images)} (${percent(count / overlap.images, 1)}) ${count === 1 ? 'has' : 'have'} no ` +
        `neighbour of ${count === 1 ? 'its' : 'their'} own class while nine in ten agree on another. Some are mislabelled or badly cut, some are ` +
        'rightly labelled and merely look like something else; only an eye can tell. Nothing was removed or changed: the networks train on ' +
        'all of them.',
    },
    shown(
      read,
      FIGURES.labelCandidates,
      `Candidates for label errors (framed), each followed by its ${SHOWN_NEIGHBOURS} nearest neighbours, two to a row: ` +
        'first those in the thick of the other class, of these the rarest confusions. Where the framed one is plainly of its neighbours’ class, its label is wrong.',
      760,
    ),
    {
      kind: 'table',
      caption: 'The candidates on the sheet',
      columns: ['training image', 'label', 'neighbours say', 'agreeing', 'nearest images'],
      rows: listed.map(candidate => [
        candidate.index,
        nameOf(result, candidate.label),
        nameOf(result, candidate.suggested),
        `${candidate.agreeing} of ${candidate.neighbours.length}`,
        neighbourNames(candidate),
      ]),
    },
    ...twins(result),
  ];
}

/** Equal images with unequal labels, of which one label must be wrong. */
function twins(result: ExploreResult): Block[] {
  const groups = result.cleaning.duplicates.groups.filter(group => group.some(({ label }) => label !== group[0].label));
  if (groups.length === 0) return [];
  return [
    {
      kind: 'table',
      caption: 'Equal images with different labels: at least one label of each group is wrong',
      columns: ['images'],
      rows: groups.map(group => [group.map(ref => refName(result, ref)).join(', ')]),
    },
  ];
}

/** How well the map fits, where that could be had; see `klDivergence`. */
function divergenceSentence(kl: number | null): string {
  return kl === null
    ? 'The images lie too tight in groups for the divergence of the map from what it shows to be had.'
    : `The map's divergence from what it shows is ${kl.toFixed(3)} nats, over all pairs of images.`;
}
