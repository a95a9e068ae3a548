/**
 * What a data set is before anyone trains on it: how many images of each class, how bright, which are empty, which occur
 * twice, and whether a test image also stands among the training images. Everything is counted in the bytes themselves,
 * so the figures are exact.
 */
import type { ImageSet, Split } from '../data/fashion-mnist.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';

type Sets = Readonly<Record<Split, ImageSet>>;

/** An image by its place in the data set. */
export interface ImageRef {
  readonly split: Split;
  readonly index: number;
  readonly label: number;
}

export interface SplitReport {
  readonly images: number;
  /** [height, width, channels] */
  readonly size: readonly [number, number, number];
  /** Images of each class. */
  readonly perClass: readonly number[];
  /** Of all pixels in [0, 1]; `zero` is the share that is black. */
  readonly pixels: { readonly mean: number; readonly sd: number; readonly zero: number };
  /** Mean pixel of the images of each class, 0 for a class without images. */
  readonly brightness: readonly number[];
  /** Images whose pixels are all the same, and that value as a byte (0: an empty image). */
  readonly constant: readonly (ImageRef & { readonly value: number })[];
}

export interface DuplicateReport {
  /** Images that are, byte for byte, a repetition of an earlier one of the same set. */
  readonly withinTrain: number;
  readonly withinTest: number;
  /** Test images that also stand, byte for byte, among the training images. */
  readonly testInTrain: number;
  /** Groups of equal images that do not have equal labels. */
  readonly conflicting: number;
  /** The groups, training images first. */
  readonly groups: readonly (readonly ImageRef[])[];
}

export interface CleaningReport {
  readonly train: SplitReport;
  readonly test: SplitReport;
  readonly duplicates: DuplicateReport;
  /** [classes][height * width * channels]: mean training image of each class in [0, 1]. */
  readonly meanImages: readonly (readonly number[])[];
}

/**
 * The report on a training and a test set.
 *
 * @throws ShapeError when images and labels do not fit, or a label is no class; UsageError for a number of classes that is none
 */
export function cleaningReport(sets: Sets, classes: number): CleaningReport {
  if (!Number.isInteger(classes) || classes < 1) {
    throw new UsageError(`cleaning: the number of classes is a whole number of at least 1, not ${classes}.`);
  }
  for (const split of ['train', 'test'] as const) checkLabels(sets[split], split, classes);
  return {
    train: describeSplit(sets.train, 'train', classes),
    test: describeSplit(sets.test, 'test', classes),
    duplicates: findDuplicates(sets),
    meanImages: classMeans(sets.train, classes),
  };
}

const sizeOf = ({ height, width, channels }: ImageSet): number => height * width * channels;

function checkLabels(set: ImageSet, split: Split, classes: number): void {
  if (set.labels.length !== set.count || set.images.length !== set.count * sizeOf(set)) {
    throw new ShapeError(
      `cleaning: the set says ${set.count} images and holds ${set.labels.length} labels and ${set.images.length} bytes.`,
    );
  }
  const stray = set.labels.findIndex(label => label >= classes);
  if (stray >= 0) {
    throw new ShapeError(`cleaning: ${split} image ${stray} has label ${set.labels[stray]} of ${classes} classes.`);
  }
}

function describeSplit(set: ImageSet, split: Split, classes: number): SplitReport {
  const { images, labels, count, height, width, channels } = set;
  const size = sizeOf(set);
  const perClass = new Array<number>(classes).fill(0);
  const sums = new Float64Array(classes);
  const constant: (ImageRef & { value: number })[] = [];
  const histogram = new Float64Array(256);
  for (let index = 0; index < count; index++) {
    const first = images[index * size];
    let sum = 0;
    let isConstant = true;
    for (let at = index * size; at < (index + 1) * size; at++) {
      const value = images[at];
      sum += value;
      histogram[value]++;
      if (value !== first) isConstant = false;
    }
    perClass[labels[index]]++;
    sums[labels[index]] += sum;
    if (isConstant) constant.push({ split, index, label: labels[index], value: first });
  }
  const pixels = images.length;
  const moment = (power: number): number =>
    pixels === 0 ? 0 : histogram.reduce((sum, times, value) => sum + times * value ** power, 0) / pixels;
  const mean = moment(1);
  return {
    images: count,
    size: [height, width, channels],
    perClass,
    pixels: {
      mean: mean / 255,
      sd: Math.sqrt(Math.max(0, moment(2) - mean * mean)) / 255,
      zero: pixels === 0 ? 0 : histogram[0] / pixels,
    },
    brightness: perClass.map((images, label) => (images === 0 ? 0 : sums[label] / (255 * images * size))),
    constant,
  };
}

/** The mean image of each class in [0, 1], black for a class without images. */
function classMeans(set: ImageSet, classes: number): number[][] {
  const size = sizeOf(set);
  const sums = Array.from({ length: classes }, () => new Float64Array(size));
  const counts = new Uint32Array(classes);
  for (let index = 0, at = 0; index < set.count; index++) {
    const label = set.labels[index];
    counts[label]++;
    for (let pixel = 0; pixel < size; pixel++) sums[label][pixel] += set.images[at++];
  }
  // Four digits are a fortieth of a grey level.
  return sums.map((sum, label) =>
    Array.from(sum, value => Math.round((1e4 * value) / (255 * (counts[label] || 1))) / 1e4),
  );
}

/** 32-bit FNV-1a of a stretch of bytes. */
export function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  return hash >>> 0;
}

/** Groups of images that are equal byte for byte: equal hashes first, then the bytes themselves. */
function findDuplicates(sets: Sets): DuplicateReport {
  const byHash = new Map<number, ImageRef[][]>();
  const bytesOf = ({ split, index }: ImageRef): Uint8Array => {
    const size = sizeOf(sets[split]);
    return sets[split].images.subarray(index * size, (index + 1) * size);
  };
  for (const split of ['train', 'test'] as const) {
    const { images, labels, count } = sets[split];
    const size = sizeOf(sets[split]);
    for (let index = 0; index < count; index++) {
      const ref: ImageRef = { split, index, label: labels[index] };
      const hash = hashOf(images, index * size, (index + 1) * size);
      const groups = byHash.get(hash);
      if (!groups) {
        byHash.set(hash, [[ref]]);
        continue;
      }
      const own = bytesOf(ref);
      const group = groups.find(([first]) => areEqual(bytesOf(first), own));
      if (group) group.push(ref);
      else groups.push([ref]);
    }
  }
  const groups = [...byHash.values()].flat().filter(group => group.length > 1);
  const repetitions = (split: Split): number =>
    groups.reduce((sum, group) => sum + Math.max(0, group.filter(ref => ref.split === split).length - 1), 0);
  return {
    withinTrain: repetitions('train'),
    withinTest: repetitions('test'),
    testInTrain: groups.reduce(
      (sum, group) => (group[0].split === 'train' ? sum + group.filter(ref => ref.split === 'test').length : sum),
      0,
    ),
    conflicting: groups.filter(group => group.some(({ label }) => label !== group[0].label)).length,
    groups,
  };
}

export function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, at) => value === b[at]);
}
