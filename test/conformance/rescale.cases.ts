import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { rescale } from '../../src/kernels/rescale/index.ts';
import type { ConformanceCase } from './cases.ts';

/**
 * Groups of rows [images, 1 + backgrounds, length]. Inputs lie on a grid of 1/16, so that differences are exact and never
 * near the threshold; a third of them equal the image's own.
 */
function caseOf(title: string, images: number, backgrounds: number, length: number): ConformanceCase {
  const random = new PhiloxStream(images * 1000 + backgrounds * 100 + length);
  const shape = [images * (1 + backgrounds), length];
  const size = shape[0] * length;
  const group = length * (1 + backgrounds);
  const draw = (): Float32Array => Float32Array.from({ length: size }, () => random.below(65) / 16 - 2);
  const x = draw();
  for (let i = 0; i < size; i++) if (i % 3 === 0) x[i] = x[i - (i % group) + (i % length)];
  return {
    title: `rescale: ${title}`,
    kernel: rescale,
    params: { images, backgrounds, threshold: 1e-6 },
    inputs: [x, draw(), draw(), draw()].map(values => ({ spec: { shape, dtype: 'float32' as const }, values })),
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
  caseOf('more than 65,535 workgroups', 2, 4, 450_000),
];
