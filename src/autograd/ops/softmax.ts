/** Softmax over the last axis and the cross-entropy losses built on it. */
import { ShapeError } from '../../devices/errors.ts';
import {
  type CrossEntropyParams,
  crossEntropyGradient as crossEntropyGradientKernel,
  crossEntropy as crossEntropyKernel,
  logSoftmaxGradient as logSoftmaxGradientKernel,
  logSoftmax as logSoftmaxKernel,
  crossEntropySoftGradient as softGradientKernel,
  crossEntropySoft as softKernel,
  softmaxGradient as softmaxGradientKernel,
  softmax as softmaxKernel,
} from '../../kernels/softmax/index.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op, runKernel } from '../op.ts';
import { sum } from './broadcast.ts';
import { affine, exp, mul, neg, sub } from './elementwise.ts';
import { oneHot, reshape } from './layout.ts';
import { mean } from './reduce.ts';

const fused = (outputs: ReturnType<typeof runKernel>): Tensor => new Tensor(outputs[0].storage, outputs[0].shape);

const softmaxOp = kernelOp(softmaxKernel, {
  gradient: ({ outputs: [y], upstream, recorded }) => [
    recorded
      ? mul(y, sub(upstream, sum(mul(y, upstream), -1, true)))
      : fused(runKernel(softmaxGradientKernel, [y, upstream], {})),
  ],
});

const logSoftmaxOp = kernelOp(logSoftmaxKernel, {
  gradient: ({ outputs: [y], upstream, recorded }) => [
    recorded
      ? sub(upstream, mul(exp(y), sum(upstream, -1, true)))
      : fused(runKernel(logSoftmaxGradientKernel, [y, upstream], {})),
  ],
});

/** e^x normalised to sum to 1 along the last axis. */
export const softmax = (x: Tensor): Tensor => apply(softmaxOp, [x], {});
/** Logarithm of softmax, computed without leaving the range of floats. */
export const logSoftmax = (x: Tensor): Tensor => apply(logSoftmaxOp, [x], {});

const crossEntropyOp: Op<CrossEntropyParams> = kernelOp(crossEntropyKernel, {
  gradient: ({ inputs: [logits, labels], params, upstream }) => [
    fused(runKernel(crossEntropyGradientKernel, [logits, labels, upstream], params)),
    undefined,
  ],
  decompose([logits, labels], { smoothing }) {
    const classes = logits.shape[1];
    const targets = oneHot(labels, classes, 1 - smoothing + smoothing / classes, smoothing / classes);
    return neg(sum(mul(targets, logSoftmax(logits)), 1));
  },
});

const crossEntropySoftOp = kernelOp(softKernel, {
  gradient: ({ inputs: [logits, targets], upstream, needs }) => [
    needs[0] ? fused(runKernel(softGradientKernel, [logits, targets, upstream], {})) : undefined,
    needs[1] ? neg(mul(logSoftmax(logits), reshape(upstream, [-1, 1]))) : undefined,
  ],
  decompose: ([logits, targets]) => neg(sum(mul(targets, logSoftmax(logits)), 1)),
});

export interface CrossEntropyOptions {
  /** Share of the target spread evenly over all classes. Default 0. */
  readonly smoothing?: number;
  /** Default `mean`. */
  readonly reduction?: 'mean' | 'sum' | 'none';
}

/**
 * Cross-entropy of logits [N, C] with int32 labels [N], or with target probabilities [N, C].
 * A label outside 0..C-1 makes the loss NaN.
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { smoothing = 0, reduction = 'mean' } = options;
  if (logits.rank !== 2) throw new ShapeError(`crossEntropy: logits must be [N, C], not of rank ${logits.rank}.`);
  const losses =
    targets.dtype === 'int32'
      ? apply(crossEntropyOp, [logits, targets], { smoothing })
      : apply(
          crossEntropySoftOp,
          [logits, smoothing === 0 ? targets : affine(targets, 1 - smoothing, smoothing / logits.shape[1])],
          {},
        );
  if (reduction === 'none') return losses;
  return reduction === 'sum' ? sum(losses) : mean(losses);
}
