/** Something in front of what is shown: a stripe, dotted and zigzag lines, drops on the lens. */
import type { PhiloxStream } from '../kernels/random/philox.ts';
import { type Corruption, type GreyImage, gaussianBlur, graded } from './corruption-kind.ts';

const overlay = (what: string, apply: Corruption['apply']): Corruption => ({
  family: 'overlay',
  graded: true,
  what,
  apply,
});

type Point = readonly [number, number];

/** A line across the image, from one of two opposite edges to the other, at random heights. */
function acrossTheImage({ width, height }: GreyImage, random: PhiloxStream): [Point, Point] {
  const [first, second] = [random.uniform(), random.uniform()];
  return random.nextUint32() >>> 31
    ? [
        [0, first * (height - 1)],
        [width - 1, second * (height - 1)],
      ]
    : [
        [first * (width - 1), 0],
        [second * (width - 1), height - 1],
      ];
}

/** Points of a line at distances of half a pixel, with the distance from its start. */
function* pointsBetween([x0, y0]: Point, [x1, y1]: Point): Generator<readonly [number, number, number]> {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const steps = Math.max(1, Math.ceil(2 * length));
  for (let k = 0; k <= steps; k++) {
    const share = k / steps;
    yield [x0 + share * (x1 - x0), y0 + share * (y1 - y0), share * length];
  }
}

function setWhite(values: Float64Array, { width, height }: GreyImage, x: number, y: number): void {
  const [column, row] = [Math.round(x), Math.round(y)];
  if (column >= 0 && row >= 0 && column < width && row < height) values[row * width + column] = 1;
}

/** Length of a dash and of the gap after it, in pixels. */
const DASH = 1.5;
/** Height of a zigzag and half its period, in pixels. */
const ZIGZAG = { height: 2.5, half: 3 };

/** Smoothness of a splash of drops, in pixels; their grey. */
const DROPS = { sigma: 1, grey: 0.8 };

export const OVERLAYS = {
  stripe: overlay(
    'a stripe across the middle, in which the picture is a negative',
    ({ values, width, height }, severity, random) => {
      const breadth = graded([1, 2, 4, 6, 8], severity);
      const isUpright = random.nextUint32() >>> 31;
      const length = isUpright ? width : height;
      // The middle half of the image: a stripe beside what is shown would say nothing.
      const centre = length * (0.25 + 0.5 * random.uniform());
      return values.map((value, p) => {
        const place = (isUpright ? p % width : Math.floor(p / width)) + 0.5;
        return Math.abs(place - centre) <= breadth / 2 ? 1 - value : value;
      });
    },
  ),

  'dotted-line': overlay('one to five dotted white lines', (image, severity, random) => {
    const values = image.values.slice();
    for (let line = 0; line < severity; line++) {
      const [from, to] = acrossTheImage(image, random);
      for (const [x, y, distance] of pointsBetween(from, to)) {
        if (distance % (2 * DASH) < DASH) setWhite(values, image, x, y);
      }
    }
    return values;
  }),

  zigzag: overlay('one to five white zigzag lines', (image, severity, random) => {
    const values = image.values.slice();
    for (let line = 0; line < severity; line++) {
      const [from, to] = acrossTheImage(image, random);
      const length = Math.max(1e-9, Math.hypot(to[0] - from[0], to[1] - from[1]));
      const [acrossX, acrossY] = [-(to[1] - from[1]) / length, (to[0] - from[0]) / length];
      for (const [x, y, distance] of pointsBetween(from, to)) {
        const phase = (distance / ZIGZAG.half) % 2;
        const aside = ZIGZAG.height * (phase < 1 ? 2 * phase - 1 : 3 - 2 * phase);
        setWhite(values, image, x + aside * acrossX, y + aside * acrossY);
      }
    }
    return values;
  }),

  spatter: overlay('drops on the lens', (image, severity, random) => {
    const threshold = graded([1.8, 1.5, 1.2, 0.9, 0.6], severity);
    const { width, height } = image;
    const field = gaussianBlur({ values: image.values.map(() => random.normal()), width, height }, DROPS.sigma);
    const spread = Math.sqrt(field.reduce((sum, value) => sum + value * value, 0) / field.length);
    return image.values.map((value, p) => (field[p] > threshold * spread ? DROPS.grey : value));
  }),
} satisfies Record<string, Corruption>;
