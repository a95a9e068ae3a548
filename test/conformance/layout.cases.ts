/**
 * Layout kernels: all must give the reference's bits, NaN included. Shapes with and without whole vectors, every kind of
 * walk (merged lines, rows, matrix transposes with remainders, flips, repeats), rank 8, empty parts, indices out of
 * range, bytes, and more than 65,535 workgroups of each way of walking.
 */
import { allocateHost, type DType, type TypedArray } from '../../src/devices/dtype.ts';
import type { Kernel, Spec } from '../../src/devices/kernel.ts';
import {
  broadcastTo,
  concat,
  gather,
  oneHot,
  pad,
  scatterAdd,
  scatterSlice,
  slice,
  transpose,
} from '../../src/kernels/layout/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase, Tolerance } from './cases.ts';

const SEED = 20264;
const stream = new PhiloxStream(SEED);
const EXACT: Tolerance = { kind: 'exact' };

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);
const whole = (low: number, high: number): number => low + Math.floor(stream.uniform() * (high - low + 1));

interface Input {
  readonly spec: Spec;
  readonly values: TypedArray;
}

/** Every element different, so that a misplaced one shows; a NaN among the floats. */
function numbered(shape: readonly number[], dtype: DType = 'float32', first = 1): Input {
  const values = allocateHost(dtype, sizeOf(shape)).map((_, i) => first + i) as TypedArray;
  if (dtype === 'float32' && values.length > 5) values[3] = Number.NaN;
  return { spec: { shape, dtype }, values };
}

const indices = (shape: readonly number[], low: number, high: number): Input => ({
  spec: { shape, dtype: 'int32' },
  values: Int32Array.from({ length: sizeOf(shape) }, () => whole(low, high)),
});

const cases: ConformanceCase[] = [];

function add<P>(kernel: Kernel<P>, inputs: readonly Input[], params: P, tolerance = EXACT, note = ''): void {
  const shapes = inputs.map(({ spec }) => `${spec.dtype} [${spec.shape}]`).join(', ');
  const title = `${kernel.name}${note} of ${shapes} ${JSON.stringify(params)} seed ${SEED}`;
  cases.push({ title, kernel, params, inputs, tolerance });
}

// --------------------------------------------------------------------------------------------------------- transpose

for (const dtype of ['float32', 'uint8'] as const) {
  for (const [shape, perm] of [
    [
      [5, 7],
      [1, 0],
    ],
    [
      [16, 8],
      [1, 0],
    ],
    [
      [37, 70],
      [1, 0],
    ],
    [
      [3, 5],
      [0, 1],
    ],
    [
      [2, 6, 5, 3],
      [0, 3, 1, 2],
    ],
    [
      [2, 3, 6, 5],
      [0, 2, 3, 1],
    ],
    [
      [2, 28, 28, 32],
      [0, 3, 1, 2],
    ],
    [
      [3, 4, 5, 8],
      [2, 1, 0, 3],
    ],
    [
      [3, 4, 5],
      [2, 1, 0],
    ],
    [
      [4, 1, 9],
      [2, 1, 0],
    ],
    [
      [2, 3, 2, 3, 2, 3, 2, 3],
      [7, 0, 5, 2, 3, 6, 1, 4],
    ],
    [[], []],
  ] as const) {
    add(transpose, [numbered(shape, dtype)], { perm });
  }
}
add(transpose, [numbered([9, 21], 'int32')], { perm: [1, 0] });
add(transpose, [numbered([2049, 2050], 'int32')], { perm: [1, 0] }, EXACT, ', huge,');

// ------------------------------------------------------------------------------------------------------------- slice

