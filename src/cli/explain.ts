/**
 * `weft explain`: attributions of chosen images by chosen methods, as raw arrays, sheets and one page, with the figures
 * that say how far to trust them.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { noGrad } from '../autograd/index.ts';
import { stratifiedSplit } from '../data/batches.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import { CLASS_NAMES, type FashionMnist } from '../data/index.node.ts';
import { UsageError } from '../devices/errors.ts';
import {
  type Attribution,
  type CompleteAttribution,
  type DeepShapAttribution,
  METHOD_NAMES,
  methodNamed,
} from '../explain/index.ts';
import { serializeNpy } from '../interop/npy.ts';
import { buildModel, type Module } from '../nn/index.ts';
import { limeFit } from '../report/index.node.ts';
import type { ExplainedMethod, ExplainResult } from '../report/study/explain.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadCheckpoint, readCheckpointInfo } from '../train/checkpoint.node.ts';
import { predictedClasses, predictLogits, softmaxRows } from '../train/index.ts';
import { noteTestSetUse } from '../train/test-set-ledger.node.ts';
import { type ChosenImages, chooseImages } from './chosen-images.ts';
import { type ExplainedRow, ROWS_PER_SHEET, writeExplanationPage } from './explanation-page.ts';
import { type ImageSelection, imageSelection } from './image-selection.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { formatPercent } from './progress.ts';
import { Interrupted, obtainData, type Session, unlessInterrupted, withSession } from './session.ts';

const DEFAULT_METHODS = ['grad-cam', 'integrated-gradients', 'deep-shap'];

export interface ExplainCommandOptions extends SharedOptions {
  readonly checkpoint: string;
  readonly images: ImageSelection;
  readonly methods: readonly string[];
  readonly layer?: string;
  /** Default: predicted; both where mistakes are asked for. */
  readonly target?: 'predicted' | 'true' | 'both' | number;
  readonly background: number;
  /** Pieces of the image for the methods that explain by pieces. Default: slic. */
  readonly segments?: 'slic' | 'grid';
  /** Instead of the methods' own defaults. */
  readonly segmentCount?: number;
  readonly steps?: number;
  readonly samples?: number;
}

function methodList(text: string): string[] {
  const names = text === 'all' ? METHOD_NAMES : text.split(',').filter(name => name !== '');
  try {
    for (const name of names) methodNamed(name);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  if (names.length === 0) throw new InvalidArgumentError('Name at least one method.');
  return [...new Set(names)];
}

function targetOption(text: string): NonNullable<ExplainCommandOptions['target']> {
  if (text === 'predicted' || text === 'true' || text === 'both') return text;
  const label = CLASS_NAMES.findIndex(name => name.toLowerCase() === text.toLowerCase());
  if (label >= 0) return label;
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`Use predicted, true, both, a class number, or one of ${CLASS_NAMES.join(', ')}.`);
}

