/**
 * What a network still gets right when its images are corrupted: accuracy by corruption and severity, each with its
 * interval, beside the accuracy on the same images as they are. A corruption that has no grades (a mirror image) is
 * measured once and stands under every severity.
 */
import { CORRUPTIONS, type CorruptionName, checkSeverity, corruptImages, corruptionNamed } from '../data/corruption.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import { giveWayIfDue } from '../devices/event-loop.ts';
import type { Module } from '../nn/index.ts';
import { predictLogits } from './evaluate.ts';
import { wilsonInterval } from './metrics.ts';
import { classCount, predictedClasses } from './scores.ts';

/** Images that are corrupted before the event loop may turn: a tenth of a second's work. */
const CORRUPTED_AT_ONCE = 200;

/** How many images of one kind were recognised; shares are in [0, 1]. */
export interface Recognition {
  readonly images: number;
  readonly right: number;
  readonly accuracy: number;
  /** Wilson's 95 % interval of the accuracy. */
  readonly ci95: readonly [number, number];
}

export interface CorruptionPoint extends Recognition {
  /** 1 to 5 */
  readonly severity: number;
  /** Accuracy as a share of the accuracy on the clean images. */
  readonly relative: number;
}

export interface CorruptionRow {
  readonly corruption: CorruptionName;
  readonly family: string;
  /** In a few plain words. */
  readonly what: string;
  /** False: every severity is the same. */
  readonly graded: boolean;
  /** Mean over the severities. */
  readonly accuracy: number;
  readonly points: readonly CorruptionPoint[];
}

export interface CorruptionTable {
  readonly clean: Recognition;
  readonly severities: readonly number[];
  readonly rows: readonly CorruptionRow[];
  /** Mean over corruptions and severities, each counting the same. */
  readonly meanAccuracy: number;
  /** The same as a share of the accuracy on the clean images. */
  readonly meanRelative: number;
}

export interface RobustnessOptions {
  /** Where the models are. */
  readonly device: Device;
  readonly corruptions: readonly string[];
  /** 1 to 5 each. */
  readonly severities: readonly number[];
  /** Which images of the set; default all. */
  readonly indices?: ArrayLike<number>;
  readonly seed?: number;
  /** Called before each pass over the images. */
  readonly onProgress?: (pass: string, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Throws for no corruption or severity, an unknown one, or severity 0, which is the clean images. */
export function checkRobustnessOptions({
  corruptions,
  severities,
}: Pick<RobustnessOptions, 'corruptions' | 'severities'>): void {
  for (const name of corruptions) corruptionNamed(name);
  for (const severity of severities) {
    if (checkSeverity(severity) === 0)
      throw new UsageError('Severity 0 is the clean images; they are always measured.');
  }
  if (corruptions.length === 0 || severities.length === 0) {
    throw new UsageError('Robustness needs at least one corruption and one severity.');
  }
}

/** Hits and interval of predictions against labels. */
export function recognition(predicted: ArrayLike<number>, labels: ArrayLike<number>): Recognition {
  let right = 0;
  for (let i = 0; i < labels.length; i++) if (predicted[i] === labels[i]) right++;
  return { images: labels.length, right, accuracy: right / labels.length, ci95: wilsonInterval(right, labels.length) };
}

/**
 * Accuracy of models on clean and corrupted images; each corrupted set is made once and shown to all of them.
 *
 * @param models all on `device`
 * @param set images on the host
 * @returns one table per model
 * @throws UsageError for unknown names and severities; the signal's reason when it is aborted
 */
export async function corruptionTables(
  models: readonly Module[],
  set: ImageSet,
  options: RobustnessOptions,
): Promise<CorruptionTable[]> {
  checkRobustnessOptions(options);
  const { device, onProgress, severities, signal } = options;
  const corruptions = [...new Set(options.corruptions)] as CorruptionName[];
  const passes = corruptions.reduce((sum, name) => sum + (CORRUPTIONS[name].graded ? severities.length : 1), 1);
  let done = 0;
  const measure = async (name: CorruptionName, severity: number): Promise<Recognition[]> => {
    signal?.throwIfAborted();
    onProgress?.(severity === 0 ? 'clean images' : `${name}, severity ${severity}`, done++, passes);
    const corrupted = await corrupt(set, name, severity, options);
    const images = new DeviceDataset(corrupted, device);
    try {
      const found: Recognition[] = [];
      for (const model of models) {
        const logits = await predictLogits(model, images, { signal });
        found.push(recognition(predictedClasses(logits, classCount(logits, corrupted.labels)), corrupted.labels));
      }
      return found;
    } finally {
      images.dispose();
    }
  };
  const clean = await measure(corruptions[0], 0);
  const rows: CorruptionRow[][] = models.map(() => []);
  for (const corruption of corruptions) {
    const { family, graded, what } = CORRUPTIONS[corruption];
    const bySeverity: Recognition[][] = [];
    for (const severity of severities) {
      bySeverity.push(graded || bySeverity.length === 0 ? await measure(corruption, severity) : bySeverity[0]);
    }
    models.forEach((_, m) => {
      const points = severities.map((severity, s): CorruptionPoint => {
        const found = bySeverity[s][m];
        return { severity, ...found, relative: ratio(found.accuracy, clean[m].accuracy) };
      });
      const accuracy = mean(points.map(point => point.accuracy));
      rows[m].push({ corruption, family, what, graded, accuracy, points });
    });
  }
  return models.map((_, m) => {
    const meanAccuracy = mean(rows[m].map(row => row.accuracy));
    return {
      clean: clean[m],
      severities,
      rows: rows[m],
      meanAccuracy,
      meanRelative: ratio(meanAccuracy, clean[m].accuracy),
    };
  });
}

/** Images corrupted a part at a time, so that the event loop turns meanwhile. What becomes of an image does not depend on the others. */
async function corrupt(
  set: ImageSet,
  name: CorruptionName,
  severity: number,
  { indices, seed = 0, signal }: RobustnessOptions,
): Promise<ImageSet> {
  const all = Array.from({ length: indices?.length ?? set.count }, (_, i) => indices?.[i] ?? i);
  const size = set.width * set.height * set.channels;
  const images = new Uint8Array(all.length * size);
  const labels = new Uint8Array(all.length);
  for (let start = 0; start < all.length; start += CORRUPTED_AT_ONCE) {
    await giveWayIfDue();
    signal?.throwIfAborted();
    const part = corruptImages(set, name, severity, { seed, indices: all.slice(start, start + CORRUPTED_AT_ONCE) });
    images.set(part.images, start * size);
    labels.set(part.labels, start);
  }
  return { ...set, images, labels, count: all.length };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
