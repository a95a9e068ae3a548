/**
 * DeepLIFT's rescale rule per operation on the tape. An image and the background images it is compared with go through
 * the model together; what flows back is no gradient but a multiplier m, for which sum(m * difference) is the same before
 * and after every operation. Linear operations keep it so by their plain gradient; the rules here are for all others.
 * Because they belong to operations, not modules, a relu that is used twice or called as a function needs no care.
 *
 * A. Shrikumar, P. Greenside, A. Kundaje: Learning important features through propagating activation differences. ICML
 * 2017. The rule for max-pooling is exact for overlapping windows too.
 */
import {
  abs,
  add,
  affine,
  batchNorm,
  broadcastTo,
  cast,
  div,
  equal,
  type GradientContext,
  greater,
  less,
  maximum,
  minimum,
  mul,
  pow,
  type Rule,
  type RuleSet,
  reluGradientFromOutput,
  reshape,
  rsqrt,
  slice,
  sub,
  sum,
  sumTo,
  where,
} from '../autograd/index.ts';
import { type OpName, runKernel } from '../autograd/op.ts';
import { OP_NAMES, type OpsThatAre, rowOf } from '../autograd/ops/rows.ts';
import type { Linearity } from '../autograd/row.ts';
import { UsageError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { ROUNDING, rescale as rescaleKernel } from '../kernels/rescale/index.ts';
import { Tensor } from '../tensor/tensor.ts';

/** Below this difference of inputs an elementwise function's multiplier is its derivative. */
const SMALL_DIFFERENCE = 1e-6;
/** Slopes beyond are taken for infinite; below the largest float32, so that no compiler decides it. */
const LARGEST_SLOPE = 3e38;

/**
 * How the rows of every array on the tape are arranged: for each of `images` images its own row, then the rows of the
 * `backgrounds` it is compared with. Multipliers live in the background rows; those in the image's own row are not used.
 */
export class JointRows {
  readonly images: number;
  readonly backgrounds: number;

  constructor(images: number, backgrounds: number) {
    this.images = images;
    this.backgrounds = backgrounds;
  }

  get rows(): number {
    return this.images * (1 + this.backgrounds);
  }

  /** Throws UsageError unless `x` can hold such rows. */
  checked(x: Tensor): this {
    if (x.rank > 0 && x.size % this.rows === 0) return this;
    throw new UsageError(
      `An inner array of shape ${formatShape(x.shape)} does not keep the ${this.rows} images of the batch apart.`,
    );
  }

  #grouped(x: Tensor): Tensor {
    this.checked(x);
    return reshape(x, [this.images, 1 + this.backgrounds, x.size / this.rows]);
  }

  #ownRows(grouped: Tensor): Tensor {
    return slice(grouped, [0, 0, 0], [this.images, 1, grouped.shape[2]]);
  }

  /** Every row minus the row of its image: 0 in the image's own row. */
  difference(x: Tensor): Tensor {
    const grouped = this.#grouped(x);
    return reshape(sub(grouped, this.#ownRows(grouped)), x.shape);
  }

  /** The image's row in place of each of its background rows. */
  own(x: Tensor): Tensor {
    const grouped = this.#grouped(x);
    return reshape(broadcastTo(this.#ownRows(grouped), grouped.shape), x.shape);
  }

  /** Halfway between every row and the row of its image. */
  middle(x: Tensor): Tensor {
    return affine(add(x, this.own(x)), 0.5, 0);
  }
}

type Rescale = (x: Tensor, y: Tensor, upstream: Tensor, plain: Tensor) => Tensor;

/** The classes whose rule needs to know the operation itself. */
type NeedsOperation = 'pairwise' | 'extremum';

/** Rules for everything but extrema: of the classes, and of single operations. */
function rulesOfClasses(joint: JointRows) {
  const rescale: Rescale = (x, y, upstream, plain) => {
    const { images, backgrounds } = joint.checked(x);
    const params = { images, backgrounds, threshold: SMALL_DIFFERENCE };
    const [{ storage, shape }] = runKernel(rescaleKernel, [x, y, upstream, plain], params);
    return new Tensor(storage, shape);
  };

  /** f of one value: output over input difference, or the derivative where the inputs agree. */
  const elementwise: Rule = (context, { gradient }) => {
    const { inputs, outputs, upstream } = context;
    return [rescale(inputs[0], outputs[0], upstream, gradient(context)[0]!)];
  };

  /** Linear in each of its operands: where both vary, the mean of the two orders is the gradient halfway. */
  const bilinear: Rule = (context, { gradient, isFused }) => {
    const { inputs, needs, params } = context;
    if (isFused && params.activation !== 'none') return undefined;
    if (!(needs[0] && needs[1])) return gradient(context);
    return gradient({ ...context, inputs: inputs.map((input, i) => (i < 2 ? joint.middle(input) : input)) });
  };

  /** f of two values, at least one of which varies: the mean over the two orders in which they can change. */
  const ofTwo =
    (f: (a: Tensor, b: Tensor) => Tensor): Rule =>
    (context, { gradient }) => {
      const { inputs, outputs, upstream, needs } = context;
      const plain = gradient(context);
      const [y] = outputs;
      const own = inputs.map((input, i) => (needs[i] ? joint.own(input) : input));
      const yOwn = joint.own(y);
      const swapped = [f(own[0], inputs[1]), f(inputs[0], own[1])];
      return inputs.map((input, i) => {
        if (!needs[i]) return undefined;
        // First this operand changes and then the other, or the other way round.
        const change = add(sub(y, swapped[i]), sub(swapped[1 - i], yOwn));
        const dx = joint.difference(input);
        // Agreement is a matter of rounding, not of the unit; where nothing differs an infinite slope contributes nothing.
        const rounding = affine(maximum(abs(input), abs(own[i])), ROUNDING, 0);
        const differs = greater(abs(dx), minimum(rounding, SMALL_DIFFERENCE));
        const slope = where(less(abs(plain[i]!), LARGEST_SLOPE), plain[i]!, 0);
        const multiplier = sumTo(div(mul(upstream, affine(change, 0.5, 0)), broadcastTo(dx, y.shape)), input.shape);
        return where(differs, multiplier, slope);
      });
    };

  // Quadratic functions: the gradient halfway is exact, and nothing is divided.
  const quadratic: Rule = (context, { gradient }) =>
    gradient({ ...context, inputs: [joint.middle(context.inputs[0])] });

  const byClass: Record<Exclude<Linearity, NeedsOperation>, Rule | undefined> = {
    linear: undefined,
    bilinear,
    quadratic,
    elementwise,
    composed: undefined,
    open: undefined,
    stop: undefined,
  };
  const pairwise: Record<OpsThatAre<'pairwise'>, Rule> = {
    div: ofTwo(div),
    pow: ofTwo(pow),
    maximum: ofTwo(maximum),
    minimum: ofTwo(minimum),
  };
  return { byClass, pairwise, batchNormEval: batchNormRule(rescale) };
}

function extremumRules(joint: JointRows): Record<OpsThatAre<'extremum'>, Rule> {
  /** What a maximum gains over each side goes to where that side has it; `toWinners` knows where. */
  const extremum = (
    { inputs: [x], outputs: [y], upstream }: GradientContext,
    better: (a: Tensor, b: Tensor) => Tensor,
    toWinners: (x: Tensor, g: Tensor) => Tensor,
  ): Tensor => {
    const [xOwn, yOwn] = [joint.own(x), joint.own(y)];
    const best = better(y, yOwn);
    const gained = add(toWinners(xOwn, mul(upstream, sub(best, y))), toWinners(x, mul(upstream, sub(yOwn, best))));
    const dx = sub(xOwn, x);
    // What is gained is at most the difference at its place, so the quotient is at most 1 however small that is.
    return where(equal(dx, 0), 0, div(gained, dx));
  };

  const reducedExtremum =
    (better: (a: Tensor, b: Tensor) => Tensor): Rule =>
    context => {
      const { axes } = context.params as { axes: readonly number[] };
      if (axes.includes(0)) return undefined;
      const kept = context.inputs[0].shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
      // Evenly among ties, as in the op's own gradient.
      const toWinners = (x: Tensor, g: Tensor): Tensor => {
        const y = x === context.inputs[0] ? context.outputs[0] : joint.own(context.outputs[0]);
        const attains = cast(equal(x, broadcastTo(reshape(y, kept), x.shape)), 'float32');
        return mul(broadcastTo(reshape(g, kept), x.shape), div(attains, sum(attains, axes, true)));
      };
      return [extremum(context, better, toWinners)];
    };

  return {
    max: reducedExtremum(maximum),
    min: reducedExtremum(minimum),
    maxPool2d: (context, { gradient }) => [
      extremum(context, maximum, (x, g) => gradient({ ...context, inputs: [x], upstream: g })[0]!),
    ],
  };
}

/** Composed of operations that have rules; this one spares them. */
function batchNormRule(rescale: Rescale): Rule {
  return ({ inputs, outputs, params, upstream, needs }) => {
    const [x, gamma, beta, runningMean, runningVariance, residual] = inputs;
    if (needs.some((needed, i) => needed && i !== 0 && i !== 5)) return undefined;
    const { epsilon, activation } = params;
    let m = upstream;
    if (activation === 'relu') {
      const before = batchNorm(x, gamma, beta, { runningMean, runningVariance, training: false, epsilon, residual });
      m = rescale(before, outputs[0], upstream, reluGradientFromOutput(outputs[0], upstream));
    }
    const scale = mul(gamma, rsqrt(affine(runningVariance, 1, epsilon)));
    return [needs[0] ? mul(m, scale) : undefined, undefined, undefined, undefined, undefined, needs[5] ? m : undefined];
  };
}

/**
 * The rules for rows arranged as `joint`, by what each operation's row says of it (`autograd/ops/rows.ts`). Operations
 * without a rule are linear in what varies, made of others that have one, or break additivity.
 */
export function rescaleRules(joint: JointRows): RuleSet {
  const { byClass, pairwise, batchNormEval } = rulesOfClasses(joint);
  const rules: Partial<Record<OpName, Rule>> = { ...pairwise, ...extremumRules(joint), batchNormEval };
  for (const name of OP_NAMES) {
    const { linearity } = rowOf(name);
    if (linearity !== 'pairwise' && linearity !== 'extremum') rules[name] ??= byClass[linearity];
  }
  return { rules };
}
