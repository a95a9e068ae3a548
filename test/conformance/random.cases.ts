/**
 * Random numbers must be the same bits on every device: every case is exact. Lengths run over the tails of the block of
 * four words and of the WebAssembly task of sixteen, states over counters at and beyond 32 bits.
 */
import { advanceState, bernoulli, dropout, randomBits, randomUniform } from '../../src/kernels/random/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase } from './cases.ts';

const SEED = 20261;
const stream = new PhiloxStream(SEED);
const exact = { kind: 'exact' } as const;

const stateOf = (...words: number[]) => ({
  spec: { shape: [4], dtype: 'uint32' } as const,
  values: Uint32Array.from(words),
});
const randomState = () => stateOf(...Array.from({ length: 4 }, () => stream.nextUint32()));
const text = (state: ReturnType<typeof stateOf>): string => `state ${Array.from(state.values).join(' ')}`;

const shapes: readonly (readonly number[])[] = [
  [],
  [1],
  [3],
  [4],
  [2, 3],
  [16],
  [17],
  [5, 7, 3],
  [64, 16],
  [0, 3],
  [1023],
];

const drawn: ConformanceCase[] = shapes.flatMap((shape, i) => {
  const state = i === 0 ? stateOf(0, 0, 0, 0) : i === 1 ? stateOf(0xffffffff, 1, 0xffffffff, 7) : randomState();
  const probability = [0, 1, 0.5, 0.3, 1e-3][i % 5];
  const title = `[${shape}] ${text(state)}`;
  return [
    { title, kernel: randomBits, params: { shape }, inputs: [state], tolerance: exact },
    { title, kernel: randomUniform, params: { shape }, inputs: [state], tolerance: exact },
    {
      title: `p ${probability} ${title}`,
      kernel: bernoulli,
      params: { shape, probability },
      inputs: [state],
      tolerance: exact,
    },
  ];
});

function dropoutCase(shape: readonly number[], rate: number, values?: Float32Array): ConformanceCase {
  const state = randomState();
  const size = shape.reduce((a, b) => a * b, 1);
  const x = values ?? Float32Array.from({ length: size }, () => stream.uniform() * 4 - 2);
  return {
    title: `[${shape}] rate ${rate} ${text(state)}`,
    kernel: dropout,
    params: { rate },
    inputs: [{ spec: { shape, dtype: 'float32' }, values: x }, state],
    tolerance: exact,
  };
}

const dropped: ConformanceCase[] = [
  dropoutCase([], 0.5),
  dropoutCase([5, 3], 0.1),
  dropoutCase([128, 10], 0.5),
  dropoutCase([33], 0),
  dropoutCase([32], 1),
  dropoutCase([7, 11], 1 / 3),
  dropoutCase([0, 4], 0.5),
];

// More elements than 65,535 workgroups of 64 invocations of four elements. The kernels are made from one template, so one
// of them takes the even length and one the length with a tail.
const HUGE = 65_536 * 256;
const huge: ConformanceCase[] = [
  { title: `[${HUGE}]`, kernel: randomBits, params: { shape: [HUGE] }, inputs: [randomState()], tolerance: exact },
  dropoutCase([HUGE + 1], 0.5, new Float32Array(HUGE + 1).fill(1.5)),
];

const advances: readonly [number, number, number][] = [
  [0, 0, 0],
  [0, 0, 1],
  [0xffffffff, 0, 1],
  [0xfffffff0, 0xffffffff, 0x20],
  [5, 3, 2 ** 32],
  [0x80000000, 9, 2 ** 40 + 2 ** 31 + 3],
  [1, 1, Number.MAX_SAFE_INTEGER],
];
const advanced: ConformanceCase[] = advances.map(([low, high, by]) => ({
  title: `counter ${low} ${high} by ${by}`,
  kernel: advanceState,
  params: { by },
  inputs: [],
  updates: { 0: Uint32Array.of(11, 12, low, high) },
  tolerance: exact,
}));

export const cases: ConformanceCase[] = [...drawn, ...dropped, ...huge, ...advanced];
