/**
 * Which training images are held out. The choice depends on their number alone, not on a run's seed: runs of several seeds
 * are judged by the same images, an ensemble of them has images that none has seen, and a checkpoint needs to remember only
 * how many were held out.
 */
import { type IndexSplit, stratifiedSplit } from '../data/batches.ts';
import { UsageError } from '../devices/errors.ts';
import type { CheckpointInfo } from './checkpoint.ts';

const SPLIT_SEED = 0;

/**
 * Splits the training images, the classes in the same proportions on both sides.
 * @param labels of all training images
 * @param count images to hold out
 */
export function validationSplit(labels: ArrayLike<number>, count: number): IndexSplit {
  return stratifiedSplit(labels, count, SPLIT_SEED);
}

/** What a checkpoint remembers of the data it was trained on. */
export interface TrainedOn {
  readonly validation: number;
  readonly trainImages: number;
  readonly sampleData: boolean;
  /** SHA-256 of all images and labels; absent for Fashion-MNIST, whose files are known by theirs. */
  readonly dataChecksum?: string;
}

/**
 * Indices of training images that none of the checkpoints was trained on.
 * @throws UsageError saying why there are none
 */
export function heldOutImages(
  checkpoints: readonly { readonly name: string; readonly info: CheckpointInfo }[],
  labels: ArrayLike<number>,
  sampleData: boolean,
): Uint32Array {
  let least = Number.POSITIVE_INFINITY;
  for (const { name, info } of checkpoints) {
    const { validation, trainImages, sampleData: ofSample } = (info.options ?? {}) as Partial<TrainedOn>;
    if (!validation) {
      throw new UsageError(`${name} was trained on all training images; none is left that it has not seen.`);
    }
    if (trainImages !== labels.length || ofSample !== sampleData) {
      throw new UsageError(
        `${name} was trained on other data (${trainImages} images); its held-out images are not here.`,
      );
    }
    if (least !== Number.POSITIVE_INFINITY && validation !== least) {
      throw new UsageError(`The checkpoints held out different images (${least} and ${validation}).`);
    }
    least = validation;
  }
  return validationSplit(labels, least).heldOut;
}
