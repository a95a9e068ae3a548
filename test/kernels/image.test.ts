/**
 * What the image kernels mean, on their reference form (the conformance suite ties the other forms to it): properties of
 * augmentation, and resampling in cases small enough to be done by hand.
 */
import { describe, expect, test } from 'vitest';
import type { TypedArray } from '../../src/devices/dtype.ts';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import type { Kernel, Spec } from '../../src/devices/kernel.ts';
import {
  type AugmentParams,
  affineImages,
  augmentImages,
  resizeBilinear,
  resizeBilinearGradient,
} from '../../src/kernels/image/index.ts';

function compute<P>(kernel: Kernel<P>, params: P, ...inputs: [Spec, TypedArray][]): Float64Array {
  const specs = inputs.map(([spec]) => spec);
  const [{ shape }] = kernel.infer(specs, params);
  const y = new Float64Array(shape.reduce((a, b) => a * b, 1));
  const values = inputs.map(([, array]) => array);
  kernel.reference(values, [y], specs, params);
  return y;
}
const float = (shape: number[], values: number[]): [Spec, TypedArray] => [
  { shape, dtype: 'float32' },
  Float64Array.from(values),
];

describe('augmentImages', () => {
  const SIDE = 16;
  const BATCH = 600;
  // Pixel (row, column) of every image is 16 * row + column: each output pixel says where it came from.
  const one = Array.from({ length: SIDE * SIDE }, (_, i) => i);
  const images: [Spec, TypedArray] = [
    { shape: [BATCH, SIDE, SIDE, 1], dtype: 'uint8' },
    Uint8Array.from({ length: BATCH * SIDE * SIDE }, (_, i) => one[i % (SIDE * SIDE)]),
  ];
  const indices: [Spec, TypedArray] = [{ shape: [BATCH], dtype: 'int32' }, Int32Array.from(Array(BATCH).keys())];

  /** The batch as source positions (0 to 255). */
  function augment(params: AugmentParams, step = 0, epoch = 0): number[][] {
    const state: [Spec, TypedArray] = [{ shape: [4], dtype: 'uint32' }, Uint32Array.of(3, 5, step, epoch)];
    const y = compute(augmentImages, params, images, indices, state);
    return Array.from({ length: BATCH }, (_, n) =>
      Array.from(y.subarray(n * SIDE * SIDE, (n + 1) * SIDE * SIDE), value => value * 255),
    );
  }
  const isMirrored = (image: number[]): boolean => image[0] > image[SIDE - 1];
  const whole: AugmentParams = { crop: 0, flip: 'none', erase: null };

  test('without options it only gathers', () => {
    for (const image of augment(whole)) expect(image.map(Math.round)).toEqual(one);
  });

  test('alternating flips mirror each image in every other epoch, half of them in the first', () => {
    const flips = [0, 1, 2].map(epoch => augment({ ...whole, flip: 'alternating' }, 40 + epoch, epoch).map(isMirrored));
    expect(flips[1]).toEqual(flips[0].map(mirrored => !mirrored));
    expect(flips[2]).toEqual(flips[0]);
    // 600 fair coins: four standard deviations are 49.
    expect(Math.abs(flips[0].filter(Boolean).length - 300)).toBeLessThan(49);
  });

  test('random flips change from step to step and repeat with the state', () => {
    const flip = (step: number) => augment({ ...whole, flip: 'random' }, step).map(isMirrored);
    expect(flip(1)).toEqual(flip(1));
    expect(flip(1)).not.toEqual(flip(2));
    expect(Math.abs(flip(1).filter(Boolean).length - 300)).toBeLessThan(49);
  });

  test('shifts reach every distance equally often and reflect without repeating the border', () => {
    const crop = 2;
    const counts = new Map<number, number>();
    for (const image of augment({ ...whole, crop })) {
      const centre = Math.round(image[8 * SIDE + 8]);
      const shift = { y: (centre >> 4) - 8, x: (centre & 15) - 8 };
      const reflect = (i: number) => (i < 0 ? -i : i >= SIDE ? 2 * (SIDE - 1) - i : i);
      const expected = one.map(i => 16 * reflect((i >> 4) + shift.y) + reflect((i & 15) + shift.x));
      expect(image.map(Math.round)).toEqual(expected);
      const key = 10 * shift.y + shift.x;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(25);
    // 600 draws from 25: 24 expected, standard deviation 4.8.
    for (const count of counts.values()) expect(Math.abs(count - 24)).toBeLessThan(24);
  });

  test('erasing blackens one rectangle of the asked area and aspect, as often as asked', () => {
    const erase = { probability: 0.5, minArea: 0.1, maxArea: 0.3, minAspect: 0.5, maxAspect: 2, fill: 'zero' } as const;
    // A picture without a black pixel, so that black means erased.
    const bright: [Spec, TypedArray] = [images[0], new Uint8Array(BATCH * SIDE * SIDE).fill(255)];
    const state: [Spec, TypedArray] = [{ shape: [4], dtype: 'uint32' }, Uint32Array.of(3, 5, 0, 0)];
    const y = compute(augmentImages, { ...whole, erase }, bright, indices, state);
    let erased = 0;
    for (let n = 0; n < BATCH; n++) {
      const black = one.filter(i => y[n * SIDE * SIDE + i] === 0);
      if (black.length === 0) continue;
      erased++;
      const rows = black.map(i => i >> 4);
      const columns = black.map(i => i & 15);
      const height = Math.max(...rows) - Math.min(...rows) + 1;
      const width = Math.max(...columns) - Math.min(...columns) + 1;
      expect(black.length).toBe(height * width);
      // Sides are rounded to pixels.
      expect(height).toBeGreaterThanOrEqual(Math.floor(Math.sqrt(0.1 * 256 * 0.5)));
      expect(height).toBeLessThanOrEqual(Math.ceil(Math.sqrt(0.3 * 256 * 2)));
      expect((height - 0.5) / (width + 0.5)).toBeLessThan(2);
      expect((height + 0.5) / (width - 0.5)).toBeGreaterThan(0.5);
    }
    expect(Math.abs(erased - 300)).toBeLessThan(49);
  });

  test('impossible options are refused in a sentence', () => {
    const specs: Spec[] = [images[0], indices[0], { shape: [4], dtype: 'uint32' }];
    expect(() => augmentImages.infer(specs, { ...whole, crop: 16 })).toThrow(ShapeError);
    expect(() => augmentImages.infer(specs, { ...whole, crop: 0.5 })).toThrow(UsageError);
    const erase = { probability: 2, minArea: 0, maxArea: 1, minAspect: 1, maxAspect: 1, fill: 'zero' } as const;
    expect(() => augmentImages.infer(specs, { ...whole, erase })).toThrow(/probability.*2/);
  });
});

describe('resampling', () => {
  test('resizing with half-pixel centres and with aligned corners, by hand', () => {
    const x = float([1, 1, 2, 1], [0, 1]);
    expect([...compute(resizeBilinear, { size: [1, 4], alignCorners: false }, x)]).toEqual([0, 0.25, 0.75, 1]);
    const corners = compute(resizeBilinear, { size: [1, 4], alignCorners: true }, x);
    for (let i = 0; i < 4; i++) expect(corners[i]).toBeCloseTo(i / 3, 15);
  });

  test('the gradient is the transpose: <resize x, dy> = <x, gradient dy>', () => {
    const wave = (length: number, speed: number) => Array.from({ length }, (_, i) => Math.sin(speed * i + 1));
    for (const alignCorners of [false, true]) {
      for (const [from, to] of [
        [
          [5, 7],
          [9, 4],
        ],
        [
          [3, 3],
          [8, 8],
        ],
        [
          [6, 1],
          [1, 5],
        ],
      ]) {
        const x = wave(from[0] * from[1], 0.7);
        const dy = wave(to[0] * to[1], 1.3);
        const size = to as [number, number];
        const inputSize = from as [number, number];
        const y = compute(resizeBilinear, { size, alignCorners }, float([1, ...from, 1], x));
        const dx = compute(resizeBilinearGradient, { inputSize, alignCorners }, float([1, ...to, 1], dy));
        const dot = (a: ArrayLike<number>, b: number[]) => b.reduce((sum, value, i) => sum + value * a[i], 0);
        expect(dot(y, dy)).toBeCloseTo(dot(dx, x), 12);
      }
    }
  });

  test('an affine map that turns a quarter, and one that shifts by half a pixel', () => {
    const x = float([1, 2, 2, 1], [1, 2, 3, 4]);
    // Output (x, y) comes from (y, 1 - x): a quarter turn clockwise.
    expect([...compute(affineImages, {}, x, float([1, 6], [0, 1, 0, -1, 0, 1]))]).toEqual([3, 1, 4, 2]);
    // Source x = x + 1/2: averages with the right neighbour, and with the zeros outside.
    expect([...compute(affineImages, {}, x, float([1, 6], [1, 0, 0.5, 0, 1, 0]))]).toEqual([1.5, 1, 3.5, 2]);
  });
});
