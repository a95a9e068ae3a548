/**
 * Gradients gathered along paths from a baseline to the image, so that the attributions add up to the difference of the
 * two logits: integrated gradients along one straight line (by quadrature), expected gradients along random points of the
 * lines to many background images (by sampling).
 */
import {
  abs,
  add,
  gather,
  less,
  mul,
  noGrad,
  type Rule,
  type RuleSet,
  reshape,
  sub,
  where,
} from '../autograd/index.ts';
import { NonFiniteError, ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape, sameShape, sizeOf } from '../devices/shape.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { full, tensor } from '../tensor/creation.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type CompleteAttribution,
  completeness,
  DEFAULT_BATCH,
  type Explainable,
  type ExplainOptions,
  type FloatArray,
  targetRows,
} from './attribution.ts';
import {
  checkAttributions,
  checkBatchSize,
  checkImages,
  explainedLogits,
  forwardBatches,
  imageRows,
  inputGradient,
  newLike,
  shareOf,
} from './evaluation.ts';
import { RunningMoments } from './gradients.ts';
import { keysOf } from './image-keys.ts';
import { addSamples, inPairPieces } from './pieces.ts';
import { gaussLegendre } from './quadrature.ts';

/** Slopes beyond are taken for infinite; below the largest float32, so that no compiler decides it. */
const LARGEST_SLOPE = 3e38;

/** An infinite slope of a function whose value is finite, or what became of it on the way back, counts as 0. */
const finiteSlope: Rule = (context, { gradient }) =>
  gradient(context).map(slope => slope && where(less(abs(slope), LARGEST_SLOPE), slope, 0));

/**
 * Along a path, a root of something that stays 0 gains nothing, however steep it is there. Where a path only starts from 0, no
 * point of the quadrature lies at its very end.
 */
const finiteSlopes: RuleSet = {
  rules: { sqrt: finiteSlope, pow: finiteSlope },
  // Every other operation as it is, fused ones included.
  otherwise: (context, { gradient }) => gradient(context),
};

export interface IntegratedGradientsOptions extends ExplainOptions {
  /** Where the line starts: a value for every pixel, one image [1, ...], or one per image. Default 0: black. */
  readonly baseline?: number | Tensor;
  /** Points of the quadrature. Default 50. */
  readonly steps?: number;
}

/**
 * (x - x') times the mean gradient on the line from the baseline x' to x, by Gauss-Legendre quadrature. The residual says
 * how far the attributions are from adding up to f(x) - f(x'); it shrinks with `steps`. A value that equals the baseline gets
 * exactly 0, however steep the model is there.
 *
 * M. Sundararajan, A. Taly, Q. Yan: Axiomatic attribution for deep networks. ICML 2017.
 *
 * @throws UsageError for a baseline that is not finite; ShapeError for one that does not fit; NonFiniteError for a gradient that is
 *   not finite where it counts
 */
export async function integratedGradients(
  f: Explainable,
  x: Tensor,
  options: IntegratedGradientsOptions = {},
): Promise<CompleteAttribution> {
  const { baseline = 0, steps = 50, target, batchSize = DEFAULT_BATCH } = options;
  checkImages(x);
  const bound = checkBatchSize(batchSize);
  const { nodes, weights } = gaussLegendre(steps);
  const images = x.shape[0];
  const image = x.shape.slice(1);
  const size = sizeOf(image);
  await checkBaseline(baseline);
  const start = typeof baseline === 'number' ? full([1, ...image], baseline, { device: x.device }) : baseline;
  try {
    if (!sameShape(start.shape, x.shape) && !sameShape(start.shape, [1, ...image])) {
      throw new ShapeError(
        `A baseline ${formatShape(start.shape)} does not fit images ${formatShape(x.shape)}; give one, or one per image.`,
      );
    }
    const isShared = start.shape[0] === 1;
    const explained = await explainedLogits(f, x, target, bound);
    const atBaseline = isShared
      ? await baselineLogits(f, start, explained.target, bound)
      : (await explainedLogits(f, start, explained.target, bound)).prediction;
    const sums = new Float64Array(images * size);
    let kind: FloatArray = new Float64Array(0);
    await inPairPieces(x.device, images, steps, bound, async chunk => {
      const count = chunk.to - chunk.from;
      const part = tidy(() => {
        const { device } = x;
        const column = (values: Float64Array) =>
          tensor(values.subarray(chunk.from, chunk.to), [1, count, 1], { device });
        const [end, begin] = noGrad(() => [
          reshape(imageRows(x, chunk.start, chunk.count), [chunk.count, 1, size]),
          reshape(isShared ? imageRows(start, 0, 1) : imageRows(start, chunk.start, chunk.count), [-1, 1, size]),
        ]);
        const difference = noGrad(() => sub(end, begin));
        const points = noGrad(() =>
          reshape(add(begin, mul(column(nodes), difference)), [chunk.count * count, ...image]),
        );
        const targets = repeatEach(explained.target.subarray(chunk.start, chunk.start + chunk.count), count);
        const { gradient } = inputGradient(f, points, targets, finiteSlopes);
        return noGrad(() => shareOf(difference, mul(reshape(gradient, [chunk.count, count, size]), column(weights))));
      });
      const values = (await part.data()) as FloatArray;
      part.dispose();
      kind = values;
      addSamples(sums, values, size, chunk);
    });
    const values = newLike(kind, sums.length);
    values.set(sums);
    checkAttributions(values, images, 'integrated-gradients');
    return {
      method: 'integrated-gradients',
      values,
      shape: x.shape,
      ...explained,
      ...completeness(sums, explained.prediction, atBaseline),
    };
  } finally {
    if (start !== baseline) start.dispose();
  }
}

