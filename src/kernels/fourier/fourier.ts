/**
 * Fourier transforms of real grids, and what t-SNE needs them for: the forces between all points of a map at once, as a
 * convolution of how many points lie near each node of a grid with what a point does to its surroundings.
 *
 * Sizes are 16 times products of twos and threes: transforms are done by factors of four, three and two.
 */
import { DTypeError, ShapeError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { formatShape } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';

export type FourierParams = Record<string, never>;

/** Whether lines of `size` can be transformed: 16 times a product of twos and threes. */
export function isFourierSize(size: number): boolean {
  if (!Number.isInteger(size) || size < 16 || size % 16 !== 0) return false;
  let rest = size;
  for (const factor of [2, 3]) while (rest % factor === 0) rest /= factor;
  return rest === 1;
}

/** The factors of `size`, in the order in which they are taken out: four comes first and last. */
export function radicesOf(size: number): number[] {
  const middle: number[] = [];
  let rest = size / 16;
  for (const radix of [4, 2, 3]) {
    for (; rest % radix === 0; rest /= radix) middle.push(radix);
  }
  return [4, ...middle, 4];
}

/** `[size, 2]`: exp(-2 pi i k / size) as real and imaginary part. */
export function twiddlesOf(size: number): Float64Array {
  return Float64Array.from({ length: 2 * size }, (_, at) => {
    const angle = (-2 * Math.PI * Math.floor(at / 2)) / size;
    return at % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** Columns that are kept of a transform of `size` columns: the others are conjugates of these; four at a time. */
export function keptColumns(size: number): number {
  return size / 2 + 4;
}

function checkFloats(what: string, inputs: readonly Spec[]): void {
  const foreign = inputs.find(({ dtype }) => dtype !== 'float32');
  if (foreign) throw new DTypeError(`${what} takes float32, not ${foreign.dtype}.`);
}

/** Multiplications and additions of `lines` complex transforms, by the usual count. */
const flopsOf = (lines: number, size: number): number => Math.round(5 * lines * size * Math.log2(size));

/**
 * Inputs: x [size, size], twiddles [size, 2]. Output [2, size, size / 2 + 4], the real and the imaginary part of the first
 * columns of
 *
 *     X[k, l] = sum over m, n of x[m, n] exp(-2 pi i (k m + l n) / size)
 */
export const realFourier2dDefinition: KernelDefinition<FourierParams> = {
  name: 'realFourier2d',
  infer(inputs) {
    checkFloats('realFourier2d', inputs);
    const [x, twiddles] = inputs.map(({ shape }) => shape);
    const [size] = x;
    if (x.length !== 2 || x[1] !== size || !isFourierSize(size)) {
      throw new ShapeError(
        `realFourier2d: ${formatShape(x)} is no square whose side is 16 times a product of twos and threes.`,
      );
    }
    checkTwiddles('realFourier2d', twiddles, size);
    return [{ shape: [2, size, keptColumns(size)], dtype: 'float32' }];
  },
  cost(inputs, params) {
    const [size] = inputs[0].shape;
    return { flops: flopsOf(size, size), bytes: trafficOf(inputs, this.infer(inputs, params)) };
  },
};

function checkTwiddles(what: string, shape: readonly number[], size: number): void {
  if (shape.join() !== `${size},2`) {
    throw new ShapeError(`${what}: twiddles for lines of ${size} have shape [${size}, 2], not ${formatShape(shape)}.`);
  }
}

/**
 * Inputs: charges [nodes, nodes]; spectra [3, nodes + 1, nodes + 4]; twiddles [2 nodes, 2]. With C the transform of the
 * charges in a field of zeros twice as wide, and the spectra K, X and Y (K real and even; i X that of what is odd along the
 * columns, and i Y that of what is odd along the rows), outputs
 *
 *     forces [nodes, nodes, 2]   the inverse transforms, not divided by anything, of i X C and i Y C
 *     energies [nodes + 4]       per column l, sum over all k of K[k, l] |C[k, l]|^2
 *
 * Column l of row k of the spectra is for the frequency (k, l); -k has the same K and X and the opposite Y. Columns beyond
 * `nodes` are 0, and as what is odd has no mean and no highest frequency, so are columns 0 and `nodes` of X and rows 0 and
 * `nodes` of Y. Twice the width keeps what is at one edge from acting on the other.
 */
export const gridForcesDefinition: KernelDefinition<FourierParams> = {
  name: 'gridForces',
  infer(inputs) {
    checkFloats('gridForces', inputs);
    const [charges, spectra, twiddles] = inputs.map(({ shape }) => shape);
    const [nodes] = charges;
    if (charges.length !== 2 || charges[1] !== nodes || !isFourierSize(2 * nodes)) {
      throw new ShapeError(
        `gridForces: ${formatShape(charges)} is no square whose side is 8 times a product of twos and threes.`,
      );
    }
    const wanted = [3, nodes + 1, keptColumns(2 * nodes)];
    if (spectra.join() !== wanted.join()) {
      throw new ShapeError(`gridForces: the spectra have shape ${formatShape(wanted)}, not ${formatShape(spectra)}.`);
    }
    checkTwiddles('gridForces', twiddles, 2 * nodes);
    return [
      { shape: [nodes, nodes, 2], dtype: 'float32' },
      { shape: [keptColumns(2 * nodes)], dtype: 'float32' },
    ];
  },
  cost(inputs, params) {
    const [nodes] = inputs[0].shape;
    // Rows of two at a time, columns once forward and twice back, rows back.
    const lines = nodes / 2 + 3 * (nodes + 1) + nodes;
    return { flops: flopsOf(lines, 2 * nodes), bytes: trafficOf(inputs, this.infer(inputs, params)) };
  },
};
