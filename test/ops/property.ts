/**
 * Properties over random shapes, against host arrays that are walked position by position. The seed is printed and can be
 * given back (WEFT_TEST_SEED); values are small integers, whose sums and products every device computes exactly.
 */
import fc from 'fast-check';
import type { Device } from '../../src/devices/device.ts';
import type { DType } from '../../src/devices/dtype.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { dispose, type Tensor, tensor, tidy } from '../../src/index.ts';

export const SEED = Number(process.env.WEFT_TEST_SEED ?? Date.now() % 2 ** 31);
console.log(`fast-check seed ${SEED} (repeat with WEFT_TEST_SEED=${SEED})`);

/** A row-major array in host memory. */
export interface HostArray {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** Sizes of 0 and 1 are the interesting ones. */
export const extent = fc.constantFrom(0, 1, 1, 2, 3, 3, 4, 5);
export const shapeOfRank = (minimum: number, maximum: number) =>
  fc.array(extent, { minLength: minimum, maxLength: maximum });

/** Integers from -9 to 9 in any shape. */
export function arrayOf(shape: readonly number[], random: fc.Arbitrary<number> = fc.integer({ min: -9, max: 9 })) {
  const size = sizeOf(shape);
  return fc.array(random, { minLength: size, maxLength: size }).map((data): HostArray => ({ shape, data }));
}

/** Every position of a shape, in row-major order. */
export function positionsOf(shape: readonly number[]): number[][] {
  let positions: number[][] = [[]];
  for (const size of shape) {
    positions = positions.flatMap(start => Array.from({ length: size }, (_, i) => [...start, i]));
  }
  return positions;
}

/** The element at a position; axes of size 1 repeat, leading axes may be missing (NumPy's broadcasting). */
export function at({ shape, data }: HostArray, position: readonly number[]): number {
  const own = position.slice(position.length - shape.length);
  return data[own.reduce((offset, i, axis) => offset * shape[axis] + (shape[axis] === 1 ? 0 : i), 0)];
}

/** The array whose element at each position of `shape` is `f(position)`. */
export function build(shape: readonly number[], f: (position: number[]) => number): HostArray {
  return { shape, data: positionsOf(shape).map(f) };
}

const TYPED = { float32: Float32Array, int32: Int32Array, uint32: Uint32Array, uint8: Uint8Array };

export function upload({ shape, data }: HostArray, device: Device, dtype: DType = 'float32'): Tensor {
  return tensor(TYPED[dtype].from(data), shape, { device });
}

/** Runs operations on a device and brings what they return back, without -0; all tensors are disposed. */
export async function compute(f: () => Tensor | readonly Tensor[]): Promise<HostArray[]> {
  const results = tidy(() => [f()].flat() as Tensor[]);
  try {
    return await Promise.all(
      results.map(async x => ({ shape: x.shape, data: Array.from(await x.data(), value => value + 0) })),
    );
  } finally {
    dispose(...results);
  }
}

/** Checks an asynchronous property for `runs` random cases. */
export function check<T>(random: fc.Arbitrary<T>, property: (value: T) => Promise<void>, runs = 40): Promise<void> {
  return fc.assert(fc.asyncProperty(random, property), { numRuns: runs, seed: SEED });
}
