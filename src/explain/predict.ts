/**
 * A black box asked about many altered copies of an image. The copies are composed on the host, where an altered value is
 * exactly what was put there, and go through the box in batches that bound memory; nothing of a batch outlives it.
 */
import { noGrad } from '../autograd/index.ts';
import { NonFiniteError, ShapeError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { Module } from '../nn/index.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose, tidy, tidyUntilSettled } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { FloatArray } from './attribution.ts';
import { asLogits, checkBatchSize, checkImages, inEvaluation, newLike } from './evaluation.ts';

/**
 * Images [N, ...] (pixels in [0, 1]) to scores [N, K] or [N], in a tensor that the caller may dispose. The images are
 * disposed after the call. What an asynchronous box makes after its first `await` is its own to dispose.
 */
export type Predict = (batch: Tensor) => Tensor | Promise<Tensor>;

/** A model (in evaluation mode; its own mode is restored) as a black box; any other function as it is. */
export function blackBox(f: Module | Predict): Predict {
  return f instanceof Module ? x => inEvaluation(f, () => f.call(x)) : f;
}

/** One image on the host, and where copies of it are to be evaluated. */
export interface HostImage {
  /** Row-major. */
  readonly values: FloatArray;
  /** [1, ...] */
  readonly shape: readonly number[];
  readonly device: Tensor['device'];
}

/** Reads one image [1, ...]. */
export async function hostImage(image: Tensor): Promise<HostImage> {
  checkImages(image);
  if (image.shape[0] !== 1) {
    throw new ShapeError(`One image [1, ...] is explained at a time; this is ${formatShape(image.shape)}.`);
  }
  return { values: (await image.data()) as FloatArray, shape: image.shape, device: image.device };
}

export interface CopyOptions {
  readonly count: number;
  /** Most copies that go through the box at once. */
  readonly batchSize: number;
  /** Writes the values of one copy to `into[offset ...]`. */
  write(copy: number, into: FloatArray, offset: number): void;
  /** Receives the scores [rows, classes] of copies `start ...`. */
  take(scores: ArrayLike<number>, start: number, rows: number, classes: number): void;
}

/**
 * Scores of altered copies of one image, batch by batch.
 * @throws ShapeError when the box does not give one row of scores per image; NonFiniteError when a score is not finite
 */
export async function predictCopies(predict: Predict, image: HostImage, options: CopyOptions): Promise<void> {
  const { count, write, take } = options;
  const rows = Math.min(count, checkBatchSize(options.batchSize));
  const size = image.values.length;
  const buffer = newLike(image.values, rows * size);
  let classes: number | undefined;
  for (let start = 0; start < count; start += rows) {
    const some = Math.min(rows, count - start);
    for (let row = 0; row < some; row++) write(start + row, buffer, row * size);
    const batch = tensor(buffer.subarray(0, some * size), [some, ...image.shape.slice(1)], { device: image.device });
    let output: Tensor | undefined;
    try {
      // In an object, so that noGrad covers the synchronous part of an asynchronous box.
      const scored = await tidyUntilSettled(() => noGrad(() => ({ scores: predict(batch) })).scores);
      output = scored;
      const width = tidy(() => asLogits(scored, some).shape[1]);
      if (width !== (classes ??= width)) {
        throw new ShapeError(`What is explained gave ${classes} scores per image first and ${width} later.`);
      }
      const scores = await scored.data();
      const bad = scores.findIndex(score => !Number.isFinite(score));
      if (bad >= 0) {
        throw new NonFiniteError(
          `Score ${bad % width} of an altered image is ${scores[bad]}; a map of such scores cannot be made.`,
        );
      }
      take(scores, start, some, width);
    } finally {
      dispose(batch, output);
    }
  }
}
