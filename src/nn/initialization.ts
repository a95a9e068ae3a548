/**
 * How parameters start. Fans are counted as for a layer of weights [..., inputs, outputs]: a filter bank
 * [kh, kw, C, K] has fan-in kh kw C and fan-out kh kw K. Values are drawn on the host in float64 and rounded once.
 */
import { ShapeError } from '../devices/errors.ts';
import type { Shape } from '../devices/shape.ts';
import type { Initializer } from './parameter.ts';

export function fans(shape: Shape): { fanIn: number; fanOut: number } {
  if (shape.length < 2) throw new ShapeError('initialisation: fans need a weight of rank 2 or more.');
  const receptive = shape.slice(0, -2).reduce((product, extent) => product * extent, 1);
  return { fanIn: receptive * shape[shape.length - 2], fanOut: receptive * shape[shape.length - 1] };
}

export const constant =
  (value: number): Initializer =>
  values => {
    values.fill(value);
  };

export const normal =
  (std: number, mean = 0): Initializer =>
  (values, _, random) => {
    for (let i = 0; i < values.length; i++) values[i] = mean + std * random.normal();
  };

export const uniform =
  (low: number, high: number): Initializer =>
  (values, _, random) => {
    for (let i = 0; i < values.length; i++) values[i] = low + (high - low) * random.uniform();
  };

/** Normal with variance gain^2 / fan-in; gain sqrt(2) suits relu (He et al., 2015). */
export const heNormal =
  (gain = Math.SQRT2): Initializer =>
  (values, shape, random) =>
    normal(gain / Math.sqrt(fans(shape).fanIn))(values, shape, random);

/** Uniform with the same variance. */
export const heUniform =
  (gain = Math.SQRT2): Initializer =>
  (values, shape, random) => {
    const bound = gain * Math.sqrt(3 / fans(shape).fanIn);
    uniform(-bound, bound)(values, shape, random);
  };

/** Normal with variance 2 gain^2 / (fan-in + fan-out) (Glorot and Bengio, 2010). */
export const xavierNormal =
  (gain = 1): Initializer =>
  (values, shape, random) => {
    const { fanIn, fanOut } = fans(shape);
    normal(gain * Math.sqrt(2 / (fanIn + fanOut)))(values, shape, random);
  };

/** Uniform with the same variance. */
export const xavierUniform =
  (gain = 1): Initializer =>
  (values, shape, random) => {
    const { fanIn, fanOut } = fans(shape);
    const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
    uniform(-bound, bound)(values, shape, random);
  };

/** Filters [kh, kw, C, K] that pass channel c to channel c unchanged, as far as there are both (the centre tap). */
export const dirac = (): Initializer => (values, shape) => {
  if (shape.length !== 4) throw new ShapeError('dirac: only filters [kh, kw, C, K] can pass channels through.');
  const [height, width, inputs, outputs] = shape;
  values.fill(0);
  const centre = Math.floor(height / 2) * width + Math.floor(width / 2);
  for (let c = 0; c < Math.min(inputs, outputs); c++) values[(centre * inputs + c) * outputs + c] = 1;
};

/**
 * Orthonormal columns (or rows, whichever are fewer) of the weight seen as a [fan-in, outputs] matrix, times `gain`
 * (Saxe et al., 2014): modified Gram-Schmidt on normal vectors.
 */
export const orthogonal =
  (gain = 1): Initializer =>
  (values, shape, random) => {
    const columns = shape[shape.length - 1];
    const rows = values.length / columns;
    const byColumns = columns <= rows;
    const [count, length] = byColumns ? [columns, rows] : [rows, columns];
    const vectors: Float64Array[] = [];
    while (vectors.length < count) {
      const vector = Float64Array.from({ length }, () => random.normal());
      // Twice is enough to be orthogonal to rounding (Kahan).
      for (let pass = 0; pass < 2; pass++) {
        for (const other of vectors) {
          const projection = vector.reduce((total, value, i) => total + value * other[i], 0);
          for (let i = 0; i < length; i++) vector[i] -= projection * other[i];
        }
      }
      const norm = Math.hypot(...vector);
      if (norm > 1e-6) vectors.push(vector.map(value => value / norm));
    }
    vectors.forEach((vector, j) => {
      for (let i = 0; i < length; i++) values[byColumns ? i * columns + j : j * columns + i] = gain * vector[i];
    });
  };
