/** Blur: out of focus (Gaussian), moved while the shutter was open (motion), seen through frosted glass. */
import { type Corruption, gaussianBlur, graded } from './corruption-kind.ts';

const blur = (what: string, apply: Corruption['apply']): Corruption => ({ family: 'blur', graded: true, what, apply });

/** Points along the path of a moving camera, per pixel of its length. */
const POINTS_PER_PIXEL = 4;

interface Tap {
  readonly dx: number;
  readonly dy: number;
  readonly weight: number;
}

/** The path of a camera that moves by `length` pixels, as weights of neighbouring pixels; they add up to 1. */
function pathKernel(length: number, angle: number): Tap[] {
  const weights = new Map<string, Tap>();
  const points = POINTS_PER_PIXEL * length + 1;
  for (let k = 0; k < points; k++) {
    const along = length * (k / (points - 1) - 0.5);
    const [x, y] = [along * Math.cos(angle), along * Math.sin(angle)];
    for (const dx of [Math.floor(x), Math.floor(x) + 1]) {
      for (const dy of [Math.floor(y), Math.floor(y) + 1]) {
        const weight = ((1 - Math.abs(x - dx)) * (1 - Math.abs(y - dy))) / points;
        if (weight === 0) continue;
        const key = `${dx},${dy}`;
        weights.set(key, { dx, dy, weight: weight + (weights.get(key)?.weight ?? 0) });
      }
    }
  }
  return [...weights.values()];
}

export const BLURS = {
  'gaussian-blur': blur('out of focus', (image, severity) =>
    gaussianBlur(image, graded([0.5, 0.8, 1.1, 1.5, 2], severity)),
  ),

  'motion-blur': blur('the camera moved, in a direction of its own for each picture', (image, severity, random) => {
    const length = graded([2, 4, 6, 8, 10], severity);
    const angle = (random.uniform() - 0.5) * Math.PI;
    const path = pathKernel(length, angle);
    const { values, width, height } = image;
    return values.map((_, p) => {
      const x = p % width;
      const y = (p - x) / width;
      let sum = 0;
      for (const { dx, dy, weight } of path) {
        const column = x + dx;
        const row = y + dy;
        if (column >= 0 && row >= 0 && column < width && row < height) sum += weight * values[row * width + column];
      }
      return sum;
    });
  }),

  /** Neighbouring pixels change places at random, then a little Gaussian blur, as in ImageNet-C, scaled to 28 pixels. */
  'glass-blur': blur('behind frosted glass: neighbouring pixels have changed places', (image, severity, random) => {
    const { distance, rounds, sigma } = graded(
      [
        { distance: 1, rounds: 1, sigma: 0.3 },
        { distance: 1, rounds: 2, sigma: 0.4 },
        { distance: 2, rounds: 1, sigma: 0.5 },
        { distance: 2, rounds: 2, sigma: 0.6 },
        { distance: 3, rounds: 2, sigma: 0.8 },
      ],
      severity,
    );
    const { width, height } = image;
    const values = image.values.slice();
    for (let round = 0; round < rounds; round++) {
      for (let y = height - 1; y >= 0; y--) {
        for (let x = width - 1; x >= 0; x--) {
          // One draw for both directions: its halves, each scaled to -distance .. distance.
          const bits = random.nextUint32();
          const dx = Math.floor(((bits >>> 16) * (2 * distance + 1)) / 65536) - distance;
          const dy = Math.floor(((bits & 0xffff) * (2 * distance + 1)) / 65536) - distance;
          const column = Math.min(width - 1, Math.max(0, x + dx));
          const row = Math.min(height - 1, Math.max(0, y + dy));
          const [here, there] = [y * width + x, row * width + column];
          [values[here], values[there]] = [values[there], values[here]];
        }
      }
    }
    return gaussianBlur({ values, width, height }, sigma);
  }),
} satisfies Record<string, Corruption>;
