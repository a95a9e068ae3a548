/**
 * Fashion-MNIST as it would look through a bad camera or on a crooked table: corruptions by name, in five severities, in
 * the style of MNIST-C and Fashion-MNIST-C. They run on the host, in float64 on bytes, so one seed gives the same images
 * for every device.
 *
 * The random numbers of an image follow from (seed, corruption, position of the image) and not from the severity: a
 * higher severity is the same noise made louder, the same line drawn with more beside it, the same turn taken further.
 * That makes severities comparable image by image, and their order more than a matter of luck.
 *
 * N. Mu, J. Gilmer: MNIST-C: a robustness benchmark for computer vision. arXiv:1906.02337, 2019.
 * M. Weiss, P. Tonella: Simple techniques work surprisingly well for neural network test prioritization and active
 * learning. ISSTA 2022 (Fashion-MNIST-C).
 * D. Hendrycks, T. Dietterich: Benchmarking neural network robustness to common corruptions and perturbations. ICLR 2019.
 */
import { UsageError } from '../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { BLURS } from './corruption-blur.ts';
import { GEOMETRY } from './corruption-geometry.ts';
import type { Corruption } from './corruption-kind.ts';
import { NOISES } from './corruption-noise.ts';
import { OVERLAYS } from './corruption-overlay.ts';
import { TONES } from './corruption-tone.ts';
import type { ImageSet } from './fashion-mnist.ts';

export type { Corruption, GreyImage, Severity } from './corruption-kind.ts';

/** Every corruption by name. */
export const CORRUPTIONS = {
  ...NOISES,
  ...BLURS,
  ...TONES,
  ...GEOMETRY,
  ...OVERLAYS,
} satisfies Record<string, Corruption>;

export type CorruptionName = keyof typeof CORRUPTIONS;

export const CORRUPTION_NAMES = Object.keys(CORRUPTIONS) as CorruptionName[];

/** Eight that differ in kind: noise (two), blur, tone (two), geometry (two), something in front. */
export const DEFAULT_CORRUPTIONS: readonly CorruptionName[] = [
  'gaussian-noise',
  'impulse-noise',
  'motion-blur',
  'brightness',
  'contrast',
  'rotate',
  'translate',
  'stripe',
];

export const MOST_SEVERE = 5;

/** The corruption called `name`; throws UsageError listing those there are. */
export function corruptionNamed(name: string): Corruption {
  if (Object.hasOwn(CORRUPTIONS, name)) return CORRUPTIONS[name as CorruptionName];
  throw new UsageError(`There is no corruption "${name}"; choose from ${CORRUPTION_NAMES.join(', ')}.`);
}

/** Throws for anything but a whole number from 0 (clean) to 5. */
export function checkSeverity(severity: number): number {
  if (Number.isInteger(severity) && severity >= 0 && severity <= MOST_SEVERE) return severity;
  throw new UsageError(`A severity is a whole number from 0 (clean) to ${MOST_SEVERE}, not ${severity}.`);
}

export interface CorruptOptions {
  /** Default 0. */
  readonly seed?: number;
  /** Which images; default all. An image is corrupted alike whichever others are chosen. */
  readonly indices?: ArrayLike<number>;
}

/**
 * Corrupted copies of images, with their labels. Of images in colour every channel is corrupted alike; only noise is drawn
 * for each channel by itself.
 *
 * @param set `[count, height, width, channels]` bytes; it is not changed
 * @param name one of `CORRUPTION_NAMES`
 * @param severity 0 (a plain copy) to 5
 * @throws UsageError for an unknown name or severity, or an image that is not there
 *
 * @example
 * const foggy = corruptImages(test, 'fog', 3, { seed: 0 });
 */
export function corruptImages(
  set: ImageSet,
  name: string,
  severity: number,
  { seed = 0, indices }: CorruptOptions = {},
): ImageSet {
  const corruption = corruptionNamed(name);
  checkSeverity(severity);
  const { width, height, channels } = set;
  const count = indices ? indices.length : set.count;
  const area = width * height;
  const size = area * channels;
  const images = new Uint8Array(count * size);
  const labels = new Uint8Array(count);
  const stream = streamNamed(`corrupt/${name}`);
  const values = new Float64Array(area);
  for (let i = 0; i < count; i++) {
    const index = indices ? indices[i] : i;
    if (!Number.isInteger(index) || index < 0 || index >= set.count) {
      throw new UsageError(`There is no image ${index} among ${set.count}.`);
    }
    labels[i] = set.labels[index];
    const clean = set.images.subarray(index * size, (index + 1) * size);
    if (severity === 0) {
      images.set(clean, i * size);
      continue;
    }
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < area; p++) values[p] = clean[p * channels + c] / 255;
      const draw = corruption.family === 'noise' ? index * channels + c : index;
      const changed = corruption.apply({ values, width, height }, severity, new PhiloxStream(seed, stream, draw));
      for (let p = 0; p < area; p++) {
        images[i * size + p * channels + c] = Math.round(255 * Math.min(1, Math.max(0, changed[p])));
      }
    }
  }
  return { images, labels, count, width, height, channels };
}