export const explainCommand = withSharedOptions(new Command('explain'))
  .description('explain what a checkpoint sees in chosen images')
  .requiredOption('--checkpoint <file>', 'a .safetensors file written by weft train, or pretrained:NAME')
  .addOption(
    new Option(
      '--images <selection>',
      'test:0-15, train:3,7,20-29, mistakes:8 (the surest ones among the test images), photo.jpg, or several of these',
    )
      .argParser(imageSelection)
      .default(imageSelection('test:0-7'), 'test:0-7'),
  )
  .option('--methods <names>', `all, or a list of ${METHOD_NAMES.join(', ')}`, methodList, DEFAULT_METHODS)
  .option('--layer <path>', 'layer of the class activation maps (default: the last convolutional stage)')
  .option(
    '--target <class>',
    'predicted (default), true, both (two rows for a mistake; default with mistakes:N), or a class by number or name',
    targetOption,
  )
  .option('--background <n>', 'training images that SHAP compares with', wholeNumber(1), 50)
  .addOption(
    new Option('--segments <kind>', 'pieces of the image for LIME, KernelSHAP and feature ablation')
      .choices(['slic', 'grid'])
      .default('slic'),
  )
  .option('--segment-count <n>', 'about how many pieces (default: 50)', wholeNumber(1))
  .option('--steps <n>', 'points of integrated gradients (default: 50)', wholeNumber(1))
  .option(
    '--samples <n>',
    'per image, for SmoothGrad (default: 50), expected gradients (200), LIME (1000), KernelSHAP (2 per piece + 2048)',
    wholeNumber(2),
  )
  .action(async (options: ExplainCommandOptions) => {
    const result = await unlessInterrupted(withSession(options, session => explainStudy(options, session)));
    if (!result) return;
    if (options.json) {
      console.log(JSON.stringify(result));
      return;
    }
    for (const { method, layer, seconds, additivity, fit } of result.methods) {
      const at = layer ? ` at ${layer}` : '';
      const error = additivity
        ? `, additivity error median ${additivity.median.toExponential(1)}, largest ${additivity.largest.toExponential(1)}` +
          (additivity.brokenBy ? ` (broken by ${additivity.brokenBy})` : '')
        : '';
      const linear = fit
        ? `, R2 median ${median(fit.r2).toFixed(2)}, share of samples that changed the class median ${formatPercent(median(fit.changed))}`
        : '';
      console.log(`${method}${at}: ${seconds.toFixed(1)} s${error}${linear}`);
    }
    console.log(`Sheets and captions: ${result.page}`);
  });

/**
 * Explains the images; writes explain.json, maps/, figures/ and report.html into `out`.
 * @throws UsageError for images, layers or classes that there are not; Interrupted when the session's signal is raised
 */
export async function explainStudy(options: ExplainCommandOptions, session: Session): Promise<ExplainResult> {
  const { device, progress } = session;
  const info = await readCheckpointInfo(options.checkpoint);
  const data = await obtainData(options, progress);
  const out = options.out ?? 'runs/explain';
  await mkdir(join(out, 'maps'), { recursive: true });
  await mkdir(join(out, 'figures'), { recursive: true });
  const model = buildModel(info.model).initialize({ device });
  await loadCheckpoint(options.checkpoint, model);
  model.eval();
  const background = backgroundImages(data, options, device);
  let images: DeviceDataset | undefined;
  try {
    const chosen = await chooseImages(options.images, data, model, session);
    if (chosen.testAccuracy) {
      const use = { command: 'explain', model: info.model.name, checkpoint: options.checkpoint };
      await noteTestSetUse(out, { ...use, sampleData: data.isSample, ...chosen.testAccuracy });
    }
    images = new DeviceDataset(chosen.set, device);
    const rows = await explainedRows(model, images, chosen, options);
    const x = images.batch(rows.map(({ place }) => place)).images;
    const attributions: Attribution[] = [];
    const methods: ExplainedMethod[] = [];
    const { segmentCount, steps, samples } = options;
    const effort = { segmentCount, steps, samples };
    for (const name of options.methods) {
      if (session.signal.aborted) throw new Interrupted(`Stopped before ${name}; what is done lies in ${out}/maps.`);
      progress.show(`${name} ...`);
      const began = performance.now();
      const attribution = await methodNamed(name).run(model, x, {
        background,
        layer: options.layer,
        segments: options.segments,
        seed: options.seed,
        ...effort,
        target: rows.map(({ target }) => target),
      });
      attributions.push(attribution);
      const file = join(out, 'maps', `${name}.npy`);
      await writeFileAtomically(file, serializeNpy(attribution.shape, attribution.values));
      methods.push({
        method: name,
        layer: 'layer' in attribution ? (attribution.layer as string) : undefined,
        seconds: Math.round(performance.now() - began) / 1000,
        file,
        shape: attribution.shape,
        additivity: additivityOf(attribution),
        fit: limeFit(attribution),
      });
    }
    const pictures = { values: await x.data(), shape: x.shape };
    x.dispose();
    const title = `What ${info.model.name} looks at`;
    const photos = chosen.images.flatMap(({ source, photo }) => (photo ? [{ source, photo }] : []));
    const { isSample } = data;
    const page = await writeExplanationPage(out, { title, rows, pictures, attributions, isSample, photos });
    const result: ExplainResult = {
      device: device.kind,
      adapter: device.info.description,
      model: info.model.name,
      checkpoint: options.checkpoint,
      seed: options.seed,
      sampleData: data.isSample,
      background: options.background,
      ...effort,
      classNames: CLASS_NAMES,
      images: rows.map(({ place, ...row }) => row),
      methods,
      sheets: Array.from({ length: Math.ceil(rows.length / ROWS_PER_SHEET) }, (_, sheet) => ({
        figure: `sheet-${sheet + 1}.png`,
        rows: Math.min(ROWS_PER_SHEET, rows.length - sheet * ROWS_PER_SHEET),
      })),
      page,
    };
    await writeJsonAtomically(join(out, 'explain.json'), result);
    return result;
  } finally {
    background.dispose();
    images?.dispose();
    model.dispose();
  }
}

