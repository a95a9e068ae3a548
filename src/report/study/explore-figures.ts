/**
 * The figures of the chapter on exploration: charts from the result alone, pictures from the result and the images. Their
 * file names stand here once, for what writes them and for the section that shows them.
 */
import type { ImageSet, Split } from '../../data/fashion-mnist.ts';
import type { ClassOverlap, ExploreResult, ImageRef, Pca } from '../../explore/index.ts';
import { confusionMatrixChart } from '../confusion-matrix.ts';
import { imageSheet } from '../image-sheet.ts';
import { intervalBars } from '../interval-bars.ts';
import { lineChart } from '../line-chart.ts';
import { type Picture, signedPicture, valuesPicture } from '../picture.ts';
import { scatterChart } from '../scatter-chart.ts';
import { thumbnailMap } from '../thumbnail-map.ts';
import { whole } from './chapter.ts';

export const FIGURES = {
  classCounts: 'class-counts.svg',
  meanImages: 'mean-images.png',
  components: 'components.png',
  explainedVariance: 'explained-variance.svg',
  principalMap: 'pca-map.svg',
  map: 'tsne-map.svg',
  pictureMap: 'tsne-pictures.png',
  overlap: 'overlap-components.svg',
  mapOverlap: 'overlap-map.svg',
  labelCandidates: 'label-candidates.png',
  nearDuplicates: 'near-duplicates.png',
} as const;

/** On the sheets: components; candidates with so many neighbours each; pairs. */
export const SHOWN_COMPONENTS = 20;
export const SHOWN_CANDIDATES = 12;
export const SHOWN_NEIGHBOURS = 5;
export const SHOWN_PAIRS = 20;

const ORANGE = [213, 94, 0, 255] as const;

/** The charts by file name; `encode` makes PNG files, for maps of many points. */
export function exploreCharts(result: ExploreResult, encode: (picture: Picture) => Uint8Array): Record<string, string> {
  const { classNames, cleaning, pca, overlap, map } = result;
  const { train, test } = cleaning;
  const { components: dimension } = { components: pca.explainedVarianceRatio.length };
  const counts = classNames.flatMap((group, label) => [
    { group, series: 'train', value: train.perClass[label] },
    { group, series: 'test', value: test.perClass[label] },
  ]);
  let sum = 0;
  const together = pca.explainedVarianceRatio.map((share, i) => {
    sum += share;
    return { x: i + 1, y: 100 * sum };
  });
  const chartOf = ({ votes, k }: ClassOverlap, where: string): string =>
    confusionMatrixChart(
      votes.map(row => [...row]),
      classNames,
      { title: `The vote of ${k} neighbours ${where}` },
    );
  return {
    [FIGURES.classCounts]: intervalBars(counts, {
      title: 'Images of each class',
      valueLabel: 'images',
      format: whole,
    }),
    [FIGURES.explainedVariance]: lineChart(
      [
        { name: 'the first components together', points: together },
        {
          name: 'each component',
          points: pca.explainedVarianceRatio.map((share, i) => ({ x: i + 1, y: 100 * share })),
        },
      ],
      {
        title: 'What each principal component explains',
        xLabel: 'principal component',
        yLabel: 'variance (%)',
        yDomain: [0, 100],
      },
    ),
    [FIGURES.principalMap]: scatterChart(map.principal.flat(), map.labels, classNames, {
      title: `First two principal components of ${whole(map.images)} images`,
      xLabel: 'first component',
      yLabel: 'second component',
      encode,
    }),
    [FIGURES.map]: scatterChart(map.points.flat(), map.labels, classNames, {
      title: `t-SNE of the same ${whole(map.images)} images`,
      note: `Perplexity ${map.perplexity}, from ${dimension} principal components.`,
      encode,
    }),
    [FIGURES.overlap]: chartOf(
      overlap,
      `among ${overlap.images === train.images ? 'all' : whole(overlap.images)} images`,
    ),
    [FIGURES.mapOverlap]: chartOf(map.onMap, 'on the map'),
  };
}

/** The pictures by file name; of sheets of what there is none of, none. */
export function explorePictures(
  { cleaning, map, labelCandidates, nearDuplicates }: ExploreResult,
  sets: Readonly<Record<Split, ImageSet>>,
  pca: Pca,
): Record<string, Picture> {
  const { width, height, channels } = sets.train;
  const size = width * height * channels;
  const image = (split: Split, index: number): Picture =>
    valuesPicture(sets[split].images.subarray(index * size, (index + 1) * size), sets.train);
  const loadings = Math.min(SHOWN_COMPONENTS, pca.components.length / size);
  const component = (index: number): Picture =>
    signedPicture(channelMeans(pca.components.subarray(index * size, (index + 1) * size), channels), width, height);
  const pictures: Record<string, Picture> = {
    [FIGURES.meanImages]: imageSheet(
      cleaning.meanImages.map(pixels => valuesPicture(pixels, sets.train)),
      { columns: 5, scale: 3 },
    ),
    [FIGURES.components]: imageSheet(
      Array.from({ length: loadings }, (_, index) => component(index)),
      { columns: 10, scale: 2 },
    ),
    [FIGURES.pictureMap]: thumbnailMap(
      map.points.flat(),
      map.indices.map(index => image('train', index)),
      // Every square of a large map has an image, and a page has to hold them all.
      { across: map.images > 5000 ? 18 : 40 },
    ),
  };
  const candidates = labelCandidates.foremost.slice(0, SHOWN_CANDIDATES);
  if (candidates.length > 0) {
    const row = candidates.flatMap(({ index, neighbours }) => [
      framed(image('train', index)),
      ...neighbours.slice(0, SHOWN_NEIGHBOURS).map(neighbour => image('train', neighbour.index)),
    ]);
    pictures[FIGURES.labelCandidates] = imageSheet(row, { columns: 2 * (1 + SHOWN_NEIGHBOURS), scale: 2 });
  }
  const pairs = nearDuplicates.pairs.slice(0, SHOWN_PAIRS);
  if (pairs.length > 0) {
    const refs: ImageRef[] = pairs.flatMap(({ images }) => [...images]);
    pictures[FIGURES.nearDuplicates] = imageSheet(
      refs.map(({ split, index }) => image(split, index)),
      { columns: 10, scale: 2 },
    );
  }
  return pictures;
}

/** The mean over the channels of every pixel, [height, width]. */
function channelMeans(values: ArrayLike<number>, channels: number): ArrayLike<number> {
  if (channels === 1) return values;
  const means = new Float64Array(values.length / channels);
  for (let i = 0; i < values.length; i++) means[Math.floor(i / channels)] += values[i] / channels;
  return means;
}

/** The picture with an orange line around it. */
function framed({ width, height, rgba }: Picture, thickness = 1): Picture {
  const framedWidth = width + 2 * thickness;
  const picture: Picture = {
    width: framedWidth,
    height: height + 2 * thickness,
    rgba: new Uint8Array(4 * framedWidth * (height + 2 * thickness)),
  };
  for (let at = 0; at < picture.rgba.length; at += 4) picture.rgba.set(ORANGE, at);
  for (let y = 0; y < height; y++) {
    picture.rgba.set(
      rgba.subarray(4 * y * width, 4 * (y + 1) * width),
      4 * ((y + thickness) * framedWidth + thickness),
    );
  }
  return picture;
}
