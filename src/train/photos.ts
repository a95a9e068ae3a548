/**
 * What a network says about photographs: the likeliest classes of each, and, where it is known what they show, how many
 * are right. A photograph may have several right answers ("shoes") or none among the ten classes; the latter count in no
 * accuracy and are listed apart.
 */
import { CLASS_NAMES, type ImageSet } from '../data/fashion-mnist.ts';
import type { PhotoWarning } from '../data/photo.ts';
import { labelText, type PhotoLabel } from '../data/photo-labels.ts';
import { UsageError } from '../devices/errors.ts';
import { wilsonInterval } from './metrics.ts';

export interface RankedClass {
  readonly class: number;
  readonly name: string;
  readonly probability: number;
}

export interface PhotoPrediction {
  /** As it was found; the package's own pictures by name, wherever the package lies. */
  readonly file: string;
  readonly name: string;
  /** Likeliest first. */
  readonly top: readonly RankedClass[];
  /** Classes that count as right, as text; null where nothing is known. */
  readonly label: string | null;
  /** Null where nothing is known, or it shows none of the ten classes. */
  readonly right: boolean | null;
  readonly negated: boolean;
  readonly warnings: readonly PhotoWarning[];
}

/** How many photographs of one label were recognised. */
export interface LabelRecognition {
  readonly label: string;
  readonly images: number;
  readonly right: number;
}

export interface PhotoAccuracy {
  readonly images: number;
  readonly right: number;
  readonly accuracy: number;
  /** Wilson's 95 % interval. */
  readonly ci95: readonly [number, number];
  /** Mean over the labels, each counting the same. */
  readonly macro: number;
  readonly perLabel: readonly LabelRecognition[];
}

/** Prepared photographs as a data set of images; its labels mean nothing. */
export function photoSet(images: readonly Uint8Array[], size = 28): ImageSet {
  if (images.length === 0) throw new UsageError('There are no photographs.');
  const area = size * size;
  const bytes = new Uint8Array(images.length * area);
  images.forEach((image, i) => {
    bytes.set(image, i * area);
  });
  return {
    images: bytes,
    labels: new Uint8Array(images.length),
    count: images.length,
    width: size,
    height: size,
    channels: 1,
  };
}

/** The `count` likeliest classes of a row of probabilities. */
export function rankedClasses(
  probabilities: ArrayLike<number>,
  count: number,
  classNames: readonly string[] = CLASS_NAMES,
): RankedClass[] {
  return Array.from(probabilities, (probability, label) => ({
    class: label,
    name: classNames[label] ?? `class ${label}`,
    probability,
  }))
    .sort((a, b) => b.probability - a.probability || a.class - b.class)
    .slice(0, count);
}

/** Whether a class is a right answer; null where there is none to be had. */
export function isRight(predicted: number, label: PhotoLabel | undefined): boolean | null {
  return label === undefined || label.length === 0 ? null : label.includes(predicted);
}

/** Counts over all photographs that have a right answer; null where none has. */
export function photoAccuracy(
  photos: readonly { readonly right: boolean | null; readonly label?: PhotoLabel }[],
): PhotoAccuracy | null {
  const groups = new Map<string, { images: number; right: number }>();
  for (const { right, label } of photos) {
    if (right === null || label === undefined) continue;
    const name = labelText(label);
    const group = groups.get(name) ?? { images: 0, right: 0 };
    groups.set(name, { images: group.images + 1, right: group.right + (right ? 1 : 0) });
  }
  if (groups.size === 0) return null;
  const perLabel = [...groups].map(([label, counts]) => ({ label, ...counts }));
  const images = perLabel.reduce((sum, group) => sum + group.images, 0);
  const right = perLabel.reduce((sum, group) => sum + group.right, 0);
  return {
    images,
    right,
    accuracy: right / images,
    ci95: wilsonInterval(right, images),
    macro: perLabel.reduce((sum, group) => sum + group.right / group.images, 0) / perLabel.length,
    perLabel,
  };
}