/** Training images, equally many of each class as far as that goes. */
function backgroundImages(data: FashionMnist, { background, seed }: ExplainCommandOptions, device: Session['device']) {
  const { labels, count } = data.train;
  if (background > count) throw new UsageError(`explain: there are only ${count} training images, not ${background}.`);
  const chosen = background === count ? Array.from(labels.keys()) : stratifiedSplit(labels, background, seed).heldOut;
  const train = new DeviceDataset(data.train, device);
  try {
    return noGrad(() => {
      const { images, labels: unused } = train.batch(chosen);
      unused.dispose();
      return images;
    });
  } finally {
    train.dispose();
  }
}

/** The rows to explain: each image for its target; with `both`, a mistake also for its true class. */
async function explainedRows(
  model: Module,
  images: DeviceDataset,
  chosen: ChosenImages,
  { images: selection, target: asked }: ExplainCommandOptions,
): Promise<(ExplainedRow & { readonly place: number })[]> {
  const target = asked ?? (selection.some(({ kind }) => kind === 'mistakes') ? 'both' : 'predicted');
  const logits = await predictLogits(model, images);
  const classes = logits.length / images.count;
  if (typeof target === 'number' && target >= classes) {
    throw new UsageError(`explain: there is no class ${target}; the model has ${classes} (0 to ${classes - 1}).`);
  }
  const probabilities = softmaxRows(logits, classes);
  const predicted = predictedClasses(logits, classes);
  return chosen.images.flatMap(({ source, index, label }, place) => {
    const row = {
      place,
      source,
      index,
      label,
      predicted: predicted[place],
      probabilities: Array.from(probabilities.subarray(place * classes, (place + 1) * classes)),
    };
    if (target === 'both' && label !== null && label !== predicted[place]) {
      return [
        { ...row, target: predicted[place] },
        { ...row, target: label },
      ];
    }
    if (target === 'true') {
      if (label !== null) return [{ ...row, target: label }];
      throw new UsageError(`explain: what ${source} shows is not known; name its class with --target.`);
    }
    return [{ ...row, target: typeof target === 'number' ? target : predicted[place] }];
  });
}

function additivityOf(attribution: Attribution): ExplainedMethod['additivity'] {
  if (!('additivityErrors' in attribution)) return undefined;
  const { additivityErrors, additivityError } = attribution as CompleteAttribution;
  const { brokenBy } = attribution as DeepShapAttribution;
  return { median: median(additivityErrors), largest: additivityError, brokenBy: brokenBy?.operation };
}

const median = (values: ArrayLike<number>): number => Float64Array.from(values).sort()[values.length >> 1];
