/**
 * The beginning of a recorded run, run again: the log says model, recipe, seed and data; the losses of the first steps must
 * come out the same. On the device and with the arithmetic of the recording they are the same bits; elsewhere float32
 * rounds differently, and the first steps stay close.
 *
 *     npx tsx bench/accuracy/replay.ts models/cnn.log.jsonl --steps 50
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { type SharedOptions, wholeNumber, withSharedOptions } from '../../src/cli/options.ts';
import { withSession } from '../../src/cli/session.ts';
import { DeviceDataset, type FashionMnist } from '../../src/data/index.node.ts';
import type { Device } from '../../src/devices/device.ts';
import { DataError } from '../../src/devices/errors.ts';
import { openOptionsLike } from '../../src/devices/open.ts';
import type { ModelSpec } from '../../src/nn/index.ts';
import { obtainData } from '../../src/study/index.node.ts';
import { loadCheckpoint } from '../../src/train/checkpoint.node.ts';
import { buildTrainee, fit, fitOptions, type Recipe, validationSplit } from '../../src/train/index.ts';

/** What a log's first line says about the run. */
export interface RecordedStart {
  readonly adapter: string;
  readonly model: ModelSpec;
  readonly recipe: Recipe;
  readonly seed: number;
  /** The checkpoint that the run began with, if not with random parameters. */
  readonly from?: string;
  readonly validation: number;
  readonly trainImages: number;
  readonly sampleData: boolean;
}

export interface Recording {
  readonly start: RecordedStart;
  /** Of every step, from the first. */
  readonly losses: readonly number[];
}

/** Reads a run's log.jsonl. Throws DataError when it has no beginning. */
export function readRecording(path: string): Recording {
  const events = readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line));
  const start = events.find(({ event }) => event === 'start');
  const losses = events.filter(({ event }) => event === 'steps').flatMap(({ losses }) => losses as number[]);
  if (!start || losses.length === 0) throw new DataError(`${path} is not the log of a training run.`);
  return { start, losses };
}

/**
 * Trains anew, as recorded, for the first `steps` steps.
 * @returns the losses of these steps
 * @throws DataError when the data is not what the run was trained on
 */
export async function replay(
  { start }: Recording,
  data: FashionMnist,
  device: Device,
  steps: number,
): Promise<readonly number[]> {
  const { model: spec, recipe, seed, from, validation } = start;
  if (data.train.count !== start.trainImages || data.isSample !== start.sampleData) {
    throw new DataError(`The run was trained on ${start.trainImages} images; here are ${data.train.count}.`);
  }
  const trainee = buildTrainee(spec, recipe, device, seed);
  const train = new DeviceDataset(data.train, device);
  const split = validation > 0 ? validationSplit(data.train.labels, validation) : undefined;
  const enough = new AbortController();
  let received = 0;
  try {
    if (from !== undefined) {
      await loadCheckpoint(from, trainee.model);
      trainee.ema?.restart();
    }
    const { history } = await fit(trainee.model, train, trainee.optimizer, {
      ...fitOptions(recipe, split?.train.length ?? train.count),
      // Nothing is evaluated on the way, so nothing ends the run early.
      patience: undefined,
      seed,
      trainIndices: split?.train,
      ema: trainee.ema,
      signal: enough.signal,
      onProgress: ({ record }) => {
        if (!record && ++received >= steps) enough.abort();
      },
    });
    return history.losses.slice(0, steps);
  } finally {
    trainee.dispose();
    train.dispose();
  }
}

/** Largest relative difference of two lists of losses. */
export function largestDifference(actual: readonly number[], expected: readonly number[]): number {
  return Math.max(...actual.map((loss, i) => Math.abs(loss - expected[i]) / Math.abs(expected[i])));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const command = withSharedOptions(new Command('replay'))
    .argument('<log>', "a run's log.jsonl")
    .option('--steps <n>', 'steps to run again', wholeNumber(1), 50)
    .parse();
  const options = command.opts<SharedOptions & { steps: number }>();
  const recording = readRecording(command.args[0]);
  const open = openOptionsLike(recording.start.adapter);
  await withSession(
    options,
    async ({ device, progress }) => {
      const losses = await replay(recording, await obtainData(options, progress), device, options.steps);
      const difference = largestDifference(losses, recording.losses);
      const isSame = device.info.adapter === recording.start.adapter;
      console.log(
        `${losses.length} steps: ${difference === 0 ? 'the same losses, bit for bit' : `largest relative difference ${difference.toExponential(2)}`}` +
          `${isSame ? '' : ` (recorded on ${recording.start.adapter}, run again on ${device.info.adapter})`}`,
      );
      if (isSame && difference !== 0) process.exitCode = 1;
    },
    open,
  );
}
