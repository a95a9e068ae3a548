/**
 * A black box asked about many altered copies of an image. The copies are composed on the host, where an altered value is
 * exactly what was put there, and go through the box in batches that bound memory; nothing of a batch outlives it.
 */
import { beginWithConvolution } from '../autograd/convolution.ts';
import { noGrad } from '../autograd/index.ts';
import { NonFiniteError, ShapeError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { inEvaluation } from '../nn/evaluation-mode.ts';
import { Module } from '../nn/index.ts';
import { FoldedNetwork } from '../nn/inference/network.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose, tidy, tidyUntilSettled } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { FloatArray } from './attribution.ts';
import { asLogits, checkBatchSize, checkImages, newLike } from './evaluation.ts';
import { inPieces } from './pieces.ts';

/**
 * Images [N, ...] (pixels in [0, 1]) to scores [N, K] or [N], in a tensor that the caller may dispose. The images are
 * disposed after the call. What an asynchronous box makes after its first `await` is its own to dispose.
 */
export type Predict = (batch: Tensor) => Tensor | Promise<Tensor>;

/** What is asked: a model (its logits, in evaluation mode; its own mode is restored), or any other function as it is. */
export type BlackBox = Module | Predict;

/** A model without any preparation, its own mode restored after each call; any other function as it is. */
function asItIs(f: BlackBox): Predict {
  return f instanceof Module ? x => inEvaluation(f, () => f.call(x)) : f;
}

interface OpenedBox {
  readonly predict: Predict;
  close(): void;
}

/**
 * Makes a box ready for many batches. A model's batch norms are folded into the layers before them (see `nn/inference`); one
 * that is trained meanwhile is asked as it is from then on.
 */
async function openBox(f: BlackBox): Promise<OpenedBox> {
  const plain = asItIs(f);
  if (!(f instanceof Module) || !FoldedNetwork.isPossible(f)) return { predict: plain, close() {} };
  const network = await FoldedNetwork.of(f, 'explain');
  return { predict: x => (network.isCurrent ? network.call(x) : plain(x)), close: () => network.dispose() };
}

/**
 * A black box for questions about what a part of an image changes: convolutions are direct, so that covering it changes
 * nothing of what does not see it. Of a function with its own awaits this holds up to the first.
 */
export function localBlackBox(f: BlackBox): Predict {
  const predict = asItIs(f);
  return x => beginWithConvolution('direct', () => predict(x));
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
export async function predictCopies(box: BlackBox, image: HostImage, options: CopyOptions): Promise<void> {
  const { count, write, take } = options;
  const rows = Math.min(count, checkBatchSize(options.batchSize));
  const size = image.values.length;
  const buffer = newLike(image.values, rows * size);
  let classes: number | undefined;
  const { predict, close } = await openBox(box);
  try {
    await inPieces(image.device, count, rows, async (start, some) => {
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
    });
  } finally {
    close();
  }
}