/** Throws UsageError for a baseline that holds something that is no finite number. */
async function checkBaseline(baseline: number | Tensor): Promise<void> {
  if (typeof baseline === 'number') {
    if (!Number.isFinite(baseline)) throw new UsageError(`A baseline must be a finite number, not ${baseline}.`);
    return;
  }
  checkImages(baseline, 'baseline images');
  const values = await baseline.data();
  const bad = values.findIndex(value => !Number.isFinite(value));
  if (bad < 0) return;
  const size = values.length / baseline.shape[0];
  throw new UsageError(`Value ${bad % size} of baseline image ${Math.floor(bad / size)} is ${values[bad]}.`);
}

/** The logits of one shared baseline image, for the class each image is explained for. */
async function baselineLogits(
  f: Explainable,
  baseline: Tensor,
  targets: Int32Array,
  bound: number,
): Promise<Float64Array> {
  let logits: ArrayLike<number> = [];
  await forwardBatches(f, baseline, bound, values => {
    logits = values;
  });
  return Float64Array.from(targets, target => {
    if (Number.isFinite(logits[target])) return logits[target];
    throw new NonFiniteError(`The model's output for the baseline is ${logits[target]}; nothing can count from it.`);
  });
}

/** Each element `times` times in a row. */
export function repeatEach(values: Int32Array, times: number): Int32Array {
  return Int32Array.from({ length: values.length * times }, (_, i) => values[Math.floor(i / times)]);
}

/**
 * For each image, the mean over the background of its target's logit.
 * @param background images [B, ...]
 * @throws NonFiniteError for a logit of the background that is not finite
 */
export async function expectedLogits(
  f: Explainable,
  background: Tensor,
  targets: Int32Array,
  bound: number,
): Promise<Float64Array> {
  let means = new Float64Array(0);
  await forwardBatches(f, background, bound, (logits, start, _count, classes) => {
    if (means.length === 0) means = new Float64Array(classes);
    for (let i = 0; i < logits.length; i++) {
      if (!Number.isFinite(logits[i])) {
        const image = start + Math.floor(i / classes);
        throw new NonFiniteError(
          `The model's output for background image ${image} is ${logits[i]}; nothing can count from it.`,
        );
      }
      means[i % classes] += logits[i] / background.shape[0];
    }
  });
  return Float64Array.from(targets, target => means[target]);
}

/** Throws ShapeError unless the background holds images like those of `x`, on the same device. */
export function checkBackground(background: Tensor, x: Tensor): void {
  checkImages(background, 'background images');
  if (!sameShape(background.shape.slice(1), x.shape.slice(1))) {
    throw new ShapeError(
      `Background images ${formatShape(background.shape)} and images ${formatShape(x.shape)} differ in size.`,
    );
  }
  if (background.device !== x.device) throw new ShapeError('Background and images are on different devices.');
}

