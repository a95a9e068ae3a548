/**
 * Class activation maps: the activations A of an inner layer, weighted by what the logit of a class makes of them. All of
 * them are L = sum_k w_k A_k; they differ in the weights, which may depend on the position (LayerCAM, HiResCAM). Results
 * are raw and signed [N, h, w], at the layer's own resolution; `maps.ts` turns them into pictures.
 */
import {
  affine,
  div,
  equal,
  max,
  mean,
  min,
  mul,
  noGrad,
  relu,
  reshape,
  softmax,
  sub,
  sum,
  transpose,
  where,
} from '../autograd/index.ts';
import { runKernel } from '../autograd/op.ts';
import { NonFiniteError, UsageError } from '../devices/errors.ts';
import { resizeBilinear } from '../kernels/image/index.ts';
import { Module } from '../nn/index.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose, tidy } from '../tensor/lifetime.ts';
import { Tensor } from '../tensor/tensor.ts';
import {
  type Attribution,
  DEFAULT_BATCH,
  type ExplainOptions,
  explainedImages,
  type FloatArray,
  readLogits,
  targetRows,
} from './attribution.ts';
import {
  checkAttributions,
  checkBatchSize,
  checkImages,
  evaluate,
  explainBatches,
  imageRows,
  newLike,
} from './evaluation.ts';
import { innerActivations, innerGradient, layerOf, type Traceable } from './inner-layer.ts';
import { inPieces } from './pieces.ts';
import { firstPrincipalScores } from './principal-component.ts';

export interface CamOptions extends ExplainOptions {
  /** Path of a module, e.g. `stage2.block0.conv1`. Default: the last convolutional stage's output. */
  readonly layer?: string;
}

/** Of methods that are defined for layers behind a relu. */
export interface ReluCamOptions extends CamOptions {
  /**
   * Take the formula as it stands at a layer with negative activations too, e.g. at a convolution before its relu. Its sums of
   * activations may cancel there, so that weights turn round or grow without bound. Default false: such a layer is refused.
   */
  readonly allowNegative?: boolean;
}

export interface CamAttribution extends Attribution {
  /** The layer explained. */
  readonly layer: string;
}

/** Weights [N, 1 or h, 1 or w, K] from activations and gradient [N, h, w, K]. */
type Weighting = (a: Tensor, g: Tensor) => Tensor;

const PIXELS = [1, 2];

interface WeightedCam {
  readonly method: string;
  readonly weights: Weighting;
  /** Defined for layers behind a relu only. */
  readonly needsRelu?: boolean;
}

/** A map per image by weights from one backward pass. */
function weightedCam({ method, weights, needsRelu = false }: WeightedCam) {
  return async (f: Traceable, x: Tensor, options: ReluCamOptions = {}): Promise<CamAttribution> => {
    checkImages(x);
    const layer = layerOf(f, x, options.layer);
    const refusesNegative = needsRelu && !options.allowNegative;
    const check = (values: ArrayLike<number>): void => {
      const least = values[0];
      if (least >= 0) return;
      throw new UsageError(
        `${method} is defined for layers behind a relu; "${layer}" has activations down to ${least.toPrecision(3)}. Choose another ` +
          'layer, or pass { allowNegative: true } to take the formula as it stands.',
      );
    };
    const attribution = await explainBatches(method, x, options, (images, targets) => {
      const { logits, activations, gradient } = innerGradient(f, images, layer, targets);
      return noGrad(() => ({
        logits,
        map: sum(mul(weights(activations, gradient), activations), 3),
        inspect: refusesNegative ? { tensor: min(activations), check } : undefined,
      }));
    });
    return { ...attribution, layer };
  };
}

/**
 * Weights are the mean gradients of each channel.
 *
 * R. R. Selvaraju et al.: Grad-CAM. ICCV 2017.
 *
 * @param x images [N, H, W, C]
 * @returns raw maps [N, h, w] of the layer's size
 */
export const gradCam = weightedCam({ method: 'grad-cam', weights: (_, g) => mean(g, PIXELS, true) });

/**
 * Positive gradients, weighted by alpha = 1 / (2 + g sum(A)): the usual quotient without its epsilon, which changes the
 * weights of trained networks by a tenth.
 *
 * A. Chattopadhyay, A. Sarkar, P. Howlader, V. N. Balasubramanian: Grad-CAM++. WACV 2018.
 */
export const gradCamPlusPlus = weightedCam({
  method: 'grad-cam++',
  weights(a, g) {
    const positive = relu(g);
    return sum(div(positive, affine(mul(sum(a, PIXELS, true), positive), 1, 2)), PIXELS, true);
  },
  needsRelu: true,
});

/** Weights are the positive gradients of each position (P.-T. Jiang et al.: LayerCAM. IEEE TIP 30, 2021). */
export const layerCam = weightedCam({ method: 'layer-cam', weights: (_, g) => relu(g) });

/** Weights are the gradients of each position (R. L. Draelos, L. Carin: HiResCAM. arXiv:2011.08891). */
export const hiResCam = weightedCam({ method: 'hires-cam', weights: (_, g) => g });

