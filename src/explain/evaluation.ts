/**
 * Running what is to be explained: models in evaluation mode, any function of tensors as it is, in batches that bound
 * memory, and gradients of each image's target logit. All device work of one batch is synchronous inside `tidy`, so an
 * explanation leaves no tensors, rules or modes behind, whatever else runs between batches.
 */
import {
  argMax,
  detach,
  equal,
  gradients,
  mul,
  noGrad,
  oneHot,
  type RuleSet,
  reshape,
  slice,
  watch,
  where,
} from '../autograd/index.ts';
import { NonFiniteError, ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { inEvaluation } from '../nn/evaluation-mode.ts';
import { Module } from '../nn/index.ts';
import { tensor, zerosLike } from '../tensor/creation.ts';
import { dispose, tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type Attribution,
  DEFAULT_BATCH,
  type Explainable,
  type Explained,
  type ExplainOptions,
  explainedImages,
  type FloatArray,
  readLogits,
  type Target,
  targetRows,
} from './attribution.ts';
import { inPieces } from './pieces.ts';

/** Logits [N, classes] of `f` at images [N, ...]. */
export function evaluate(f: Explainable, x: Tensor): Tensor {
  const y = f instanceof Module ? inEvaluation(f, () => f.call(x)) : f(x);
  return asLogits(y, x.shape[0]);
}

/** Checks that `y` holds one row of logits per image; a vector [N] becomes [N, 1]. */
export function asLogits(y: Tensor, images: number): Tensor {
  if (y.rank >= 1 && y.rank <= 2 && y.shape[0] === images) return y.rank === 2 ? y : reshape(y, [images, 1]);
  throw new ShapeError(
    `What is explained must give logits [N, classes]; for ${images} images it gave ${formatShape(y.shape)}.`,
  );
}

/** Ones at each image's target (the largest logit where none is given), zeros elsewhere: what a backward pass starts from. */
export function targetUpstream(logits: Tensor, targets: Int32Array | undefined): Tensor {
  const labels = targets ? tensor(targets, [targets.length], { device: logits.device }) : argMax(detach(logits), 1);
  return oneHot(labels, logits.shape[1]);
}

export interface LogitGradient {
  readonly logits: Tensor;
  /** Of each image's target logit with respect to the image; the shape of the images. */
  readonly gradient: Tensor;
}

/** Logits, and the gradient of each image's target logit with respect to it, under `rules` where there are any. */
export function inputGradient(
  f: Explainable,
  x: Tensor,
  targets: Int32Array | undefined,
  rules?: RuleSet,
): LogitGradient {
  return tidy(() => {
    const input = watch(detach(x));
    const logits = evaluate(f, input);
    // A function that does not depend on its input has no graph, and a gradient of zero.
    const gradient = logits.node
      ? gradients(logits, [input], { upstream: targetUpstream(logits, targets), rules })[0]
      : zerosLike(x);
    return { logits: detach(logits), gradient };
  });
}

/**
 * Differences times slopes, where a difference of 0 contributes 0 whatever the slope is there: a root or a logarithm is
 * infinitely steep at 0, which is where black pixels on a black baseline lie.
 */
export function shareOf(difference: Tensor, slope: Tensor): Tensor {
  return noGrad(() => where(equal(difference, 0), 0, mul(difference, slope)));
}

/** Throws NonFiniteError, naming the first image, unless all values of attributions [N, ...] are finite; `start`: the first's number. */
export function checkAttributions(values: ArrayLike<number>, images: number, what: string, start = 0): void {
  const size = values.length / images;
  for (let k = 0; k < values.length; k++) {
    if (Number.isFinite(values[k])) continue;
    throw new NonFiniteError(
      `${what}: value ${k % size} of image ${start + Math.floor(k / size)} is ${values[k]}; where the model is infinitely steep, or ` +
        'overflows, it has no such explanation.',
    );
  }
}

/** Images `start .. start + count`, in a tensor of its own. */
export function imageRows(x: Tensor, start: number, count: number): Tensor {
  if (start === 0 && count === x.shape[0]) return detach(x);
  return noGrad(() => slice(detach(x), [start, ...x.shape.slice(1).map(() => 0)], [count, ...x.shape.slice(1)]));
}

export function checkImages(x: Tensor, what = 'images'): void {
  if (x.rank < 1 || x.shape[0] < 1 || x.size === 0 || x.dtype !== 'float32') {
    throw new ShapeError(
      `The ${what} to explain must be float32 [N, ...]; these are ${x.dtype} ${formatShape(x.shape)}.`,
    );
  }
}

export function checkBatchSize(batchSize: number): number {
  if (Number.isInteger(batchSize) && batchSize >= 1) return batchSize;
  throw new UsageError(`batchSize must be a whole number of at least 1, not ${batchSize}.`);
}

/** What a method computes for one batch: logits [n, classes] and attributions [n, ...]. */
interface BatchResult {
  readonly logits: Tensor;
  readonly map: Tensor;
  /** A value to look at on the host; `check` may throw. */
  readonly inspect?: { readonly tensor: Tensor; check(values: ArrayLike<number>): void };
}

/**
 * Explains images batch by batch.
 * @throws NonFiniteError for a logit or an attribution that is not finite
 * @param work synchronous; gets some images and their targets (undefined: the predicted classes)
 */
export async function explainBatches(
  method: string,
  x: Tensor,
  { target, batchSize = DEFAULT_BATCH }: ExplainOptions,
  work: (images: Tensor, targets: Int32Array | undefined) => BatchResult,
): Promise<Attribution> {
  checkImages(x);
  const size = checkBatchSize(batchSize);
  const images = x.shape[0];
  const explained = explainedImages(images);
  let values: FloatArray | undefined;
  let shape: readonly number[] = [];
  await inPieces(x.device, images, size, async (start, count) => {
    const targets = targetRows(target, start, count, images);
    const { logits, map, inspect } = tidy(() => work(imageRows(x, start, count), targets));
    try {
      if (inspect) inspect.check(await inspect.tensor.data());
      readLogits(explained, start, await logits.data(), logits.shape[1], targets);
      const part = (await map.data()) as FloatArray;
      checkAttributions(part, count, method, start);
      const each = part.length / count;
      values ??= part.length === each * images ? part : newLike(part, each * images);
      if (values !== part) values.set(part, start * each);
      shape = [images, ...map.shape.slice(1)];
    } finally {
      dispose(logits, map, inspect?.tensor);
    }
  });
  return { method, values: values!, shape, ...explained };
}

/** An array of the same kind and another length. */
export function newLike(values: FloatArray, length: number): FloatArray {
  return values instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
}

/** What the model says about all images: the classes to explain and their logits. */
export async function explainedLogits(
  f: Explainable,
  x: Tensor,
  target: Target | undefined,
  batchSize: number,
): Promise<Explained> {
  const explained = explainedImages(x.shape[0]);
  await forwardBatches(f, x, batchSize, (logits, start, count, classes) => {
    readLogits(explained, start, logits, classes, targetRows(target, start, count, x.shape[0]));
  });
  return explained;
}

/** Logits of all images on the host, batch by batch, without gradients. */
export async function forwardBatches(
  f: Explainable,
  x: Tensor,
  batchSize: number,
  take: (logits: ArrayLike<number>, start: number, count: number, classes: number) => void,
): Promise<void> {
  checkImages(x);
  const size = checkBatchSize(batchSize);
  await inPieces(x.device, x.shape[0], size, async (start, count) => {
    const logits = tidy(() => noGrad(() => evaluate(f, imageRows(x, start, count))));
    try {
      take(await logits.data(), start, count, logits.shape[1]);
    } finally {
      logits.dispose();
    }
  });
}
