/**
 * The stage `explain`: attributions of chosen images by chosen methods, as raw arrays (maps/*.npy), with the figures that
 * say how far to trust them, and drawn as sheets.
 */

import { join } from 'node:path';
import { stratifiedSplit } from '../data/batches.ts';
import { someOf } from '../data/dataset.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { Dataset } from '../data/index.node.ts';
import { UsageError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import {
  type Attribution,
  type CompleteAttribution,
  type DeepShapAttribution,
  type MethodContext,
  methodNamed,
} from '../explain/index.ts';
import { serializeNpy } from '../interop/npy.ts';
import type { Module } from '../nn/index.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { ensureWritable, writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadModel } from '../train/checkpoint.node.ts';
import { predictedClasses, predictLogits, softmaxRows } from '../train/index.ts';
import { type ChosenImages, chooseImages } from './chosen-images.node.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import type { ImageSelection } from './image-selection.ts';
import { imagesOf } from './image-tensor.ts';
import { limeFit } from './lime-fit.ts';
import type { ExplainedImage, ExplainedMethod, ExplainResult } from './results.ts';
import { aboutData, checkSameData, dataOf } from './run-data.node.ts';
import { Interrupted, type Session, unlessAborted } from './session.ts';
import { noteTestSetUse } from './test-set-ledger.node.ts';

/** Instead of the methods' own defaults; see MethodContext. */
type Effort = Pick<MethodContext, 'segmentCount' | 'steps' | 'samples'>;

export interface ExplainOptions extends DataOptions, Effort, Pick<MethodContext, 'layer' | 'segments'> {
  readonly checkpoint: string;
  readonly images: ImageSelection;
  readonly methods: readonly string[];
  readonly seed: number;
  /** `predicted`, `true`, `both`, or a class by number or name. Default: predicted; both where mistakes are asked for. */
  readonly target?: string | number;
  /** Training images that SHAP compares with. */
  readonly background: number;
  readonly out: string;
}

/** An image explained for one class, and its place among the chosen images. */
type Row = ExplainedImage & { readonly place: number };

/**
 * Explains the images; writes explain.json, maps/ and what the drawing makes of them into `out`.
 * @throws UsageError for images, layers or classes that there are not; Interrupted when the session's signal is raised
 */
export async function explainStudy(options: ExplainOptions, session: Session): Promise<ExplainResult> {
  const { device, progress, drawing } = session;
  const { checkpoint, out, seed, background: compared, segmentCount, steps, samples } = options;
  const { model, info } = await loadModel(checkpoint, device);
  let background: Tensor | undefined;
  let images: DeviceDataset | undefined;
  try {
    model.eval();
    const { classNames } = dataOf(info);
    const target = targetOf(options, classNames);
    const data = await obtainDataset(options, progress, session.signal);
    checkSameData(info, checkpoint, data);
    await ensureWritable(join(out, 'maps'));
    await ensureWritable(join(out, 'figures'));
    background = backgroundImages(data, options, session);
    const chosen = await chooseImages(options.images, data, model, session);
    if (chosen.testAccuracy) {
      const use = { command: 'explain', model: info.model.name, checkpoint };
      await noteTestSetUse(out, { ...use, sampleData: data.isSample, ...chosen.testAccuracy }, progress);
    }
    images = new DeviceDataset(chosen.set, device);
    const rows = await explainedRows(model, images, chosen, target);
    const x = images.batch(rows.map(({ place }) => place)).images;
    const explained = await explainRows(model, x, background, rows, options, session);
    const pictures = { values: await x.data(), shape: x.shape };
    x.dispose();
    const drawn = await drawing?.explanations(
      {
        title: `What ${info.model.name} looks at`,
        classNames,
        rows,
        pictures,
        attributions: explained.map(({ attribution }) => attribution),
        isSample: data.isSample,
        photos: chosen.images.flatMap(({ source, photo }) => (photo ? [{ source, photo }] : [])),
      },
      drawingFolder(out),
    );
    const result: ExplainResult = {
      device: device.kind,
      adapter: device.info.description,
      model: info.model.name,
      checkpoint,
      seed,
      sampleData: data.isSample,
      background: compared,
      segmentCount,
      steps,
      samples,
      ...aboutData(data),
      classNames,
      images: rows.map(({ place, ...row }) => row),
      methods: explained.map(({ method }) => method),
      sheets: drawn?.sheets ?? [],
      page: drawn?.page,
    };
    await writeJsonAtomically(join(out, 'explain.json'), result);
    return result;
  } finally {
    background?.dispose();
    images?.dispose();
    model.dispose();
  }
}

/** Runs the methods one after the other and keeps the values of each as an array. */
async function explainRows(
  model: Module,
  x: Tensor,
  background: Tensor,
  rows: readonly Row[],
  { methods, out, layer, segments, seed, segmentCount, steps, samples }: ExplainOptions,
  { progress, signal }: Session,
): Promise<{ attribution: Attribution; method: ExplainedMethod }[]> {
  const context = { background, layer, segments, seed, segmentCount, steps, samples };
  const explained: { attribution: Attribution; method: ExplainedMethod }[] = [];
  for (const name of methods) {
    if (signal.aborted) throw new Interrupted(`Stopped before ${name}; what is done lies in ${out}/maps.`);
    progress.show(`${name} ...`);
    const began = performance.now();
    const target = rows.map(row => row.target);
    const attribution = await unlessAborted(methodNamed(name).run(model, x, { ...context, target }), signal);
    const file = join(out, 'maps', `${name}.npy`);
    await writeFileAtomically(file, serializeNpy(attribution.shape, attribution.values));
    const method: ExplainedMethod = {
      method: name,
      layer: 'layer' in attribution ? (attribution.layer as string) : undefined,
      seconds: Math.round(performance.now() - began) / 1000,
      file,
      shape: attribution.shape,
      additivity: additivityOf(attribution),
      fit: limeFit(attribution),
    };
    explained.push({ attribution, method });
  }
  return explained;
}

/** Training images, equally many of each class as far as that goes. */
function backgroundImages(data: Dataset, { background, seed }: ExplainOptions, { device }: Session): Tensor {
  const { labels, count } = data.train;
  if (background > count) throw new UsageError(`explain: there are only ${count} training images, not ${background}.`);
  const chosen = background === count ? Array.from(labels.keys()) : stratifiedSplit(labels, background, seed).heldOut;
  return imagesOf(data.train, chosen, device);
}

type Target = 'predicted' | 'true' | 'both' | number;

/**
 * Which class is explained.
 * @throws UsageError for what is no class
 */
function targetOf({ target: asked, images }: ExplainOptions, classNames: readonly string[]): Target {
  if (asked === undefined) return images.some(({ kind }) => kind === 'mistakes') ? 'both' : 'predicted';
  if (asked === 'predicted' || asked === 'true' || asked === 'both') return asked;
  const named = classNames.findIndex(name => name.toLowerCase() === String(asked).toLowerCase());
  if (named >= 0) return named;
  const classes = classNames.length;
  if (!/^\d+$/.test(String(asked))) {
    throw new UsageError(
      `explain: "${plainText(String(asked))}" is no class; use predicted, true, both, a class number, or one of ${someOf(classNames)}.`,
    );
  }
  if (Number(asked) < classes) return Number(asked);
  throw new UsageError(`explain: there is no class ${asked}; the model has ${classes} (0 to ${classes - 1}).`);
}

/** The rows to explain: each image for its target; with `both`, a mistake also for its true class. */
async function explainedRows(
  model: Module,
  images: DeviceDataset,
  chosen: ChosenImages,
  target: Target,
): Promise<Row[]> {
  const logits = await predictLogits(model, images);
  const classes = logits.length / images.count;
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
