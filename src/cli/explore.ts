/** `weft explore`: a data set before training, as numbers, figures and one page. */
import { Command } from 'commander';
import type { ExploreResult, MapComparison } from '../explore/index.ts';
import { writeChapterPage } from '../report/study/chapter-page.node.ts';
import { exploreSection } from '../report/study/explore.ts';
import { COMPARISON_COLUMNS, comparisonCells, intervalText } from '../report/study/map-comparison.ts';
import { alignedLines } from '../report/text-table.ts';
import { formatDuration, formatPercent } from '../study/format.ts';
import { type ExploreOptions, exploreStudy, type Session } from '../study/index.node.ts';
import { EXPLORE_DEFAULTS } from '../study/settings.ts';
import { type DataFlags, datasetOptionsOf, withDataFlags } from './dataset-options.ts';
import { allOr, numberBetween, type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { unlessInterrupted, withSession } from './session.ts';

const DEFAULT_OUT = 'runs/explore';

export const exploreCommand = withDataFlags(withSharedOptions(new Command('explore')))
  .description('look at the data before training: counts, duplicates, PCA, t-SNE, overlap of classes, doubtful labels')
  .option('--components <n>', 'principal components to keep', wholeNumber(2), EXPLORE_DEFAULTS.components)
  .option('--map-images <n|all>', 'training images on the map', allOr(wholeNumber(30)), EXPLORE_DEFAULTS.mapImages)
  .option('--neighbour-images <n>', 'training images to compare with each other (default: all)', wholeNumber(30))
  .option(
    '--exaggeration-steps <n>',
    'steps of t-SNE with exaggerated attraction',
    wholeNumber(0),
    EXPLORE_DEFAULTS.exaggerationSteps,
  )
  .option('--steps <n>', 'steps of t-SNE after them', wholeNumber(0), EXPLORE_DEFAULTS.steps)
  .option(
    '--perplexity <x>',
    'effective number of neighbours of an image in t-SNE (default: 30)',
    numberBetween(1, 1e4),
  )
  .option('--late-exaggeration <x>', 'how much stronger attraction is after the first steps', numberBetween(1, 100))
  .option('--learning-rate <x>', 'of t-SNE (default: images / exaggeration)', numberBetween(Number.MIN_VALUE, 1e9))
  .option('--compare-maps', 'also draw UMAP maps, and compare what maps are worth')
  .option('--checkpoint <file>', 'map the penultimate features of this network beside the pixels, and compare')
  .action(async (options: Omit<ExploreOptions, 'out'> & SharedOptions & DataFlags) => {
    const out = options.out ?? DEFAULT_OUT;
    const work = async (session: Session) => {
      const result = await exploreStudy({ ...options, reading: datasetOptionsOf(options), out }, session);
      const title = result.dataKind === 'other' ? 'The data before training' : 'Fashion-MNIST before training';
      const page = await writeChapterPage(out, title, result.sampleData, read => exploreSection(result, read));
      return { result, page };
    };
    const done = await unlessInterrupted(withSession(options, work));
    if (!done) return;
    if (options.json) console.log(JSON.stringify(done.result));
    else print(done.result, done.page);
  });

/** The comparison as an aligned table. */
function comparisonLines({ maps, spaces }: MapComparison): string[] {
  const rows = maps.map(row => [row.space, row.method, ...comparisonCells(row)]);
  const lines = alignedLines(
    [['', 'map', ...COMPARISON_COLUMNS], ...rows],
    [false, false, ...COMPARISON_COLUMNS.map(() => true)],
  );
  return [
    'What maps are worth:',
    ...lines,
    ...spaces.map(
      ({ name, dimensions, accuracy, confusions }) =>
        `All ${dimensions} components of ${name}: right by 10 neighbours ${formatPercent(accuracy)}` +
        (confusions ? `, confusions ${intervalText(confusions)}` : ''),
    ),
  ];
}

function print(result: ExploreResult, page: string): void {
  const { classNames, cleaning, nearDuplicates, pca, overlap, map, labelCandidates, seconds, comparison } = result;
  const { train, test, duplicates } = cleaning;
  const explained = pca.explainedVarianceRatio.reduce((sum, share) => sum + share, 0);
  const all = Object.values(seconds).reduce((sum, value) => sum + value, 0);
  console.log(
    `${train.images} training and ${test.images} test images; pixels: mean ${train.pixels.mean.toFixed(4)}, sd ${train.pixels.sd.toFixed(4)}`,
  );
  console.log(
    `Equal images: ${duplicates.withinTrain} within train, ${duplicates.withinTest} within test, ${duplicates.testInTrain} test in train; ` +
      `nearly equal: ${nearDuplicates.withinTrain} pairs within train, ${nearDuplicates.withinTest} within test, ${nearDuplicates.testInTrain} test in train`,
  );
  console.log(
    `${pca.explainedVarianceRatio.length} principal components explain ${formatPercent(explained)} of the variance`,
  );
  console.log(
    `Map of ${map.images} images: ${map.kl === null ? '' : `divergence ${map.kl.toFixed(3)}, `}trustworthiness ${map.trustworthiness.value.toFixed(4)}, ` +
      `recall ${formatPercent(map.recall.value)}, right by ${map.onMap.k} neighbours ${formatPercent(map.onMap.accuracy)}; ` +
      `of ${map.placed.images} test images placed on it ${formatPercent(map.placed.accuracy)}`,
  );
  console.log(
    `Right by ${overlap.k} neighbours among all components: ${formatPercent(overlap.accuracy)}; most confused:`,
  );
  for (const { classes, images, share } of overlap.pairs.slice(0, 5)) {
    console.log(`  ${classes.map(label => classNames[label]).join(' / ')}: ${formatPercent(share)} (${images} images)`);
  }
  if (comparison) for (const line of comparisonLines(comparison)) console.log(line);
  console.log(`Labels to look at: ${labelCandidates.count} images wholly among another class`);
  console.log(`All in ${formatDuration(all)}; page: ${page}`);
}
