/** Made-up contents of arrays: the same for every contender and every run, and harmless (no zeros, denormals or NaN). */
import { allocateHost, type TypedArray } from '../src/devices/dtype.ts';
import type { Spec } from '../src/devices/kernel.ts';
import { sizeOf } from '../src/devices/shape.ts';

/** What an input is made of. Default: `centered` for float32, `bytes` for the others. */
export type Fill =
  /** Uniform in [-0.5, 0.5). */
  | 'centered'
  /** Uniform in [0.5, 1.5). */
  | 'positive'
  /** Integers 0 .. 255. */
  | 'bytes'
  /** Integers 0 .. below - 1. */
  | { readonly below: number }
  | readonly number[];

export interface InputSpec extends Spec {
  readonly fill?: Fill;
}

/** T. Ettinger's mulberry32: 32 bits of state are plenty for timings. */
export function randomSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The values of input number `index`. */
export function valuesOf({ shape, dtype, fill }: InputSpec, index: number): TypedArray {
  const values = allocateHost(dtype, sizeOf(shape));
  const random = randomSource(index + 1);
  const kind = fill ?? (dtype === 'float32' ? 'centered' : 'bytes');
  if (Array.isArray(kind)) values.set(kind as number[]);
  else if (kind === 'centered') for (let i = 0; i < values.length; i++) values[i] = random() - 0.5;
  else if (kind === 'positive') for (let i = 0; i < values.length; i++) values[i] = random() + 0.5;
  else {
    const below = kind === 'bytes' ? 256 : (kind as { below: number }).below;
    for (let i = 0; i < values.length; i++) values[i] = Math.floor(random() * below);
  }
  return values;
}
