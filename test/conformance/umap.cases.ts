/** Maps close together and far apart, rows of every length, edges that are always, sometimes or never due. */
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { umapEpoch } from '../../src/kernels/umap/index.ts';
import type { ConformanceCase } from './cases.ts';

const float32 = (shape: number[], values: Float32Array) => ({ spec: { shape, dtype: 'float32' as const }, values });
const int32 = (values: Int32Array) => ({ spec: { shape: [values.length], dtype: 'int32' as const }, values });

interface Change {
  readonly spacing?: number;
  readonly negatives?: number;
  readonly epoch?: number;
  readonly pulls?: number;
  readonly learningRate?: number;
  readonly together?: boolean;
}

/**
 * Points that move, between the corners of a lattice where the others stand: next to another point a push is so steep that it
 * multiplies what rounding has done before.
 */
function epochCase(title: string, lengths: readonly number[], change: Change = {}): ConformanceCase {
  const { spacing = 1, negatives = 5, epoch = 3, pulls = 2, learningRate = 0.02, together = false } = change;
  const n = lengths.length;
  const side = 1 + Math.ceil(Math.sqrt(n));
  const random = new PhiloxStream(n, epoch);
  const at = (place: number): number => (together ? 1.5 : Math.fround(spacing * place));
  const others = Float32Array.from({ length: 2 * side * side }, (_, k) =>
    at(k % 2 === 0 ? (k >> 1) % side : Math.floor((k >> 1) / side)),
  );
  const y = Float32Array.from({ length: 2 * n }, () => at(random.below(side - 1 || 1) + 0.5));
  const starts = new Int32Array(n + 1);
  lengths.forEach((length, i) => {
    starts[i + 1] = starts[i] + length;
  });
  const columns = Int32Array.from({ length: starts[n] }, () => random.below(side * side));
  const rates = Float32Array.from(columns, (_, entry) =>
    entry % 5 === 0 ? 1 : entry % 7 === 0 ? 0 : random.uniform(),
  );
  const moves = Math.max(0, ...lengths) * (pulls + negatives);
  return {
    title: `umapEpoch: ${title}`,
    kernel: umapEpoch,
    params: { negatives },
    inputs: [
      float32([n, 2], y),
      int32(starts),
      int32(columns),
      float32([rates.length], rates),
      float32([side * side, 2], others),
      float32([5], Float32Array.of(1.577, 0.895, learningRate, 1, pulls)),
      { spec: { shape: [4], dtype: 'uint32' as const }, values: Uint32Array.of(7, 11, epoch, 0) },
    ],
    // Each move rounds the place once, and is itself off by some units in the last place.
    tolerance: {
      kind: 'close',
      absolute: 2 ** -24 * (2 + moves * (0.5 * spacing * side + 64 * learningRate)),
      relative: 0,
    },
  };
}

const many = (count: number, length: number): number[] => Array.from({ length: count }, (_, i) => length + (i % 7));

export const cases: ConformanceCase[] = [
  epochCase('no point', []),
  epochCase('rows of every length', [0, 1, 2, 3, 4, 5, 0, 7, 8, 9, 70]),
  epochCase('close together', many(300, 12), { spacing: 0.3, learningRate: 0.002 }),
  epochCase('far apart, late', many(700, 20), { spacing: 3, epoch: 150 }),
  epochCase('all in one place', many(50, 9), { together: true }),
  epochCase('one pull', many(90, 15), { pulls: 1 }),
  epochCase('three points met by chance', many(40, 5), { negatives: 3 }),
  epochCase('nobody met by chance', many(40, 5), { negatives: 0 }),
];