/**
 * Weights are the mean gradients, each position counting by its share of the activation (R. Fu et al.: BMVC 2020); 0 for a
 * channel without activation. No epsilon stands under the quotient: it would count for more the smaller the unit is.
 */
export const xGradCam = weightedCam({
  method: 'xgrad-cam',
  weights(a, g) {
    const together = sum(mul(g, a), PIXELS, true);
    return where(equal(together, 0), 0, div(together, sum(a, PIXELS, true)));
  },
  needsRelu: true,
});

/** What Score-CAM asks of any function: its logits, and one layer's activations. */
const logitsOf = (f: Traceable, x: Tensor): Tensor =>
  evaluate(f instanceof Module ? f : images => f.head(f.features(images)), x);

/**
 * Weights are the softmax, over channels, of the target's logit for the image seen through each channel's activation,
 * enlarged to the image (corners aligned) and scaled to [0, 1] (a flat one to 0). One forward pass per channel.
 *
 * H. Wang et al.: Score-CAM. CVPR workshops 2020.
 */
export async function scoreCam(f: Traceable, x: Tensor, options: CamOptions = {}): Promise<CamAttribution> {
  const { target, batchSize = DEFAULT_BATCH } = options;
  checkImages(x);
  const bound = checkBatchSize(batchSize);
  const layer = layerOf(f, x, options.layer);
  const images = x.shape[0];
  const explained = explainedImages(images);
  const maps: FloatArray[] = [];
  let shape: readonly number[] = [];
  for (let image = 0; image < images; image++) {
    const { logits, activations } = tidy(() => innerActivations(f, imageRows(x, image, 1), layer));
    try {
      const classes = logits.shape[1];
      readLogits(explained, image, await logits.data(), classes, targetRows(target, image, 1, images));
      const channels = activations.shape[3];
      const scores = new Float64Array(channels);
      await inPieces(x.device, channels, bound, async (first, count) => {
        const seen = tidy(() =>
          noGrad(() => logitsOf(f, maskedImages(imageRows(x, image, 1), activations, first, count))),
        );
        const values = await seen.data();
        seen.dispose();
        for (let k = 0; k < count; k++) scores[first + k] = values[k * classes + explained.target[image]];
      });
      const bad = scores.findIndex(score => !Number.isFinite(score));
      if (bad >= 0)
        throw new NonFiniteError(`score-cam: the logit of image ${image} through channel ${bad} is ${scores[bad]}.`);
      const map = tidy(() =>
        noGrad(() => sum(mul(softmax(tensor(scores, [channels], { device: x.device })), activations), 3)),
      );
      const values = (await map.data()) as FloatArray;
      checkAttributions(values, 1, 'score-cam', image);
      maps.push(values);
      shape = [images, ...map.shape.slice(1)];
      map.dispose();
    } finally {
      dispose(logits, activations);
    }
  }
  return { method: 'score-cam', values: joined(maps), shape, layer, ...explained };
}

/** The image [1, H, W, C] through the masks of channels `first ...`: [count, H, W, C]. */
function maskedImages(image: Tensor, activations: Tensor, first: number, count: number): Tensor {
  const [, h, w, channels] = activations.shape;
  const [, height, width] = image.shape;
  const byChannel = reshape(transpose(activations, [3, 1, 2, 0]), [channels, h, w, 1]);
  const params = { size: [height, width] as const, alignCorners: true };
  const [{ storage, shape }] = runKernel(resizeBilinear, [imageRows(byChannel, first, count)], params);
  const large = new Tensor(storage, shape);
  const least = min(large, [1, 2, 3], true);
  const above = sub(large, least);
  const mask = where(equal(above, 0), 0, div(above, sub(max(large, [1, 2, 3], true), least)));
  return mul(image, mask);
}

/**
 * The positions' scores on the first principal component of the activations, centred over positions; the sign makes it
 * correlate positively with the sum of the channels. Looks at no class.
 *
 * M. B. Muhammad, M. Yeasin: Eigen-CAM. IJCNN 2020.
 */
export async function eigenCam(f: Traceable, x: Tensor, options: CamOptions = {}): Promise<CamAttribution> {
  checkImages(x);
  const layer = layerOf(f, x, options.layer);
  const inner = await explainBatches('eigen-cam', x, options, images => {
    const { logits, activations } = innerActivations(f, images, layer);
    return { logits, map: activations };
  });
  const [images, h, w, channels] = inner.shape;
  const values = newLike(inner.values, images * h * w);
  for (let i = 0; i < images; i++) {
    const one = inner.values.subarray(i * h * w * channels, (i + 1) * h * w * channels);
    values.set(firstPrincipalScores(one, h * w, channels), i * h * w);
  }
  return { ...inner, values, shape: [images, h, w], layer };
}

function joined(parts: readonly FloatArray[]): FloatArray {
  const out = newLike(
    parts[0],
    parts.reduce((length, part) => length + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
