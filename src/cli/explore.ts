/**
 * `weft explore`: a data set before training. Counts, duplicates, principal components, a map, overlap of classes as
 * numbers, and the images whose labels deserve a second look; as JSON, figures and one page.
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { UsageError } from '../devices/errors.ts';
import { type ExploreResult, exploreImages } from '../explore/index.ts';
import { encodePng, htmlReport } from '../report/index.node.ts';
import type { FigureSource } from '../report/study/chapter.ts';
import { exploreSection } from '../report/study/explore.ts';
import { exploreCharts, explorePictures } from '../report/study/explore-figures.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { formatDuration, formatPercent } from './progress.ts';
import { Interrupted, obtainData, type Session, unlessInterrupted, withSession } from './session.ts';

export interface ExploreOptions extends Pick<SharedOptions, 'seed' | 'data' | 'limit'> {
  readonly out: string;
  /** Principal components to keep. */
  readonly components: number;
  /** Training images on the map. */
  readonly mapImages: number;
  /** Training images that are compared with each other; default all. */
  readonly neighbourImages?: number;
  /** Steps of t-SNE with exaggerated attraction, and after. */
  readonly exaggerationSteps: number;
  readonly steps: number;
}

/** What a look takes on two processor cores: under 100 seconds of all 60,000 images, and some seconds of a thousand. */
export const EXPLORE_DEFAULTS = { components: 50, mapImages: 2500, exaggerationSteps: 250, steps: 500 } as const;
export const EXPLORE_SMOKE = { components: 30, mapImages: 300, exaggerationSteps: 100, steps: 150 } as const;

const DEFAULT_OUT = 'runs/explore';

export const exploreCommand = withSharedOptions(new Command('explore'))
  .description('look at the data before training: counts, duplicates, PCA, t-SNE, overlap of classes, doubtful labels')
  .option('--components <n>', 'principal components to keep', wholeNumber(2), EXPLORE_DEFAULTS.components)
  .option('--map-images <n>', 'training images on the map', wholeNumber(30), EXPLORE_DEFAULTS.mapImages)
  .option('--neighbour-images <n>', 'training images to compare with each other (default: all)', wholeNumber(30))
  .option(
    '--exaggeration-steps <n>',
    'steps of t-SNE with exaggerated attraction',
    wholeNumber(0),
    EXPLORE_DEFAULTS.exaggerationSteps,
  )
  .option('--steps <n>', 'steps of t-SNE after them', wholeNumber(0), EXPLORE_DEFAULTS.steps)
  .action(async (options: Omit<ExploreOptions, 'out'> & SharedOptions) => {
    const out = options.out ?? DEFAULT_OUT;
    const work = async (session: Session) => {
      const figures = new Map<string, Uint8Array | string>();
      const result = await exploreStudy({ ...options, out }, session, figures);
      const read: FigureSource = file => {
        const contents = figures.get(file);
        if (contents === undefined) throw new UsageError(`explore: there is no figure ${file}.`);
        return typeof contents === 'string' ? { svg: contents } : { png: contents };
      };
      const page = join(out, 'report.html');
      const html = htmlReport({
        title: 'Fashion-MNIST before training',
        notice: result.sampleData ? 'SAMPLE DATA: the small data set of this package.' : undefined,
        sections: [exploreSection(result, read)],
      });
      await writeFileAtomically(page, html);
      return { result, page };
    };
    const done = await unlessInterrupted(withSession(options, work));
    if (!done) return;
    if (options.json) console.log(JSON.stringify(done.result));
    else print(done.result, done.page);
  });

/**
 * Explores the data and writes explore.json and figures/ into `options.out`.
 *
 * @param figures receives what was written, by file name, for a caller that makes a page of it at once
 * @throws UsageError for options that do not fit the data; Interrupted when the session's signal stopped it
 */
export async function exploreStudy(
  options: ExploreOptions,
  session: Session,
  figures: Map<string, Uint8Array | string> = new Map(),
): Promise<ExploreResult> {
  const { device, progress, signal } = session;
  const { out, seed, components, mapImages, neighbourImages, exaggerationSteps, steps } = options;
  const data = await obtainData(options, progress);
  const { result, pca } = await exploreImages(data, {
    ...{ device, seed, components, mapImages, neighbourImages, exaggerationSteps, steps, signal },
    onProgress: what => progress.show(`explore: ${what}`),
  }).catch(error => {
    if (signal.aborted) throw new Interrupted('Stopped; the same command starts again.');
    throw error;
  });
  progress.show('explore: figures');
  for (const [name, svg] of Object.entries(exploreCharts(result))) figures.set(name, svg);
  for (const [name, picture] of Object.entries(explorePictures(result, data, pca)))
    figures.set(name, encodePng(picture));
  for (const [name, contents] of figures) await writeFileAtomically(join(out, 'figures', name), contents);
  await writeJsonAtomically(join(out, 'explore.json'), result);
  return result;
}

function print(result: ExploreResult, page: string): void {
  const { classNames, cleaning, nearDuplicates, pca, overlap, map, labelCandidates, seconds } = result;
  const { train, test, duplicates } = cleaning;
  const explained = pca.explainedVarianceRatio.reduce((sum, share) => sum + share, 0);
  const all = Object.values(seconds).reduce((sum, value) => sum + value, 0);
  console.log(
    `${train.images} training and ${test.images} test images; pixels: mean ${train.pixels.mean.toFixed(4)}, sd ${train.pixels.sd.toFixed(4)}`,
  );
  console.log(
    `Equal images: ${duplicates.withinTrain} within train, ${duplicates.withinTest} within test, ${duplicates.testInTrain} test in train; ` +
      `nearly equal: ${nearDuplicates.withinTrain} pairs within train, ${nearDuplicates.testInTrain} test in train`,
  );
  console.log(
    `${pca.explainedVarianceRatio.length} principal components explain ${formatPercent(explained)} of the variance`,
  );
  console.log(
    `Map of ${map.images} images: divergence ${map.kl.toFixed(3)}, trustworthiness ${map.trustworthiness.value.toFixed(4)}, ` +
      `recall ${formatPercent(map.recall.value)}, right by ${map.onMap.k} neighbours ${formatPercent(map.onMap.accuracy)}`,
  );
  console.log(
    `Right by ${overlap.k} neighbours among all components: ${formatPercent(overlap.accuracy)}; most confused:`,
  );
  for (const { classes, images, share } of overlap.pairs.slice(0, 5)) {
    console.log(`  ${classes.map(label => classNames[label]).join(' / ')}: ${formatPercent(share)} (${images} images)`);
  }
  console.log(`Labels to look at: ${labelCandidates.count} images wholly among another class`);
  console.log(`All in ${formatDuration(all)}; page: ${page}`);
}
