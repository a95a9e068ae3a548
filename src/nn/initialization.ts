/**
 * How parameters start. Fans are counted as for a layer of weights [..., inputs, outputs]: a filter bank
 * [kh, kw, C, K] has fan-in kh kw C and fan-out kh kw K. Values are drawn on the host in float64 and rounded once.
 */
import { finite, nonNegative } from '../devices/checks.ts';
import { ShapeError } from '../devices/errors.ts';
import type { Shape } from '../devices/shape.ts';
import type { PhiloxStream } from '../kernels/random/philox.ts';
import { checkNormal, uniformIn, uniformRange } from '../kernels/random/range.ts';
import type { Initializer } from './parameter.ts';

export function fans(shape: Shape): { fanIn: number; fanOut: number } {
  if (shape.length < 2) throw new ShapeError('initialisation: fans need a weight of rank 2 or more.');
  const receptive = shape.slice(0, -2).reduce((product, extent) => product * extent, 1);
  return { fanIn: receptive * shape[shape.length - 2], fanOut: receptive * shape[shape.length - 1] };
}

export function constant(value: number): Initializer {
  finite('constant', 'value', value);
  return values => {
    values.fill(value);
  };
}

/** @param std standard deviation, at least 0 */
export function normal(std: number, mean = 0): Initializer {
  nonNegative('normal', 'std', std);
  finite('normal', 'mean', mean);
  checkNormal('normal', mean, std);
  return (values, _, random) => {
    for (let i = 0; i < values.length; i++) values[i] = mean + std * random.normal();
  };
}

/** Uniform in [low, high). */
export function uniform(low: number, high: number): Initializer {
  const range = uniformRange('uniform', low, high);
  return (values, _, random) => {
    for (let i = 0; i < values.length; i++) values[i] = uniformIn(range, random.uniform());
  };
}

/** Normal with variance gain^2 / fan-in; gain sqrt(2) suits relu (He et al., 2015). */
export function heNormal(gain = Math.SQRT2): Initializer {
  nonNegative('heNormal', 'gain', gain);
  return (values, shape, random) => fill(values, shape, random, fan => normal(gain / Math.sqrt(fan.fanIn)));
}

/** Uniform with the same variance. */
export function heUniform(gain = Math.SQRT2): Initializer {
  nonNegative('heUniform', 'gain', gain);
  return (values, shape, random) => fill(values, shape, random, fan => within(gain * Math.sqrt(3 / fan.fanIn)));
}

/** Normal with variance 2 gain^2 / (fan-in + fan-out) (Glorot and Bengio, 2010). */
export function xavierNormal(gain = 1): Initializer {
  nonNegative('xavierNormal', 'gain', gain);
  return (values, shape, random) =>
    fill(values, shape, random, fan => normal(gain * Math.sqrt(2 / (fan.fanIn + fan.fanOut))));
}

/** Uniform with the same variance. */
export function xavierUniform(gain = 1): Initializer {
  nonNegative('xavierUniform', 'gain', gain);
  return (values, shape, random) =>
    fill(values, shape, random, fan => within(gain * Math.sqrt(6 / (fan.fanIn + fan.fanOut))));
}

const within = (bound: number): Initializer => uniform(-bound, bound);

/** Fills values with what suits their fans; an array without values has none. */
function fill(
  values: Float32Array,
  shape: Shape,
  random: PhiloxStream,
  initializerFor: (fan: ReturnType<typeof fans>) => Initializer,
): void {
  const fan = fans(shape);
  if (values.length > 0) initializerFor(fan)(values, shape, random);
}

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
export function orthogonal(gain = 1): Initializer {
  finite('orthogonal', 'gain', gain);
  return (values, shape, random) => {
    if (shape.length < 2) throw new ShapeError('orthogonal: columns need a weight of rank 2 or more.');
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
      const norm = Math.sqrt(vector.reduce((total, value) => total + value * value, 0));
      if (norm > 1e-6) vectors.push(vector.map(value => value / norm));
    }
    vectors.forEach((vector, j) => {
      for (let i = 0; i < length; i++) values[byColumns ? i * columns + j : j * columns + i] = gain * vector[i];
    });
  };
}
