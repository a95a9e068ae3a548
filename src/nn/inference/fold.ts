/**
 * Batch norm in evaluation mode is one factor and one shift per channel, so it can be part of the layer before it:
 *
 *     gamma (x W + b - mean) / sqrt(variance + epsilon) + beta = x (W s) + (b - mean) s + beta,
 *     s = gamma / sqrt(variance + epsilon).
 *
 * Zeros around an image stay zeros, since the convolution comes first. The products are taken in float64 on the host and
 * rounded once. README.md bounds the difference.
 */
import type { TypedArray } from '../../devices/dtype.ts';

/** What one batch norm normalises by, [channels] each. */
export interface NormValues {
  readonly gamma: TypedArray;
  readonly beta: TypedArray;
  readonly runningMean: TypedArray;
  readonly runningVariance: TypedArray;
  readonly epsilon: number;
}

export interface FoldedValues {
  /** In the order of the unfolded ones. */
  readonly weight: Float64Array;
  readonly bias: Float64Array;
}

/**
 * Weights and bias of a layer that does what the layer and the batch norm behind it do.
 * @param weight [..., channels]: output channels last, as convolutions and linear layers have them
 * @param bias [channels]; undefined: none
 */
export function foldNorm(weight: TypedArray, bias: TypedArray | undefined, norm: NormValues): FoldedValues {
  const { gamma, beta, runningMean, runningVariance, epsilon } = norm;
  const channels = gamma.length;
  const factors = new Float64Array(channels);
  const folded: FoldedValues = { weight: new Float64Array(weight.length), bias: new Float64Array(channels) };
  for (let c = 0; c < channels; c++) {
    factors[c] = gamma[c] / Math.sqrt(runningVariance[c] + epsilon);
    folded.bias[c] = ((bias ? bias[c] : 0) - runningMean[c]) * factors[c] + beta[c];
  }
  for (let i = 0; i < weight.length; i++) folded.weight[i] = weight[i] * factors[i % channels];
  return folded;
}