for (const dtype of ['float32', 'uint8'] as const) {
  for (const [shape, params] of [
    [[20], { starts: [3], sizes: [9] }],
    [[20_000], { starts: [4], sizes: [19_000] }],
    [[20], { starts: [19], sizes: [20], steps: [-1] }],
    [[6, 8], { starts: [0, 4], sizes: [6, 4] }],
    [[6, 8], { starts: [1, 0], sizes: [3, 8], steps: [2, 1] }],
    [[4, 28, 28, 1], { starts: [0, 0, 27, 0], sizes: [4, 28, 28, 1], steps: [1, 1, -1, 1] }],
    [[2, 9, 9, 4], { starts: [0, 1, 2, 0], sizes: [2, 4, 3, 4], steps: [1, 2, 2, 1] }],
    [[5, 5], { starts: [4, 3], sizes: [3, 2], steps: [-2, -3] }],
    [[3, 1, 5], { starts: [2, 0, 1], sizes: [1, 1, 3] }],
    [[2, 3, 2, 3, 2, 3, 2, 3], { starts: [0, 1, 0, 2, 1, 0, 0, 1], sizes: [2, 1, 1, 1, 1, 2, 2, 2] }],
  ] as const) {
    add(slice, [numbered(shape, dtype)], params);
  }
}

// ------------------------------------------------------------------------------------------------------ scatterSlice

for (const [shape, params] of [
  [[9], { shape: [20], starts: [3] }],
  [[6, 4], { shape: [6, 8], starts: [0, 4] }],
  [[3, 8], { shape: [6, 8], starts: [1, 0], steps: [2, 1] }],
  [[4, 3], { shape: [4, 9], starts: [0, 8], steps: [1, -4] }],
  [[2, 4, 3, 4], { shape: [2, 9, 9, 4], starts: [0, 1, 2, 0], steps: [1, 2, 2, 1] }],
  [[5, 7], { shape: [5, 7], starts: [0, 0] }],
  [[0, 4], { shape: [2, 4], starts: [0, 0] }],
  [[], { shape: [], starts: [] }],
] as const) {
  add(scatterSlice, [numbered(shape)], params);
  add(scatterSlice, [numbered(shape, 'int32')], params);
}

// ------------------------------------------------------------------------------------------------------------ concat

for (const dtype of ['float32', 'int32', 'uint8'] as const) {
  for (const [shapes, axis] of [
    [[[5]], 0],
    [[[5], [3], [1]], 0],
    [[[8], [4]], 0],
    [
      [
        [3, 4],
        [3, 8],
      ],
      1,
    ],
    [
      [
        [3, 4],
        [3, 1],
      ],
      -1,
    ],
    [
      [
        [2, 3, 5],
        [2, 2, 5],
      ],
      1,
    ],
    [
      [
        [2, 3],
        [0, 3],
        [4, 3],
      ],
      0,
    ],
    [
      [
        [2, 3, 2, 2],
        [2, 3, 3, 2],
        [2, 3, 1, 2],
      ],
      2,
    ],
    [Array.from({ length: 12 }, () => [2, 3]), 1],
  ] as const) {
    const inputs = shapes.map((shape, k) => numbered(shape, dtype, 40 * k));
    add(concat, inputs, { axis });
  }
}

// --------------------------------------------------------------------------------------------------------------- pad

for (const mode of ['constant', 'reflect', 'edge'] as const) {
  for (const [shape, before, after] of [
    [[7], [2], [3]],
    [[8], [4], [4]],
    [
      [5, 6],
      [0, 2],
      [1, 0],
    ],
    [
      [2, 6, 6, 4],
      [0, 1, 1, 0],
      [0, 1, 1, 0],
    ],
    [
      [2, 5, 4, 3],
      [1, 2, 3, 0],
      [0, 4, 1, 2],
    ],
    [
      [3, 2, 2],
      [2, 1, 1],
      [2, 1, 1],
    ],
    [
      [4, 4],
      [0, 0],
      [0, 0],
    ],
  ] as const) {
    add(pad, [numbered(shape)], { before, after, mode, value: -1.5 });
    add(pad, [numbered(shape, 'int32')], { before, after, mode, value: 7 });
  }
}
for (const value of [-Infinity, Number.NaN]) {
  add(pad, [numbered([3, 5])], { before: [1, 1], after: [1, 1], mode: 'constant', value });
}
add(pad, [numbered([0, 3])], { before: [2, 0], after: [0, 1], mode: 'constant' });

