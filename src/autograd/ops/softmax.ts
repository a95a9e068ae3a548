/** Softmax over the last axis and the cross-entropy losses built on it. */
import { DataError, DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import { release, retain } from '../../devices/storage.ts';
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
import { type NaNExplanation, Tensor } from '../../tensor/tensor.ts';
import { apply, kernelOp, type Op, runKernel } from '../op.ts';
import { everywhereAlong, type OpRows, type Reach, type Sample } from '../row.ts';
import { sum } from './broadcast.ts';
import { cast, equal, greaterEqual, less, logicalAnd, where } from './conditions.ts';
import { affine, exp, mul, neg, sub } from './elementwise.ts';
import { oneHot, reshape } from './layout.ts';
import { mean } from './reduce.ts';

const fused = (outputs: ReturnType<typeof runKernel>): Tensor => new Tensor(outputs[0].storage, outputs[0].shape);

const softmaxOp = kernelOp('softmax', softmaxKernel, {
  gradient: ({ outputs: [y], upstream, recorded }) => [
    recorded
      ? mul(y, sub(upstream, sum(mul(y, upstream), -1, true)))
      : fused(runKernel(softmaxGradientKernel, [y, upstream], {})),
  ],
});

const logSoftmaxOp = kernelOp('logSoftmax', logSoftmaxKernel, {
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

const crossEntropyOp: Op<CrossEntropyParams> = kernelOp('crossEntropy', crossEntropyKernel, {
  gradient: ({ inputs: [logits, labels], params, upstream }) => [
    fused(runKernel(crossEntropyGradientKernel, [logits, labels, upstream], params)),
    undefined,
  ],
  decompose([logits, labels], { smoothing }) {
    const [rows, classes] = logits.shape;
    // An impossible label makes NaN of its row, in the gradient too: hence before anything is selected.
    const isPossible = logicalAnd(greaterEqual(labels, 0), less(labels, classes));
    const logp = mul(logSoftmax(logits), reshape(where(isPossible, 1, Number.NaN), [rows, 1]));
    // Terms are selected, not multiplied by 0: log-probabilities may be -infinity.
    const ofLabel = sum(where(cast(oneHot(labels, classes), 'int32'), logp, 0), 1);
    if (smoothing === 0) return neg(ofLabel);
    const ofAll = affine(sum(logp, 1), -smoothing / classes, 0);
    return smoothing < 1 ? sub(ofAll, affine(ofLabel, 1 - smoothing, 0)) : ofAll;
  },
});

/** Log-probabilities, 0 in place of -infinity where the target is 0: 0 log 0 = 0, and so is its derivative. */
const logUnderTargets = (logits: Tensor, targets: Tensor): Tensor => {
  const logp = logSoftmax(logits);
  return where(logicalAnd(equal(targets, 0), equal(logp, -Infinity)), 0, logp);
};

const crossEntropySoftOp = kernelOp('crossEntropySoft', softKernel, {
  gradient: ({ inputs: [logits, targets], upstream, needs }) => [
    needs[0] ? fused(runKernel(softGradientKernel, [logits, targets, upstream], {})) : undefined,
    needs[1] ? neg(mul(logUnderTargets(logits, targets), reshape(upstream, [-1, 1]))) : undefined,
  ],
  decompose: ([logits, targets]) => neg(sum(mul(targets, logUnderTargets(logits, targets)), 1)),
});

export interface CrossEntropyOptions {
  /** Share of the target spread evenly over all classes. Default 0. */
  readonly smoothing?: number;
  /** Default `mean`. */
  readonly reduction?: 'mean' | 'sum' | 'none';
}

const REDUCTIONS: readonly string[] = ['mean', 'sum', 'none'];

/** The cross-entropy per row [N]. */
function lossesOf(logits: Tensor, targets: Tensor, smoothing: number): Tensor {
  if (targets.dtype === 'int32') return apply(crossEntropyOp, [logits, targets], { smoothing });
  if (targets.dtype === 'uint8') return apply(crossEntropyOp, [logits, cast(targets, 'int32')], { smoothing });
  if (targets.dtype !== 'float32') {
    throw new DTypeError(
      `crossEntropy: targets must be labels (int32 or uint8) or probabilities (float32), not ${targets.dtype}.`,
    );
  }
  const smooth = smoothing === 0 ? targets : affine(targets, 1 - smoothing, smoothing / logits.shape[1]);
  return apply(crossEntropySoftOp, [logits, smooth], {});
}

/**
 * Cross-entropy of logits [N, C] with labels [N] (int32 or uint8), or with target probabilities [N, C] (float32). A logit of
 * -infinity masks its class: its probability is 0, a target of 0 on it costs nothing, any other target an infinite loss. A
 * label outside 0..C-1 makes loss and gradient of its row NaN; reading the loss throws a DataError that names the label.
 * @throws UsageError when `smoothing` is not in [0, 1] or `reduction` is unknown; ShapeError; DTypeError
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { smoothing = 0, reduction = 'mean' } = options;
  if (logits.rank !== 2) throw new ShapeError(`crossEntropy: logits must be [N, C], not of rank ${logits.rank}.`);
  if (!(typeof smoothing === 'number' && smoothing >= 0 && smoothing <= 1)) {
    throw new UsageError(
      `crossEntropy: smoothing must be a number of at least 0 and at most 1, not ${String(smoothing)}.`,
    );
  }
  if (!REDUCTIONS.includes(reduction)) {
    throw new UsageError(
      `crossEntropy: reduction must be one of ${REDUCTIONS.join(', ')}, not "${String(reduction)}".`,
    );
  }
  const losses = lossesOf(logits, targets, smoothing);
  const loss = reduction === 'none' ? losses : reduction === 'sum' ? sum(losses) : mean(losses);
  return targets.dtype === 'float32' ? loss : loss.explainNaN(impossibleLabel(targets, logits.shape[1]));
}

/** Names the first label that is none of the classes, if the labels are still what they were. */
function impossibleLabel({ storage, device }: Tensor, classes: number): NaNExplanation {
  retain(storage);
  return {
    async find() {
      if (storage.allocation.references === 0) return undefined;
      const labels = await device.read(storage);
      const row = labels.findIndex(label => !(label >= 0 && label < classes));
      if (row < 0) return undefined;
      return new DataError(
        `crossEntropy: label ${labels[row]} (row ${row}) must be a whole number of at least 0 and at most ` +
          `${classes - 1}, since the logits are of ${classes} classes.`,
      );
    },
    release: () => release(storage),
  };
}

/** Along the last axis. */
const reachOfRows: Reach = (_, [x]) => everywhereAlong([x.length - 1], x);
const logits: Sample = { shape: [3, 4] };

export const softmaxRows = {
  softmax: {
    about: 'e^x, divided by its sum along the last axis.',
    op: softmaxOp,
    functions: [softmax],
    kernels: [softmaxKernel, softmaxGradientKernel],
    linearity: 'open',
    reach: reachOfRows,
    examples: [{ inputs: [{ shape: [2, 3, 4] }], run: (x: Tensor) => softmax(x) }],
    onnx: 'Softmax',
  },
  logSoftmax: {
    about: 'Logarithm of softmax, computed without leaving the range of floats.',
    op: logSoftmaxOp,
    functions: [logSoftmax],
    kernels: [logSoftmaxKernel, logSoftmaxGradientKernel],
    linearity: 'open',
    reach: reachOfRows,
    examples: [{ inputs: [{ shape: [2, 3, 4] }], run: (x: Tensor) => logSoftmax(x) }],
    onnx: 'LogSoftmax',
  },
  crossEntropy: {
    about: 'Cross-entropy of each row of logits with its int32 label, in one pass.',
    op: crossEntropyOp,
    functions: [crossEntropy],
    kernels: [crossEntropyKernel, crossEntropyGradientKernel],
    linearity: 'composed',
    reach: reachOfRows,
    examples: [
      {
        inputs: [logits, { shape: [3], values: [2, 0, 3], dtype: 'int32' }],
        run: (x: Tensor, labels: Tensor) => crossEntropy(x, labels, { smoothing: 0.1, reduction: 'none' }),
      },
    ],
    onnx: 'SoftmaxCrossEntropyLoss',
  },
  crossEntropySoft: {
    about: 'Cross-entropy of each row of logits with target probabilities, in one pass.',
    op: crossEntropySoftOp,
    functions: [crossEntropy],
    kernels: [softKernel, softGradientKernel],
    linearity: 'composed',
    reach: reachOfRows,
    examples: [
      {
        inputs: [logits, { shape: [3, 4], values: 'positive' }],
        run: (x: Tensor, targets: Tensor) => crossEntropy(x, targets, { reduction: 'none' }),
      },
      {
        title: 'mean over smoothed probabilities',
        inputs: [logits, logits],
        run: (x: Tensor, t: Tensor) => crossEntropy(x, softmax(t), { smoothing: 0.2 }),
      },
    ],
  },
} satisfies OpRows;
