/** Noise: of the sensor (Gaussian), of too few photons (shot), of broken pixels (impulse). */
import type { PhiloxStream } from '../kernels/random/philox.ts';
import { type Corruption, graded } from './corruption-kind.ts';

const noise = (what: string, apply: Corruption['apply']): Corruption => ({
  family: 'noise',
  graded: true,
  what,
  apply,
});

/** The number of events that a Poisson variable of mean `mean` does not exceed with probability `share`. */
function poissonQuantile(mean: number, share: number): number {
  let term = Math.exp(-mean);
  let sum = term;
  let events = 0;
  // Beyond this many the terms no longer add anything in float64.
  const most = Math.ceil(mean + 12 * Math.sqrt(mean) + 24);
  while (sum < share && events < most) {
    events++;
    term *= mean / events;
    sum += term;
  }
  return events;
}

/** As `values.map`, with the random numbers drawn pixel by pixel. */
function eachPixel(
  values: Float64Array,
  random: PhiloxStream,
  change: (value: number, random: PhiloxStream) => number,
) {
  return values.map(value => change(value, random));
}

export const NOISES = {
  'gaussian-noise': noise('grain of the same strength everywhere', ({ values }, severity, random) => {
    const sigma = graded([0.08, 0.12, 0.18, 0.26, 0.38], severity);
    return eachPixel(values, random, (value, r) => value + sigma * r.normal());
  }),
  'shot-noise': noise(
    'grain of a picture taken with too little light: stronger where it is bright',
    (image, severity, random) => {
      const photons = graded([60, 25, 12, 5, 3], severity);
      return eachPixel(image.values, random, (value, r) => poissonQuantile(value * photons, r.uniform()) / photons);
    },
  ),
  'impulse-noise': noise('some pixels are plainly black or white', ({ values }, severity, random) => {
    const share = graded([0.03, 0.06, 0.1, 0.17, 0.27], severity);
    return eachPixel(values, random, (value, r) => {
      const [chance, salt] = [r.uniform(), r.nextUint32() >>> 31];
      return chance < share ? salt : value;
    });
  }),
} satisfies Record<string, Corruption>;