// ------------------------------------------------------------------------------------------- gather and its gradient

for (const dtype of ['float32', 'int32', 'uint8'] as const) {
  for (const [shape, indexShape, axis] of [
    [[10], [7], 0],
    [[10, 4], [3, 2], 0],
    [[10, 5], [6], 0],
    [[3, 9], [4], 1],
    [[3, 9, 20], [5], 1],
    [[2, 6, 3], [], -2],
    [[30, 28, 28, 1], [8], 0],
    [[4, 0], [3], 0],
    [[0, 4], [3], 0],
  ] as const) {
    const extent = shape[axis < 0 ? axis + shape.length : axis];
    add(gather, [numbered(shape, dtype), indices(indexShape, 0, Math.max(0, extent - 1))], { axis });
    add(gather, [numbered(shape, dtype), indices(indexShape, -2, extent + 1)], { axis }, EXACT, ', out of range,');
  }
}

/** Sums of a few updates around 1; float32 rounds each. */
const SUM: Tolerance = { kind: 'contraction', c: 8, terms: 1 };
for (const [shape, indexShape, axis, size] of [
  [[7], [7], 0, 10],
  [[6, 4], [6], 0, 3],
  [[3, 2, 5], [3, 2], 0, 4],
  [[3, 40], [40], 1, 5],
  [[3, 12, 20], [12], 1, 9],
  [[8, 700], [8], 0, 3],
  [[5, 3], [], 0, 4],
  [[2, 0], [0], 1, 6],
] as const) {
  const updates: Input = {
    spec: { shape, dtype: 'float32' },
    values: Float32Array.from({ length: sizeOf(shape) }, () => stream.uniform() * 2 - 1),
  };
  add(scatterAdd, [updates, indices(indexShape, 0, size - 1)], { axis, size }, SUM);
  add(scatterAdd, [updates, indices(indexShape, -1, size)], { axis, size }, SUM, ', out of range,');
  add(scatterAdd, [numbered(shape, 'int32'), indices(indexShape, -1, size)], { axis, size });
}

// ------------------------------------------------------------------------------------------------------- the others

for (const [shape, classes] of [
  [[6], 10],
  [[2, 3], 4],
  [[5], 1],
  [[], 7],
] as const) {
  add(oneHot, [indices(shape, -1, classes)], { classes });
  add(oneHot, [indices(shape, 0, classes - 1)], { classes, onValue: 0.9, offValue: 0.025 });
}
for (const [shape, target] of [
  [[], [5]],
  [[], []],
  [[4], [3, 4]],
  [[5], [40, 5]],
  [
    [3, 1],
    [3, 8],
  ],
  [
    [3, 1],
    [3, 7],
  ],
  [
    [2, 1, 4],
    [2, 5, 4],
  ],
  [
    [1, 6, 1, 3],
    [2, 6, 4, 3],
  ],
  [[32], [2, 14, 14, 32]],
  [
    [1, 2, 1, 2, 1, 2, 1, 2],
    [2, 2, 2, 2, 2, 2, 2, 2],
  ],
] as const) {
  add(broadcastTo, [numbered(shape)], { shape: target });
  add(broadcastTo, [numbered(shape, 'uint32')], { shape: target });
}

// More than 65,535 workgroups of 64: words, vectors, bytes, rows.
add(broadcastTo, [numbered([3], 'int32')], { shape: [1_400_003, 3] }, EXACT, ', huge,');
add(slice, [numbered([16_777_300], 'uint8')], { starts: [7], sizes: [16_777_237] }, EXACT, ', huge,');
add(gather, [numbered([5], 'int32'), indices([4_200_001], -1, 5)], { axis: 0 }, EXACT, ', huge,');
add(oneHot, [indices([420_001], 0, 9)], { classes: 10 }, EXACT, ', huge,');
add(scatterAdd, [numbered([3, 7], 'int32'), indices([3], 0, 599_999)], { axis: 0, size: 600_001 }, EXACT, ', huge,');

export { cases };
