/** Softmax over the last axis and the cross-entropy losses built on it. */
import { DataError, DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import { formatShape, sameShape } from '../../devices/shape.ts';
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
import { detach } from '../tape.ts';
import { sum } from './broadcast.ts';
import { cast, equal, greaterEqual, less, logicalAnd, where } from './conditions.ts';
import { affine, div, exp, mul, neg, sub } from './elementwise.ts';
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
  /**
   * What each class counts, float32 [C], at least 0: every term of a class in a row's sum is multiplied by it. As in PyTorch,
   * the mean over labels is divided by the sum of their weights, the mean over probabilities by N. No gradient reaches it.
   */
  readonly weight?: Tensor;
  /** Default `mean`. */
  readonly reduction?: 'mean' | 'sum' | 'none';
}

const REDUCTIONS: readonly string[] = ['mean', 'sum', 'none'];

interface RowLosses {
  /** The cross-entropy per row [N]. */
  readonly losses: Tensor;
  /** What the rows count in a mean, [N]; absent where they count the same. */
  readonly counts?: Tensor;
}

function lossesOf(logits: Tensor, targets: Tensor, smoothing: number, weight: Tensor | undefined): RowLosses {
  if (!['int32', 'uint8', 'float32'].includes(targets.dtype)) {
    throw new DTypeError(
      `crossEntropy: targets must be labels (int32 or uint8) or probabilities (float32), not ${targets.dtype}.`,
    );
  }
  const labels = targets.dtype === 'uint8' ? cast(targets, 'int32') : targets;
  const isSoft = targets.dtype === 'float32';
  if (!isSoft && !weight) return { losses: apply(crossEntropyOp, [logits, labels], { smoothing }) };
  const classes = logits.shape[1];
  const soft = isSoft ? targets : oneHotOrNaN(labels, classes);
  const smooth = smoothing === 0 ? soft : affine(soft, 1 - smoothing, smoothing / classes);
  if (!weight) return { losses: apply(crossEntropySoftOp, [logits, smooth], {}) };
  const constant = detach(weight);
  const losses = apply(crossEntropySoftOp, [logits, mul(smooth, constant)], {});
  return isSoft ? { losses } : { losses, counts: sum(mul(soft, constant), 1) };
}

/** One-hot rows of labels; NaN in the row of one that is none of the classes, so that loss and gradient are, too. */
function oneHotOrNaN(labels: Tensor, classes: number): Tensor {
  const isPossible = logicalAnd(greaterEqual(labels, 0), less(labels, classes));
  return mul(oneHot(labels, classes), reshape(where(isPossible, 1, Number.NaN), [-1, 1]));
}

/**
 * Cross-entropy of logits [N, C] with labels [N] (int32 or uint8), or with target probabilities [N, C] (float32). A logit of
 * -infinity masks its class: its probability is 0, a target of 0 on it costs nothing, any other target an infinite loss. A
 * label outside 0..C-1 makes loss and gradient of its row NaN; reading the loss throws a DataError that names the label.
 * @throws UsageError when `smoothing` is not in [0, 1] or `reduction` is unknown; ShapeError; DTypeError
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { smoothing = 0, weight, reduction = 'mean' } = options;
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
  if (weight) checkWeight(weight, logits.shape[1]);
  const { losses, counts } = lossesOf(logits, targets, smoothing, weight);
  const total = reduction === 'none' ? losses : reduction === 'sum' || counts ? sum(losses) : mean(losses);
  const loss = reduction === 'mean' && counts ? div(total, sum(counts)) : total;
  return targets.dtype === 'float32' ? loss : loss.explainNaN(impossibleLabel(targets, logits.shape[1]));
}

function checkWeight({ dtype, shape }: Tensor, classes: number): void {
  if (dtype !== 'float32') throw new DTypeError(`crossEntropy: weight must be float32, not ${dtype}.`);
  if (!sameShape(shape, [classes])) {
    throw new ShapeError(
      `crossEntropy: weight ${formatShape(shape)} must be ${formatShape([classes])}, since the logits are of ${classes} classes.`,
    );
  }
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
