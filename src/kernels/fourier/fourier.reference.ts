/** Fourier transforms as the formulas have them: a line is split by its smallest factor, a grid into rows and columns. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { keptColumns } from './fourier.ts';

/** A line of complex numbers. */
interface Line {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

const zeros = (length: number): Line => ({ re: new Float64Array(length), im: new Float64Array(length) });

/** X[k] = sum over n of x[n] exp(sign 2 pi i k n / length). */
export function fourierLine({ re, im }: Line, sign: 1 | -1): Line {
  const { length } = re;
  const out = zeros(length);
  if (length === 1) return { re: re.slice(), im: im.slice() };
  let radix = 2;
  while (length % radix !== 0) radix++;
  const part = length / radix;
  // Every radix-th element, from each of the first ones on.
  const parts = Array.from({ length: radix }, (_, first) => {
    const pick = (from: Float64Array): Float64Array =>
      Float64Array.from({ length: part }, (_, i) => from[first + radix * i]);
    return fourierLine({ re: pick(re), im: pick(im) }, sign);
  });
  for (let k = 0; k < length; k++) {
    for (let first = 0; first < radix; first++) {
      const angle = (sign * 2 * Math.PI * ((k * first) % length)) / length;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      const { re: partRe, im: partIm } = parts[first];
      out.re[k] += partRe[k % part] * cos - partIm[k % part] * sin;
      out.im[k] += partRe[k % part] * sin + partIm[k % part] * cos;
    }
  }
  return out;
}

/** The columns of rows, and back. */
function transposed(lines: readonly Line[]): Line[] {
  const { length } = lines[0].re;
  return Array.from({ length }, (_, column) => ({
    re: Float64Array.from(lines, ({ re }) => re[column]),
    im: Float64Array.from(lines, ({ im }) => im[column]),
  }));
}

/** Transforms a grid, given and returned by rows. */
function fourierGrid(rows: readonly Line[], sign: 1 | -1): Line[] {
  const columns = transposed(rows.map(row => fourierLine(row, sign)));
  return transposed(columns.map(column => fourierLine(column, sign)));
}

export function realFourier2dReference(
  [x]: readonly TypedArray[],
  [out]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
): void {
  const [size] = shape;
  const rows = Array.from({ length: size }, (_, row) => ({
    re: Float64Array.from(x.subarray(row * size, (row + 1) * size)),
    im: new Float64Array(size),
  }));
  const kept = keptColumns(size);
  fourierGrid(rows, -1).forEach(({ re, im }, row) => {
    out.set(re.subarray(0, kept), row * kept);
    out.set(im.subarray(0, kept), (size + row) * kept);
  });
}

export function gridForcesReference(
  [charges, spectra]: readonly TypedArray[],
  [forces, energies]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
): void {
  const [nodes] = shape;
  const size = 2 * nodes;
  const kept = keptColumns(size);
  const plane = (nodes + 1) * kept;
  const rows = Array.from({ length: size }, () => zeros(size));
  for (let row = 0; row < nodes; row++) rows[row].re.set(charges.subarray(row * nodes, (row + 1) * nodes));
  const transform = fourierGrid(rows, -1);
  const along = Array.from({ length: size }, () => zeros(size));
  const across = Array.from({ length: size }, () => zeros(size));
  energies.fill(0);
  for (let k = 0; k < size; k++) {
    for (let l = 0; l < size; l++) {
      // The frequency of the opposite sign stands for those that are not kept.
      const [row, column] = [Math.min(k, size - k), Math.min(l, size - l)];
      const at = row * kept + column;
      const x = l <= nodes ? spectra[plane + at] : -spectra[plane + at];
      const y = k <= nodes ? spectra[2 * plane + at] : -spectra[2 * plane + at];
      const [re, im] = [transform[k].re[l], transform[k].im[l]];
      if (l <= nodes) energies[l] += spectra[at] * (re * re + im * im);
      along[k].re[l] = -x * im;
      along[k].im[l] = x * re;
      across[k].re[l] = -y * im;
      across[k].im[l] = y * re;
    }
  }
  const [x, y] = [fourierGrid(along, 1), fourierGrid(across, 1)];
  for (let row = 0; row < nodes; row++) {
    for (let column = 0; column < nodes; column++) {
      forces[2 * (row * nodes + column)] = x[row].re[column];
      forces[2 * (row * nodes + column) + 1] = y[row].re[column];
    }
  }
}
