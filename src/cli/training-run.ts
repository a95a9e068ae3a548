/**
 * One training run as a folder: config.json, log.jsonl, metrics.json, checkpoints and figures. Used by `weft train` and
 * `weft run`.
 */
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stratifiedSplit } from '../data/batches.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { FashionMnist } from '../data/fashion-mnist.ts';
import { CLASS_NAMES } from '../data/index.node.ts';
import { CheckpointError, NonFiniteError } from '../devices/errors.ts';
import { type ModelSpec, scheduleNamed } from '../nn/index.ts';
import { confusionMatrixChart } from '../report/confusion-matrix.ts';
import { learningCurve } from '../report/learning-curve.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadCheckpoint, readCheckpointInfo, saveCheckpoint } from '../train/checkpoint.node.ts';
import {
  buildTrainee,
  type CheckpointInfo,
  type Evaluation,
  evaluateLogits,
  type FitProgress,
  fit,
  type History,
  predictLogits,
  type Recipe,
} from '../train/index.ts';
import { formatDuration, formatPercent } from './progress.ts';
import type { Session } from './session.ts';

export interface TrainingRunOptions {
  readonly model: ModelSpec;
  readonly recipe: Recipe;
  readonly seed: number;
  /** Images held out of the training set for validation; 0 for none. */
  readonly validation: number;
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
  readonly parameters: number;
  readonly testAccuracy: number;
  readonly testLoss: number;
  readonly imagesPerSecond: number;
  readonly seconds: number;
  readonly checkpoint: string;
  readonly evaluation: Evaluation;
}

/** Raised when Ctrl-C stopped the run; its checkpoint is written. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/** Trains, evaluates on the test set and writes the run folder. */
export async function trainingRun(
  data: FashionMnist,
  options: TrainingRunOptions,
  session: Session,
): Promise<TrainingRunResult> {
  const { device, progress, signal } = session;
  const { model: spec, recipe, seed, out } = options;
  const began = performance.now();
  const last = join(out, 'checkpoints', 'last.safetensors');
  const log = join(out, 'log.jsonl');
  await mkdir(join(out, 'checkpoints'), { recursive: true });
  await mkdir(join(out, 'figures'), { recursive: true });
  const resumed = options.resume ? await resumable(last, spec, options) : undefined;
  if (!resumed) await rm(log, { force: true });
  await writeJsonAtomically(join(out, 'config.json'), { model: spec, recipe, seed, validation: options.validation });
  const note = (event: object) => appendFile(log, `${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);

  const trainee = buildTrainee(spec, recipe, device, seed);
  const { model, optimizer, ema } = trainee;
  const train = new DeviceDataset(data.train, device);
  const test = new DeviceDataset(data.test, device);
  const split = options.validation > 0 ? stratifiedSplit(data.train.labels, options.validation, seed) : undefined;
  const describe = (extra: Partial<CheckpointInfo>): CheckpointInfo => ({
    model: spec,
    device: device.kind,
    adapter: device.info.adapter,
    seed,
    options: { recipe, validation: options.validation },
    ...extra,
  });

  try {
    if (resumed) {
      await loadCheckpoint(last, model, { optimizer, ema });
      if (resumed.adapter !== device.info.adapter) {
        progress.note(
          `This run began on ${resumed.adapter}; on ${device.info.adapter} it goes on, but not bit for bit.`,
        );
      }
      progress.note(`Resuming at epoch ${resumed.position!.epoch + 1}, batch ${resumed.position!.batch}.`);
    }
    await note({ event: resumed ? 'resume' : 'start', device: device.info.description, model: spec, recipe, seed });
    const result = await fit(model, train, optimizer, {
      epochs: recipe.epochs,
      batchSize: Math.min(recipe.batchSize, split?.train.length ?? train.count),
      seed,
      schedule: scheduleNamed(recipe.schedule),
      smoothing: recipe.smoothing,
      augmentation: recipe.augmentation ?? undefined,
      trainIndices: split?.train,
      validation: split && { data: train, indices: split.heldOut },
      ema,
      signal,
      resume: resumed && { position: resumed.position!, history: resumed.history as History },
      onProgress: event => {
        progress.show(describeProgress(event));
        if (event.record) {
          progress.note(describeEpoch(event));
          void note({ event: 'epoch', ...event.record });
        }
      },
      onCheckpoint: async ({ position, history, interrupted }) => {
        await saveCheckpoint(last, model, describe({ position, history }), { optimizer, ema });
        if (interrupted) await note({ event: 'interrupted', position });
      },
    });
    if (result.interrupted) {
      throw new Interrupted(`Stopped; ${last} is complete. Go on with the same command and --resume --out ${out}.`);
    }
    // From here on the averaged parameters, where there are any, are the model.
    ema?.swap();
    progress.show('Evaluating on the test images ...');
    const logits = await predictLogits(model, test);
    const evaluation = evaluateLogits(logits, data.test.labels, CLASS_NAMES);
    const checkpoint = join(out, 'checkpoints', 'model.safetensors');
    await saveCheckpoint(checkpoint, model, describe({ results: { testAccuracy: evaluation.accuracy } }));
    const summary: TrainingRunResult = {
      device: device.kind,
      adapter: device.info.description,
      model: spec.name,
      seed,
      sampleData: data.isSample,
      trainImages: split?.train.length ?? train.count,
      validationImages: split?.heldOut.length ?? 0,
      testImages: test.count,
      epochs: result.history.epochs.length,
      parameters: model.parameterCount,
      testAccuracy: evaluation.accuracy,
      testLoss: evaluation.nll,
      imagesPerSecond: Math.round(result.imagesPerSecond),
      seconds: Math.round((performance.now() - began) / 100) / 10,
      checkpoint,
      evaluation,
    };
    await writeJsonAtomically(join(out, 'metrics.json'), summary);
    await writeFigures(out, result.history, evaluation);
    await note({ event: 'tested', testAccuracy: evaluation.accuracy, ci95: evaluation.ci95, seconds: summary.seconds });
    return summary;
  } catch (error) {
    if (error instanceof NonFiniteError) await note({ event: 'failed', message: error.message });
    throw error;
  } finally {
    trainee.dispose();
    train.dispose();
    test.dispose();
  }
}

/** The checkpoint to go on from; refuses one of another run. */
async function resumable(path: string, spec: ModelSpec, options: TrainingRunOptions): Promise<CheckpointInfo> {
  const info = await readCheckpointInfo(path);
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  const wanted = { recipe: options.recipe, validation: options.validation };
  if (!same(info.model, spec) || !same(info.options, wanted) || info.seed !== options.seed || !info.position) {
    throw new CheckpointError(
      `${path} belongs to a run with other options (see config.json beside it); repeat those, or choose another --out.`,
    );
  }
  return info;
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

async function writeFigures(out: string, history: History, { confusion }: Evaluation): Promise<void> {
  const rows = history.epochs.map(({ epoch, loss, accuracy, validationLoss, validationAccuracy }) => ({
    epoch: epoch + 1,
    trainLoss: loss,
    trainAccuracy: accuracy,
    validationLoss,
    validationAccuracy,
  }));
  await writeFileAtomically(join(out, 'figures', 'learning-curve.svg'), learningCurve(rows));
  await writeFileAtomically(join(out, 'figures', 'confusion-matrix.svg'), confusionMatrixChart(confusion, CLASS_NAMES));
}