export interface ExpectedGradientsOptions extends ExplainOptions {
  /** Images [B, ...] that stand for "nothing in particular"; the attributions count from their mean logit. */
  readonly background: Tensor;
  /** Random points per image. Default 200. */
  readonly samples?: number;
  readonly seed?: number;
}

export interface ExpectedGradientsAttribution extends CompleteAttribution {
  /** Standard error of each value: sd / sqrt(samples). */
  readonly standardError: Float64Array;
}

/**
 * The expectation of (x - b) grad f(b + t (x - b)) over background images b and t uniform in [0, 1], estimated from random
 * points. The points depend on the seed and the image alone, so every class is explained with the same ones, wherever the image
 * stands in the batch. A value that equals a background image's contributes exactly 0 there.
 *
 * G. Erion, J. D. Janizek, P. Sturmfels, S. M. Lundberg, S.-I. Lee: Improving performance of deep learning models with
 * axiomatic attribution priors and expected gradients. Nature Machine Intelligence 3, 2021. (shap: GradientExplainer.)
 */
export async function expectedGradients(
  f: Explainable,
  x: Tensor,
  options: ExpectedGradientsOptions,
): Promise<ExpectedGradientsAttribution> {
  const { background, samples = 200, seed = 0, target, batchSize = DEFAULT_BATCH } = options;
  checkImages(x);
  checkBackground(background, x);
  if (!Number.isInteger(samples) || samples < 2) {
    throw new UsageError(`Expected gradients need at least 2 samples for their standard error, not ${samples}.`);
  }
  const bound = checkBatchSize(batchSize);
  const [images, ...image] = x.shape;
  const size = sizeOf(image);
  const explained = await explainedLogits(f, x, target, bound);
  const expected = await expectedLogits(f, background, explained.target, bound);
  const keys = keysOf(options.keys, (await x.data()) as FloatArray, images);
  const points = Array.from(keys, key => randomPoints(seed, key, samples, background.shape[0]));
  const moments = points.map(() => new RunningMoments(size));
  let kind: FloatArray = new Float64Array(0);
  await inPairPieces(x.device, images, samples, bound, async ({ start, count, from, to }) => {
    const each = to - from;
    const part = tidy(() => {
      const { device } = x;
      const chosen = points.slice(start, start + count);
      const which = Int32Array.from(chosen.flatMap(({ indices }) => Array.from(indices.subarray(from, to))));
      const where = Float64Array.from(chosen.flatMap(({ positions }) => Array.from(positions.subarray(from, to))));
      const [difference, inner] = noGrad(() => {
        const drawn = gather(reshape(background, [-1, size]), tensor(which, [count, each], { device }));
        const difference = sub(reshape(imageRows(x, start, count), [count, 1, size]), drawn);
        const inner = add(drawn, mul(tensor(where, [count, each, 1], { device }), difference));
        return [difference, reshape(inner, [count * each, ...image])];
      });
      const targets = repeatEach(targetRows(explained.target, start, count, images)!, each);
      const { gradient } = inputGradient(f, inner, targets, finiteSlopes);
      return shareOf(
        difference,
        noGrad(() => reshape(gradient, [count, each, size])),
      );
    });
    const values = (await part.data()) as FloatArray;
    part.dispose();
    kind = values;
    for (let i = 0; i < count * each; i++) moments[start + Math.floor(i / each)].add(values, i * size);
  });
  const values = newLike(kind, images * size);
  const standardError = new Float64Array(images * size);
  moments.forEach((of, i) => {
    const summary = of.summary();
    values.set(summary.mean, i * size);
    standardError.set(summary.standardError, i * size);
  });
  checkAttributions(values, images, 'expected-gradients');
  return {
    method: 'expected-gradients',
    values,
    shape: x.shape,
    standardError,
    ...explained,
    ...completeness(values, explained.prediction, expected),
  };
}

/** The same method under the name that shap gave it. */
export const gradientShap = expectedGradients;

/** Which background images one image is paired with, and where on the line between them. */
function randomPoints(
  seed: number,
  key: number,
  samples: number,
  backgrounds: number,
): { indices: Int32Array; positions: Float64Array } {
  const random = new PhiloxStream(seed, streamNamed('expected-gradients'), key);
  const indices = new Int32Array(samples);
  const positions = new Float64Array(samples);
  for (let sample = 0; sample < samples; sample++) {
    indices[sample] = random.below(backgrounds);
    positions[sample] = random.uniform();
  }
  return { indices, positions };
}
