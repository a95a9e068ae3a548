/**
 * Pooling over kernels, strides and paddings that overlap, touch, leave gaps and hang over the edge; all-negative images,
 * images full of ties, and NaN. Maxima and picks are copies, so they are exact.
 */
import type { Kernel } from '../../src/devices/kernel.ts';
import {
  avgPool2d,
  avgPool2dGradient,
  globalAveragePool,
  globalAveragePoolGradient,
  maxPool2d,
  maxPool2dGradient,
  maxPool2dPick,
  type Pool2dGeometry,
  pooledExtent,
} from '../../src/kernels/pool/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase, Tolerance } from './cases.ts';

const SEED = 20263;
const stream = new PhiloxStream(SEED);
const exact: Tolerance = { kind: 'exact' };
const close: Tolerance = { kind: 'close', absolute: 2e-6, relative: 2e-6 };

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);
const floats = (shape: readonly number[], make: () => number) => ({
  spec: { shape, dtype: 'float32' } as const,
  values: Float32Array.from({ length: sizeOf(shape) }, make),
});
const uniform = () => 2 * stream.uniform() - 1;

type Fill = 'random' | 'negative' | 'ties' | 'NaN';
const fills: Record<Fill, () => number> = {
  random: uniform,
  negative: () => -1 - 100 * stream.uniform(),
  ties: () => Math.floor(3 * stream.uniform()),
  NaN: () => (stream.uniform() < 0.1 ? Number.NaN : stream.uniform() < 0.1 ? Number.NEGATIVE_INFINITY : uniform()),
};

const geometry = (
  kernel: readonly [number, number],
  strides: readonly [number, number],
  padding: readonly [number, number, number, number] = [0, 0, 0, 0],
  ceilMode = false,
): Pool2dGeometry => ({ kernel, strides, padding, ceilMode });

function outputShape([batch, height, width, channels]: readonly number[], g: Pool2dGeometry): number[] {
  const { kernel, strides, padding, ceilMode } = g;
  const outputHeight = pooledExtent(height, kernel[0], strides[0], padding[0], padding[1], ceilMode);
  const outputWidth = pooledExtent(width, kernel[1], strides[1], padding[2], padding[3], ceilMode);
  return [batch, outputHeight, outputWidth, channels];
}

function titleOf(shape: readonly number[], g: Pool2dGeometry, rest = ''): string {
  const { kernel, strides, padding, ceilMode } = g;
  return `[${shape}] kernel ${kernel} strides ${strides} padding ${padding}${ceilMode ? ' ceil' : ''} ${rest} seed ${SEED}`;
}

function maximum(shape: readonly number[], params: Pool2dGeometry, fill: Fill = 'random'): ConformanceCase[] {
  const x = floats(shape, fills[fill]);
  const dy = floats(outputShape(shape, params), uniform);
  const title = titleOf(shape, params, fill);
  return [
    { title, kernel: maxPool2d, params, inputs: [x], tolerance: exact },
    { title, kernel: maxPool2dGradient, params, inputs: [x, dy], tolerance: close },
    { title, kernel: maxPool2dPick, params, inputs: [x, floats(shape, uniform)], tolerance: exact },
  ];
}

function average(shape: readonly number[], g: Pool2dGeometry, countPadding: boolean): ConformanceCase[] {
  const dy = floats(outputShape(shape, g), uniform);
  const title = titleOf(shape, g, countPadding ? 'padding counted' : '');
  const inputSize = [shape[1], shape[2]] as const;
  const inputs = [floats(shape, uniform)];
  return [
    { title, kernel: avgPool2d, params: { ...g, countPadding }, inputs, tolerance: close },
    { title, kernel: avgPool2dGradient, params: { ...g, countPadding, inputSize }, inputs: [dy], tolerance: close },
  ];
}

function global(shape: readonly [number, number, number, number]): ConformanceCase[] {
  const [batch, height, width, channels] = shape;
  const title = `[${shape}] seed ${SEED}`;
  return [
    { title, kernel: globalAveragePool as Kernel, params: {}, inputs: [floats(shape, uniform)], tolerance: close },
    {
      title,
      kernel: globalAveragePoolGradient,
      params: { inputSize: [height, width] },
      inputs: [floats([batch, channels], uniform)],
      tolerance: close,
    },
  ];
}

const two = geometry([2, 2], [2, 2]);
const three = geometry([3, 3], [2, 2], [1, 1, 1, 1]);

const all: ConformanceCase[] = [
  ...maximum([2, 8, 8, 3], two),
  ...maximum([3, 9, 7, 4], two, 'ties'),
  ...maximum([1, 6, 6, 32], two, 'negative'),
  ...maximum([2, 7, 9, 21], two, 'NaN'),
  ...maximum([2, 2, 2, 1], two),
  ...maximum([1, 5, 4, 6], geometry([1, 2], [1, 2])),
  ...maximum([1, 7, 5, 5], geometry([2, 2], [2, 2], [0, 0, 0, 0], true), 'ties'),
  ...maximum([1, 9, 7, 4], three, 'ties'),
  ...maximum([2, 8, 11, 18], three, 'NaN'),
  ...maximum([2, 6, 6, 2], geometry([3, 3], [1, 1], [1, 1, 1, 1]), 'negative'),
  ...maximum([1, 10, 9, 3], geometry([3, 2], [2, 3], [2, 0, 1, 1], true)),
  ...maximum([1, 9, 9, 8], geometry([2, 2], [4, 3])),
  ...maximum([2, 9, 8, 7], geometry([5, 4], [2, 1], [1, 2, 3, 0]), 'ties'),
  ...maximum([1, 5, 5, 1], geometry([5, 5], [5, 5])),
  ...maximum([20, 3, 3, 17], geometry([2, 2], [1, 1])),
  ...maximum([3, 130, 18, 64], two),
  ...average([2, 8, 8, 3], two, true),
  ...average([1, 9, 7, 4], three, true),
  ...average([1, 9, 7, 4], three, false),
  ...average([2, 7, 5, 21], geometry([2, 2], [2, 2], [0, 0, 0, 0], true), true),
  ...average([2, 10, 9, 8], geometry([3, 2], [2, 3], [2, 0, 1, 1], true), true),
  ...average([2, 10, 9, 8], geometry([3, 2], [2, 3], [2, 0, 1, 1], true), false),
  ...average([1, 9, 9, 5], geometry([2, 2], [4, 3]), false),
  ...average([1, 12, 11, 36], geometry([5, 4], [1, 2], [4, 1, 2, 3]), false),
  ...average([3, 130, 18, 64], two, false),
  // More than 65,535 workgroups of 64 invocations.
  ...maximum([1, 2100, 2001, 1], geometry([1, 1], [1, 1])).slice(0, 1),
  ...global([2, 7, 7, 16]),
  ...global([3, 5, 4, 3]),
  ...global([1, 1, 1, 1]),
  ...global([130, 4, 4, 514]),
  ...global([1, 100, 90, 37]),
];

export const cases = all.map(one => ({ ...one, title: `${one.kernel.name} ${one.title}` }));
