import { firstNonFinite } from '../../src/kernels/health/index.ts';
import type { ConformanceCase } from './cases.ts';

/** `length` ordinary values with some replaced. */
function withValues(length: number, replaced: Readonly<Record<number, number>>): Float32Array {
  const values = Float32Array.from({ length }, (_, i) => ((i * 37) % 101) - 50);
  for (const [index, value] of Object.entries(replaced)) values[Number(index)] = value;
  return values;
}

const NEGATIVE_NAN = new Float32Array(Uint32Array.of(0xffc00001).buffer)[0];

const INPUTS: Record<string, Float32Array> = {
  'all finite': withValues(1000, {}),
  empty: withValues(0, {}),
  'largest finite values': withValues(9, { 0: 3.4028234663852886e38, 5: -3.4028234663852886e38, 7: 1e-45 }),
  'NaN in the tail of an odd length': withValues(4099, { 4098: Number.NaN }),
  'infinity first': withValues(13, { 0: Number.POSITIVE_INFINITY, 12: Number.NaN }),
  'first of several, in different blocks': withValues(20_000, {
    19000: Number.NaN,
    8191: Number.NEGATIVE_INFINITY,
    12000: Number.NaN,
  }),
  'NaN with the sign bit set': withValues(64, { 33: NEGATIVE_NAN }),
  'a million values': withValues(1_000_003, { 1000001: Number.POSITIVE_INFINITY }),
};

export const cases: ConformanceCase[] = Object.entries(INPUTS).map(([title, values]) => ({
  title: `firstNonFinite: ${title}`,
  kernel: firstNonFinite,
  params: {},
  inputs: [{ spec: { shape: [values.length], dtype: 'float32' }, values }],
  tolerance: { kind: 'exact' },
}));
