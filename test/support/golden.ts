/**
 * Golden values: what PyTorch computes in float64, as scripts/golden_values.py wrote it into test/golden. Layouts are
 * PyTorch's: images [N, C, H, W], filters [outputs, inputs / groups, kh, kw], linear weights [outputs, inputs].
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseIdx } from '../../src/data/idx.ts';
import type { SafetensorsEntry } from '../../src/interop/index.ts';
import { REPOSITORY } from './shared.ts';

export interface GoldenArray {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** One operation: its arrays by name, and its options under PyTorch's names. */
export interface GoldenCase {
  readonly name: string;
  readonly op: string;
  readonly tensors: Readonly<Record<string, GoldenArray>>;
  readonly [option: string]: unknown;
}

/** A training run: the loss of every step, the state afterwards, and the logits of the judged images in eval mode. */
export interface GoldenRun {
  readonly losses: readonly number[];
  readonly after: readonly { readonly name: string; readonly shape: readonly number[]; readonly float32: string }[];
  readonly logits: readonly number[];
}

interface GoldenTraining {
  readonly steps: number;
  readonly batch: number;
  /** How many of the last images the logits are of. */
  readonly judged: number;
  readonly networks: Readonly<Record<'cnn' | 'mini-resnet', GoldenRun>>;
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(REPOSITORY, 'test', 'golden', name), 'utf8'));

export const goldenCases: readonly GoldenCase[] = (read('operations.json') as { cases: GoldenCase[] }).cases;
export const goldenTraining = read('training.json') as GoldenTraining;

/** The losses of the same runs from other weights: by network, then by where the weights' generator starts. */
export const goldenStarts = (
  read('starts.json') as {
    networks: Readonly<Record<'cnn' | 'mini-resnet', Readonly<Record<string, readonly number[]>>>>;
  }
).networks;

/** The arrays of a state dictionary, as a safetensors file has them. */
export type TorchState = Map<string, SafetensorsEntry & { data: Float32Array }>;

/** Parameters and running statistics after the training run. */
export function stateAfter({ after }: GoldenRun): TorchState {
  return new Map(
    after.map(({ name, shape, float32 }) => {
      const bytes = Buffer.from(float32, 'base64');
      const data = new Float32Array(bytes.length / 4).map((_, i) => bytes.readFloatLE(4 * i));
      return [name, { dtype: 'F32', shape: [...shape], data }];
    }),
  );
}

/** Where the weights' generator starts, as in scripts/golden_values.py. */
export const START = 2;

/** Numbers in [0, 1) by the linear congruential generator of Numerical Recipes: 24 bits, the same in any language. */
function* uniforms(start: number): Generator<number, never> {
  for (let state = start; ; ) {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    yield (state >>> 8) / 2 ** 24;
  }
}

/** What the run began with: counted numbers in the order of the state dictionary; running statistics of 0 and 1. */
export function stateBefore({ after }: GoldenRun, start = START): TorchState {
  const numbers = uniforms(start);
  return new Map(
    after.map(({ name, shape }) => {
      const size = shape.reduce((product, extent) => product * extent, 1);
      const data = new Float32Array(size);
      if (name.endsWith('running_var')) data.fill(1);
      else if (!name.endsWith('running_mean')) {
        const bound = 1 / Math.sqrt(size / shape[0]);
        const [low, width] = shape.length > 1 ? [-bound, 2 * bound] : name.endsWith('weight') ? [0.5, 1] : [-0.25, 0.5];
        for (let i = 0; i < size; i++) data[i] = low + width * numbers.next().value;
      }
      return [name, { dtype: 'F32', shape: [...shape], data }];
    }),
  );
}

/** The training images of the sample in assets/, which the runs were made with: bytes [N, 28, 28] and labels [N]. */
export function readSample(): { readonly images: Uint8Array; readonly labels: Uint8Array } {
  const array = (name: string, rank: number) => {
    const path = join(REPOSITORY, 'assets', 'fashion-mnist-sample', name);
    return parseIdx(gunzipSync(readFileSync(path)), name, rank).data;
  };
  return { images: array('train-images-idx3-ubyte.gz', 3), labels: array('train-labels-idx1-ubyte.gz', 1) };
}
