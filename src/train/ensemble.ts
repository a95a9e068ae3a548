/**
 * More than one opinion of each image: several models, or one model shown the image several ways (test-time augmentation).
 * The opinions are averaged as probabilities; their logarithms then serve wherever logits do.
 */
import { flip, pad, slice } from '../autograd/ops/index.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { UsageError } from '../devices/errors.ts';
import type { Module } from '../nn/index.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type PredictOptions, predictLogits } from './evaluate.ts';
import { meanProbabilities, softmaxRows } from './scores.ts';

/** A way to show images [N, H, W, C]. */
export type View = (images: Tensor) => Tensor;

export type ViewName = 'flip' | 'shift';

export const VIEW_NAMES: readonly ViewName[] = ['flip', 'shift'];

/** Moves the picture by (dy, dx) pixels, reflecting what comes in. */
function shifted(images: Tensor, dy: number, dx: number): Tensor {
  const sides = (forward: number): [number, number] => [Math.max(0, forward), Math.max(0, -forward)];
  const [[top, bottom], [left, right]] = [sides(dy), sides(dx)];
  const padded = pad(images, [0, top, left, 0], [0, bottom, right, 0], { mode: 'reflect' });
  return slice(padded, [0, bottom, right, 0], images.shape);
}

/**
 * The views of test-time augmentation, the image as it is among them: `flip` adds the mirror image, `shift` moves by a
 * pixel along one diagonal, both ways; together they make six.
 */
export function testTimeViews(names: readonly ViewName[]): View[] {
  for (const name of names) {
    if (!VIEW_NAMES.includes(name)) {
      throw new UsageError(`There is no test-time augmentation "${name}"; choose from ${VIEW_NAMES.join(', ')}.`);
    }
  }
  const moves: View[] = [images => images];
  if (names.includes('shift'))
    moves.push(
      x => shifted(x, -1, -1),
      x => shifted(x, 1, 1),
    );
  return names.includes('flip') ? moves.flatMap((move): View[] => [move, x => flip(move(x), [2])]) : moves;
}

export interface EnsembleOptions extends Omit<PredictOptions, 'view'> {
  readonly views?: readonly View[];
}

/**
 * Log-probabilities [count, classes] of models and views averaged; of one model and one view, its logits.
 * @throws NonFiniteError naming the layer when a model's values are not finite
 */
export async function predictEnsemble(
  models: readonly Module[],
  data: DeviceDataset,
  { views = testTimeViews([]), onProgress, ...options }: EnsembleOptions = {},
): Promise<Float32Array | Float64Array> {
  const opinions: Float64Array[] = [];
  const rounds = models.length * views.length;
  let round = 0;
  for (const model of models) {
    for (const view of views) {
      const logits = await predictLogits(model, data, {
        ...options,
        view,
        onProgress: (done, total) => onProgress?.(round * total + done, rounds * total),
      });
      if (rounds === 1) return logits;
      round++;
      opinions.push(softmaxRows(logits, logits.length / (options.indices?.length ?? data.count)));
    }
  }
  return meanProbabilities(opinions).map(probability => Math.log(Math.max(probability, Number.MIN_VALUE)));
}
