/**
 * Explanations by one backward pass to the pixels: saliency, input times gradient, guided backpropagation; and the mean of
 * any method over noisy copies of the image (SmoothGrad).
 */
import { abs, noGrad, type RuleSet, relu } from '../autograd/index.ts';
import { UsageError } from '../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { tensor } from '../tensor/creation.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  type Attribution,
  DEFAULT_BATCH,
  type Explainable,
  type ExplainOptions,
  type FloatArray,
} from './attribution.ts';
import { checkImages, explainBatches, explainedLogits, inputGradient, shareOf } from './evaluation.ts';
import { keysOf } from './image-keys.ts';

export interface SaliencyOptions extends ExplainOptions {
  /** The gradient itself instead of its magnitude. Default false. */
  readonly signed?: boolean;
}

/**
 * |dy_c / dx|: how much the logit of class c reacts to each value of the image.
 *
 * K. Simonyan, A. Vedaldi, A. Zisserman: Deep inside convolutional networks. ICLR workshop 2014.
 *
 * @param x images [N, ...]
 * @returns attributions of the shape of x
 */
export function saliency(f: Explainable, x: Tensor, options: SaliencyOptions = {}): Promise<Attribution> {
  return explainBatches('saliency', x, options, (images, targets) => {
    const { logits, gradient } = inputGradient(f, images, targets);
    return { logits, map: options.signed ? gradient : noGrad(() => abs(gradient)) };
  });
}

/**
 * x * dy_c / dx: each value's share of the logit, were the model linear. A value of 0 has no share, however steep the logit is
 * there.
 */
export function inputXGradient(f: Explainable, x: Tensor, options: ExplainOptions = {}): Promise<Attribution> {
  return explainBatches('input-x-gradient', x, options, (images, targets) => {
    const { logits, gradient } = inputGradient(f, images, targets);
    return { logits, map: shareOf(images, gradient) };
  });
}

/** At every relu, whichever module or function ran it, only what is positive passes: g_in = g_out [x > 0] [g_out > 0]. */
export const guidedRules: RuleSet = {
  rules: {
    relu: (context, { gradient }) => gradient(context).map(passed => passed && relu(passed)),
    fusedConv2d: (context, { gradient }) => (context.params.activation === 'none' ? gradient(context) : undefined),
    fusedMatmul: (context, { gradient }) => (context.params.activation === 'none' ? gradient(context) : undefined),
    batchNormEval: (context, { gradient }) => (context.params.activation === 'none' ? gradient(context) : undefined),
  },
};

/**
 * The gradient with every relu's rule replaced, so that only positive paths reach the pixels. Sharp, but hardly dependent
 * on the class or on the upper layers (Adebayo et al., 2018): look at it together with a faithful method.
 *
 * J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller: Striving for simplicity. ICLR workshop 2015.
 */
export function guidedBackprop(f: Explainable, x: Tensor, options: ExplainOptions = {}): Promise<Attribution> {
  return explainBatches('guided-backprop', x, options, (images, targets) => {
    const { logits, gradient } = inputGradient(f, images, targets, guidedRules);
    return { logits, map: gradient };
  });
}

/** Any method: images to attributions. The methods of this module fit. */
export type Method = (f: Explainable, x: Tensor, options: ExplainOptions) => Promise<Attribution>;

export interface SmoothGradOptions extends ExplainOptions {
  /** What is averaged. Default: the signed gradient. */
  readonly method?: Method;
  /** Noisy copies. Default 50. */
  readonly samples?: number;
  /** Standard deviation of the noise, in units of the image. Default 0.15. */
  readonly noise?: number;
  readonly seed?: number;
}

/** The mean of a method over noisy copies of the images, and its standard error. */
export interface SmoothedAttribution extends Attribution {
  readonly standardError: Float64Array;
}

/**
 * Averages a method over images with Gaussian noise. The class explained is that of the clean image; the noise follows from the
 * seed and the image alone, wherever it stands in the batch.
 *
 * D. Smilkov, N. Thorat, B. Kim, F. Viégas, M. Wattenberg: SmoothGrad. arXiv:1706.03825.
 */
export async function smoothGrad(
  f: Explainable,
  x: Tensor,
  options: SmoothGradOptions = {},
): Promise<SmoothedAttribution> {
  const { samples = 50, noise = 0.15, seed = 0, target, batchSize = DEFAULT_BATCH } = options;
  const method = options.method ?? ((g, images, rest) => saliency(g, images, { ...rest, signed: true }));
  if (!Number.isInteger(samples) || samples < 1)
    throw new UsageError(`SmoothGrad needs a whole number of at least 1 sample, not ${samples}.`);
  if (!(noise >= 0 && Number.isFinite(noise)))
    throw new UsageError(`The noise of SmoothGrad must be a finite standard deviation of at least 0, not ${noise}.`);
  checkImages(x);
  const explained = await explainedLogits(f, x, target, batchSize);
  const clean = (await x.data()) as FloatArray;
  const size = clean.length / x.shape[0];
  const stream = streamNamed('smooth-grad');
  // Each image goes on in a sequence of its own from copy to copy.
  const noises = Array.from(keysOf(options.keys, clean, x.shape[0]), key => new PhiloxStream(seed, stream, key));
  let moments: RunningMoments | undefined;
  let name = '';
  let shape: readonly number[] = x.shape;
  for (let sample = 0; sample < samples; sample++) {
    const noisy = tensor(
      Float64Array.from(clean, (value, k) => value + noise * noises[Math.floor(k / size)].normal()),
      x.shape,
      {
        device: x.device,
      },
    );
    try {
      const one = await method(f, noisy, { target: explained.target, batchSize });
      moments ??= new RunningMoments(one.values.length);
      moments.add(one.values);
      ({ method: name, shape } = one);
    } finally {
      noisy.dispose();
    }
  }
  const { mean, standardError } = moments!.summary();
  return { method: `smooth-grad of ${name}`, values: mean, shape, standardError, ...explained };
}

/** Mean and standard error of arrays that come one after another (Welford's recurrence, in float64). */
export class RunningMoments {
  readonly #mean: Float64Array;
  readonly #squares: Float64Array;
  #count = 0;

  constructor(length: number) {
    this.#mean = new Float64Array(length);
    this.#squares = new Float64Array(length);
  }

  /** Takes `values[offset ...]` in. */
  add(values: FloatArray, offset = 0): void {
    this.#count++;
    for (let i = 0; i < this.#mean.length; i++) {
      const value = values[offset + i];
      const distance = value - this.#mean[i];
      this.#mean[i] += distance / this.#count;
      this.#squares[i] += distance * (value - this.#mean[i]);
    }
  }

  /** Mean, and sd / sqrt(n) with the unbiased sd (NaN for a single array). */
  summary(): { mean: Float64Array; standardError: Float64Array } {
    const n = this.#count;
    return { mean: this.#mean, standardError: this.#squares.map(squares => Math.sqrt(squares / (n - 1) / n)) };
  }
}
