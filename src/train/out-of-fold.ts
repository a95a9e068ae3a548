/** What networks say of every training image without having been trained on it: cross-validation by folds. */
import { shuffledIndices } from '../data/batches.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { integerInRange } from '../devices/checks.ts';
import type { ModelSpec } from '../nn/index.ts';
import { buildTrainee } from './build.ts';
import { predictLogits } from './evaluate.ts';
import { fit } from './fit.ts';
import { fitOptions, type Recipe } from './recipes.ts';
import { softmaxRows } from './scores.ts';

export interface OutOfFoldOptions {
  readonly model: ModelSpec;
  readonly recipe: Recipe;
  readonly folds: number;
  readonly classes: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fold: number, share: number) => void;
}

/** The fold of each image: every class is dealt out evenly, in an order that the seed decides. */
export function foldsOf(labels: ArrayLike<number>, folds: number, seed: number): Uint8Array {
  const dealt = new Map<number, number>();
  const fold = new Uint8Array(labels.length);
  for (const index of shuffledIndices(labels.length, seed, 0)) {
    const before = dealt.get(labels[index]) ?? 0;
    fold[index] = before % folds;
    dealt.set(labels[index], before + 1);
  }
  return fold;
}

/**
 * Probabilities `[N, classes]` of every image, by the network that was trained on the other folds.
 * @throws UsageError for fewer than two folds or more than images; the signal's reason when aborted
 */
export async function outOfFoldProbabilities(
  images: DeviceDataset,
  labels: Uint8Array,
  options: OutOfFoldOptions,
): Promise<Float32Array> {
  const { model: spec, recipe, folds, classes, seed, signal, onProgress } = options;
  integerInRange('out of fold', 'folds', folds, { from: 2, to: Math.min(255, labels.length) });
  const fold = foldsOf(labels, folds, seed);
  const places = (isOwn: (of: number) => boolean): Uint32Array =>
    Uint32Array.from(Array.from(labels.keys()).filter(index => isOwn(fold[index])));
  const probabilities = new Float32Array(labels.length * classes);
  for (let current = 0; current < folds; current++) {
    signal?.throwIfAborted();
    const train = places(of => of !== current);
    const held = places(of => of === current);
    if (held.length === 0) continue;
    const trainee = buildTrainee(spec, recipe, images.device, seed);
    const { model, optimizer, ema } = trainee;
    try {
      await fit(model, images, optimizer, {
        ...fitOptions(recipe, train.length),
        seed,
        ema,
        trainIndices: train,
        signal,
        onProgress: ({ epoch, batch, batches }) => onProgress?.(current, (epoch + batch / batches) / recipe.epochs),
      });
      signal?.throwIfAborted();
      const rows = softmaxRows(await predictLogits(model, images, { indices: held, signal }), classes);
      held.forEach((index, row) => {
        for (let c = 0; c < classes; c++) probabilities[index * classes + c] = rows[row * classes + c];
      });
    } finally {
      trainee.dispose();
    }
  }
  return probabilities;
}
