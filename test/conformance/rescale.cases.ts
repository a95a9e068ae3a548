import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { rescale } from '../../src/kernels/rescale/index.ts';
import type { ConformanceCase } from './cases.ts';

/**
 * Groups of rows [images, 1 + backgrounds, length]. Inputs lie on a grid of 1/16, so that differences are exact and never
 * near the threshold; a third of them equal the image's own. In a unit of 2^-40 all differences are below the threshold, and
 * only those of outputs say whether they count. Every fifth slope is infinite or NaN where `steep` says so.
 */
function caseOf(
  title: string,
  images: number,
  backgrounds: number,
  length: number,
  { unit = 1, steep = false } = {},
): ConformanceCase {
  const random = new PhiloxStream(images * 1000 + backgrounds * 100 + length);
  const shape = [images * (1 + backgrounds), length];
  const size = shape[0] * length;
  const group = length * (1 + backgrounds);
  const draw = (): Float32Array => Float32Array.from({ length: size }, () => (random.below(65) / 16 - 2) * unit);
  const x = draw();
  for (let i = 0; i < size; i++) if (i % 3 === 0) x[i] = x[i - (i % group) + (i % length)];
  const [y, upstream, plain] = [draw(), draw(), draw()];
  // Every other output of those whose inputs differ is the image's own: a difference that may be rounding.
  for (let i = 1; i < size; i += 2) if (unit !== 1) y[i] = y[i - (i % group) + (i % length)];
  const slopes = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
  if (steep) for (let i = 0; i < size; i += 5) plain[i] = slopes[(i / 5) % 3];
  return {
    title: `rescale: ${title}`,
    kernel: rescale,
    params: { images, backgrounds, threshold: 1e-6 },
    inputs: [x, y, upstream, plain].map(values => ({ spec: { shape, dtype: 'float32' as const }, values })),
    // Two exact differences, a product and a quotient (WGSL allows a quotient 2.5 ulp).
    tolerance: { kind: 'close', absolute: 1e-30, relative: 5e-7 },
  };
}

export const cases: ConformanceCase[] = [
  caseOf('one image, one background', 1, 1, 16),
  caseOf('rows that are no multiple of four', 3, 4, 7),
  caseOf('rows of one element', 5, 2, 1),
  caseOf('no background at all', 4, 0, 12),
  caseOf('empty', 0, 3, 8),
  caseOf('long rows', 2, 3, 5001),
  caseOf('a small unit', 3, 4, 37, { unit: 2 ** -40 }),
  caseOf('infinite slopes', 3, 4, 37, { steep: true }),
  caseOf('infinite slopes in a small unit', 2, 3, 50, { unit: 2 ** -40, steep: true }),
  caseOf('more than 65,535 workgroups', 2, 4, 450_000),
];
