/** Light: too much of it, too little difference, fog in front of the lens, a negative. */
import type { PhiloxStream } from '../kernels/random/philox.ts';
import { type Corruption, type GreyImage, graded } from './corruption-kind.ts';

const tone = (what: string, apply: Corruption['apply'], isGraded = true): Corruption => ({
  family: 'tone',
  graded: isGraded,
  what,
  apply,
});

/**
 * A cloudy field in [0, 1] by the diamond-square method: the middle of a square is the mean of its corners and a random
 * bit that halves with every level (A. Fournier, D. Fussell, L. Carpenter: Computer rendering of stochastic models. CACM
 * 25(6), 1982), on a torus that is cut to the image.
 */
function clouds({ width, height }: GreyImage, random: PhiloxStream): Float64Array {
  let size = 1;
  while (size < Math.max(width, height)) size *= 2;
  const field = new Float64Array(size * size);
  const wrap = (place: number): number => place & (size - 1);
  const at = (x: number, y: number): number => field[wrap(y) * size + wrap(x)];
  let roughness = 1;
  for (let step = size; step > 1; step /= 2, roughness /= 2) {
    const half = step / 2;
    const jolt = (): number => (random.uniform() - 0.5) * roughness;
    for (let y = 0; y < size; y += step) {
      for (let x = 0; x < size; x += step) {
        const corners = at(x, y) + at(x + step, y) + at(x, y + step) + at(x + step, y + step);
        field[(y + half) * size + x + half] = corners / 4 + jolt();
      }
    }
    for (let y = 0; y < size; y += half) {
      for (let x = (y / half) % 2 === 0 ? half : 0; x < size; x += step) {
        field[y * size + x] = (at(x - half, y) + at(x + half, y) + at(x, y - half) + at(x, y + half)) / 4 + jolt();
      }
    }
  }
  const cut = Float64Array.from({ length: width * height }, (_, p) => at(p % width, Math.floor(p / width)));
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of cut) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return cut.map(value => (high > low ? (value - low) / (high - low) : 0));
}

export const TONES = {
  brightness: tone('lit too much, bright and dark parts alike', ({ values }, severity) => {
    const light = graded([0.1, 0.2, 0.3, 0.4, 0.5], severity);
    return values.map(value => value + light);
  }),
  contrast: tone('all tones drawn towards their mean', ({ values }, severity) => {
    const kept = graded([0.75, 0.6, 0.45, 0.3, 0.15], severity);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.map(value => mean + kept * (value - mean));
  }),
  fog: tone('clouds in front of the lens', (image, severity, random) => {
    const density = graded([0.3, 0.6, 0.9, 1.3, 1.8], severity);
    const field = clouds(image, random);
    return image.values.map((value, p) => (value + density * field[p]) / (1 + density));
  }),
  inverse: tone(
    'a negative: what was light is dark, what was dark is light',
    ({ values }) => values.map(value => 1 - value),
    false,
  ),
} satisfies Record<string, Corruption>;
