/**
 * One training run as a folder: config.json, log.jsonl, metrics.json, checkpoints and figures. Used by `weft train` and
 * `weft run`.
 */
import { appendFile, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { FashionMnist } from '../data/fashion-mnist.ts';
import { CLASS_NAMES } from '../data/index.node.ts';
import { CheckpointError, DeviceLostError, NonFiniteError } from '../devices/errors.ts';
import type { ModelSpec } from '../nn/index.ts';
import { confusionMatrixChart } from '../report/confusion-matrix.ts';
import { learningCurve } from '../report/learning-curve.ts';
import { lineChart } from '../report/line-chart.ts';
import { chromeTrace, profileLines, rooflineLine } from '../report/profile-report.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadCheckpoint, readCheckpointInfo, saveCheckpoint } from '../train/checkpoint.node.ts';
import {
  buildTrainee,
  type CheckpointInfo,
  type EpochRecord,
  type Evaluation,
  evaluateLogits,
  type FitProgress,
  fit,
  type History,
  predictLogits,
  profileTraining,
  type Recipe,
  scheduleOf,
  type TrainedOn,
  validationSplit,
} from '../train/index.ts';
import { noteTestSetUse } from '../train/test-set-ledger.node.ts';
import { formatDuration, formatPercent } from './progress.ts';
import { Interrupted, type Session } from './session.ts';

export interface TrainingRunOptions {
  readonly model: ModelSpec;
  readonly recipe: Recipe;
  readonly seed: number;
  /** A checkpoint of the same architecture whose parameters and statistics to begin with. Default: random ones. */
  readonly from?: string;
  /** Images held out of the training set; the epoch that does best on them is kept. 0 for none: the last is kept. */
  readonly validation: number;
  /** Evaluate on the test images at the end; otherwise on those held out. */
  readonly test: boolean;
  /** Write a checkpoint after every so many steps, besides those between epochs. */
  readonly checkpointEvery?: number;
  /** Record a step and replay it, where that can be done. Default true. */
  readonly capture?: boolean;
  /** Show where a step spends its time before the run begins. */
  readonly profile?: boolean;
  readonly out: string;
  readonly resume: boolean;
}

export interface TrainingRunResult {
  readonly device: string;
  readonly adapter: string;
  readonly model: string;
  readonly seed: number;
  readonly sampleData: boolean;
  readonly trainImages: number;
  readonly validationImages: number;
  readonly testImages: number;
  readonly epochs: number;
  /** Number of the epoch whose parameters were kept. */
  readonly bestEpoch: number;
  readonly parameters: number;
  /** Absent where the test images were left alone. */
  readonly testAccuracy?: number;
  readonly testLoss?: number;
  /** Of the epoch that was kept; absent where nothing was held out. */
  readonly validationAccuracy?: number;
  readonly imagesPerSecond: number;
  /** From a standing start, compiling and evaluation included; a resumed run adds what its epochs had taken before. */
  readonly seconds: number;
  readonly checkpoint: string;
  readonly evaluatedOn: 'test' | 'validation';
  readonly evaluation: Evaluation;
  /** One record per epoch. */
  readonly history: readonly EpochRecord[];
}

const checkpointFile = (out: string, name: string): string => join(out, 'checkpoints', `${name}.safetensors`);

/** Where a run folder keeps the state that `--resume` goes on from. */
export const lastCheckpoint = (out: string): string => checkpointFile(out, 'last');

/** Trains, evaluates once and writes the run folder. */
export async function trainingRun(
  data: FashionMnist,
  options: TrainingRunOptions,
  session: Session,
): Promise<TrainingRunResult> {
  const { device, progress, signal } = session;
  const { model: spec, recipe, seed, out } = options;
  const began = performance.now();
  const last = lastCheckpoint(out);
  const best = checkpointFile(out, 'best');
  const log = join(out, 'log.jsonl');
  await mkdir(join(out, 'checkpoints'), { recursive: true });
  await mkdir(join(out, 'figures'), { recursive: true });
  const identity: TrainedOn & { recipe: Recipe; from?: string } = {
    recipe,
    from: options.from,
    validation: options.validation,
    trainImages: data.train.count,
    sampleData: data.isSample,
  };
  const resumed = options.resume ? await resumable(last, spec, seed, identity) : undefined;
  if (!resumed) await rm(log, { force: true });
  await writeJsonAtomically(join(out, 'config.json'), { model: spec, seed, ...identity });
  const note = (event: object) => appendFile(log, `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);

  const spentBefore = resumed?.history ? trainingSeconds(resumed.history as History) : 0;
  const trainee = buildTrainee(spec, recipe, device, seed);
  const { model, optimizer, ema } = trainee;
  const train = new DeviceDataset(data.train, device);
  const test = options.test ? new DeviceDataset(data.test, device) : undefined;
  const split = options.validation > 0 ? validationSplit(data.train.labels, options.validation) : undefined;
  const describe = (extra: Partial<CheckpointInfo>): CheckpointInfo => ({
    model: spec,
    device: device.kind,
    adapter: device.info.adapter,
    seed,
    options: identity,
    ...extra,
  });
  /** The model as it is used: with the averaged parameters, where there are any. */
  const saveModel = async (path: string, extra: Partial<CheckpointInfo>): Promise<void> => {
    ema?.swap();
    await saveCheckpoint(path, model, describe(extra));
    ema?.swap();
  };

  try {
    if (resumed) {
      await loadCheckpoint(last, model, { optimizer, ema });
      if (resumed.adapter !== device.info.adapter) {
        progress.note(
          `This run began on ${resumed.adapter}; on ${device.info.adapter} it goes on, but not bit for bit.`,
        );
      }
      progress.note(`Resuming at epoch ${resumed.position!.epoch + 1}, batch ${resumed.position!.batch}.`);
    } else if (options.from !== undefined) {
      await loadCheckpoint(options.from, model);
      ema?.restart();
    }
    await note({
      event: resumed ? 'resume' : 'start',
      command: ['weft', ...process.argv.slice(2)].join(' '),
      device: device.info.description,
      adapter: device.info.adapter,
      model: spec,
      seed,
      ...identity,
      position: resumed?.position,
    });
    if (options.profile) await showProfile(train, options, session);
    let logged = resumed ? await loggedSteps(log) : 0;
    const result = await fit(model, train, optimizer, {
      epochs: recipe.epochs,
      batchSize: Math.min(recipe.batchSize, split?.train.length ?? train.count),
      seed,
      schedule: scheduleOf(recipe),
      smoothing: recipe.smoothing,
      smoothingEpochs: recipe.smoothingEpochs,
      augmentation: recipe.augmentation ?? undefined,
      affine: recipe.affine ?? undefined,
      mixup: recipe.mixup,
      cutmix: recipe.cutmix,
      trainIndices: split?.train,
      validation: split && { data: train, indices: split.heldOut },
      patience: recipe.patience ?? undefined,
      ema,
      signal,
      checkpointEvery: options.checkpointEvery,
      capture: options.capture,
      onCapture: ({ captured, reason }) => {
        if (captured || options.capture === false) return;
        progress.note(`Steps are not recorded and replayed: ${reason}`);
      },
      resume: resumed && { position: resumed.position!, history: resumed.history as History },
      onProgress: event => {
        progress.show(describeProgress(event));
        if (event.record) progress.note(describeEpoch(event));
      },
      onCheckpoint: async ({ position, history, interrupted, isBest }) => {
        if (split && isBest) await saveModel(best, { position });
        await saveCheckpoint(last, model, describe({ position, history }), { optimizer, ema });
        // Steps are logged when their checkpoint is safe, so the log of a resumed run holds every step once.
        await note({ event: 'steps', first: logged, losses: history.losses.slice(logged) });
        logged = history.losses.length;
        if (position.batch === 0) await note({ event: 'epoch', ...history.epochs.at(-1) });
        if (interrupted) await note({ event: 'interrupted', position });
      },
    });
    if (result.interrupted) {
      throw new Interrupted(`Stopped; ${last} is complete. Go on with the same command and --resume --out ${out}.`);
    }
    if (split) await loadCheckpoint(best, model);
    else ema?.swap();

    const evaluatedOn = test ? 'test' : 'validation';
    progress.show(`Evaluating on the ${evaluatedOn} images ...`);
    const indices = test ? undefined : split!.heldOut;
    const logits = await predictLogits(model, test ?? train, { indices });
    const labels = test ? data.test.labels : Uint8Array.from(indices!, index => data.train.labels[index]);
    const evaluation = evaluateLogits(logits, labels, CLASS_NAMES);
    const kept = keptEpoch(result.history, split !== undefined);
    const checkpoint = checkpointFile(out, 'model');
    const results = {
      ...(test && { testAccuracy: evaluation.accuracy, testLoss: evaluation.nll }),
      ...(split && { validationAccuracy: kept.validationAccuracy }),
    };
    await saveCheckpoint(checkpoint, model, describe({ results }));
    const summary: TrainingRunResult = {
      device: device.kind,
      adapter: device.info.description,
      model: spec.name,
      seed,
      sampleData: data.isSample,
      trainImages: split?.train.length ?? train.count,
      validationImages: split?.heldOut.length ?? 0,
      testImages: test?.count ?? 0,
      epochs: result.history.epochs.length,
      bestEpoch: kept.epoch + 1,
      parameters: model.parameterCount,
      ...results,
      imagesPerSecond: Math.round(result.imagesPerSecond),
      seconds: Math.round(spentBefore * 10 + (performance.now() - began) / 100) / 10,
      checkpoint,
      evaluatedOn,
      evaluation,
      history: result.history.epochs,
    };
    await writeJsonAtomically(join(out, 'metrics.json'), summary);
    await writeFigures(out, result.history, evaluation);
    const { accuracy, ci95, images } = evaluation;
    await note({ event: 'evaluated', on: evaluatedOn, accuracy, ci95, seconds: summary.seconds });
    if (test) {
      const use = { command: 'train', model: spec.name, checkpoint, seed, sampleData: data.isSample, images, accuracy };
      await noteTestSetUse(out, use);
    }
    return summary;
  } catch (error) {
    if (error instanceof NonFiniteError) await note({ event: 'failed', message: error.message });
    if (!(error instanceof DeviceLostError)) throw error;
    await note({ event: 'lost', message: error.message });
    const isSaved = await stat(last).catch(() => undefined);
    throw new DeviceLostError(
      `${error.message} ${
        isSaved
          ? `${last} is complete: go on with the same command and --resume --out ${out}.`
          : 'No checkpoint had been written yet; begin again, with --checkpoint-every for long epochs.'
      }`,
    );
  } finally {
    trainee.dispose();
    train.dispose();
    test?.dispose();
  }
}

/** What the epochs of a history took, the one at hand too. */
function trainingSeconds({ epochs, partial }: History): number {
  return epochs.reduce((sum, { seconds }) => sum + seconds, partial.seconds);
}

const PROFILED_STEPS = 10;

/** Prints where a step spends its time, and writes the timeline. */
async function showProfile(
  train: DeviceDataset,
  { model, recipe, capture, out }: TrainingRunOptions,
  { device, progress }: Session,
): Promise<void> {
  progress.show('Profiling ...');
  const { steps, entries, roofline, calls, millisecondsPerStep } = await profileTraining(
    model,
    recipe,
    train,
    PROFILED_STEPS,
    capture,
  );
  const kernels = entries.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / steps;
  progress.note(
    `A training step takes ${millisecondsPerStep.toFixed(1)} ms (mean of ${steps}), ${kernels.toFixed(1)} ms of it in ` +
      `kernels as the profiler times them; per step:`,
  );
  for (const line of profileLines(entries, steps)) progress.note(line);
  if (roofline) progress.note(rooflineLine(roofline));
  const file = join(out, 'profile.json');
  await writeJsonAtomically(file, chromeTrace(calls, device.info.description));
  progress.note(`Timeline of these steps: ${file} (open it in chrome://tracing or ui.perfetto.dev).`);
}

/** The record of the epoch whose parameters are kept: the last of the best on validation, or the last. */
function keptEpoch({ epochs }: History, isByValidation: boolean): EpochRecord {
  if (!isByValidation) return epochs.at(-1)!;
  return epochs.reduce((best, one) => (one.validationAccuracy! >= best.validationAccuracy! ? one : best));
}

/** The checkpoint to go on from; refuses one of another run. */
async function resumable(path: string, spec: ModelSpec, seed: number, identity: object): Promise<CheckpointInfo> {
  const info = await readCheckpointInfo(path);
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  if (!same(info.model, spec) || !same(info.options, identity) || info.seed !== seed || !info.position) {
    throw new CheckpointError(
      `${path} belongs to a run with other options or data (see config.json beside it); repeat those, or choose another --out.`,
    );
  }
  return info;
}

/** How many steps' losses a log holds; a last line that was cut off goes. */
async function loggedSteps(log: string): Promise<number> {
  const text = await readFile(log, 'utf8').catch(() => '');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole !== text) await writeFileAtomically(log, whole);
  const events = whole
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as { event: string; losses?: number[] });
  return events.reduce((steps, { losses = [] }) => steps + losses.length, 0);
}

function describeProgress({
  epoch,
  epochs,
  batch,
  batches,
  loss,
  accuracy,
  imagesPerSecond,
  secondsLeft,
}: FitProgress): string {
  return (
    `epoch ${epoch + 1}/${epochs}  batch ${batch}/${batches}  loss ${loss.toFixed(4)}  accuracy ${formatPercent(accuracy)}  ` +
    `${Math.round(imagesPerSecond)} images/s  ${formatDuration(secondsLeft)} left`
  );
}

function describeEpoch({ epochs, record, imagesPerSecond }: FitProgress): string {
  const { epoch, loss, accuracy, seconds, validationAccuracy } = record!;
  const validation = validationAccuracy === undefined ? '' : `  validation ${formatPercent(validationAccuracy)}`;
  return (
    `epoch ${epoch + 1}/${epochs}  loss ${loss.toFixed(4)}  accuracy ${formatPercent(accuracy)}${validation}  ` +
    `${formatDuration(seconds)}  ${Math.round(imagesPerSecond)} images/s`
  );
}

/** The loss of the steps, averaged over stretches: at least a step each, at most so many stretches. */
const MOST_STRETCHES = 100;

function lossCurve({ losses, epochs }: History): string {
  const stretches = Math.min(MOST_STRETCHES, losses.length);
  const points = Array.from({ length: stretches }, (_, stretch) => {
    const first = Math.floor((stretch * losses.length) / stretches);
    const end = Math.floor(((stretch + 1) * losses.length) / stretches);
    const some = losses.slice(first, end);
    const x = ((first + end) / 2 / losses.length) * epochs.length;
    return { x, y: some.reduce((sum, loss) => sum + loss, 0) / some.length };
  });
  const options = { title: 'Training loss', xLabel: 'epochs', yLabel: 'loss of the batches' };
  return lineChart([{ name: 'loss', points }], options);
}

async function writeFigures(out: string, history: History, { confusion }: Evaluation): Promise<void> {
  const rows = history.epochs.map(({ epoch, loss, accuracy, validationLoss, validationAccuracy }) => ({
    epoch: epoch + 1,
    trainLoss: loss,
    trainAccuracy: accuracy,
    validationLoss,
    validationAccuracy,
  }));
  await writeFileAtomically(join(out, 'figures', 'learning-curve.svg'), learningCurve(rows));
  await writeFileAtomically(join(out, 'figures', 'loss.svg'), lossCurve(history));
  await writeFileAtomically(join(out, 'figures', 'confusion-matrix.svg'), confusionMatrixChart(confusion, CLASS_NAMES));
}
