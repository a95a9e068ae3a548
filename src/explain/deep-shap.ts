/**
 * DeepSHAP: the multipliers of DeepLIFT's rescale rule from the image to each of many background images, averaged. One
 * backward pass per chunk of image-background pairs, whatever the network looks like. The attributions must add up to the
 * difference of the logits; that is always checked, and when they do not, the operation that breaks it is looked for and
 * named.
 */
import {
  broadcastTo,
  concat,
  detach,
  gradients,
  mul,
  neg,
  noGrad,
  type Rule,
  type RuleSet,
  reshape,
  slice,
  sub,
  sum,
  watch,
} from '../autograd/index.ts';
import { UsageError } from '../devices/errors.ts';
import { sizeOf } from '../devices/shape.ts';
import { tensor, zeros } from '../tensor/creation.ts';
import { keep, tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  additivityScale,
  type CompleteAttribution,
  completeness,
  DEFAULT_BATCH,
  type Explainable,
  type ExplainOptions,
  type FloatArray,
} from './attribution.ts';
import {
  checkAttributions,
  checkBatchSize,
  checkImages,
  evaluate,
  explainedLogits,
  imageRows,
  newLike,
  shareOf,
} from './evaluation.ts';
import { checkBackground, expectedLogits } from './path-gradients.ts';
import { addSamples, inPairPieces, type PairChunk } from './pieces.ts';
import { JointRows, rescaleRules } from './rules.ts';

export interface DeepShapOptions extends ExplainOptions {
  /** Images [B, ...] that stand for "nothing in particular"; the attributions count from their mean logit. */
  readonly background: Tensor;
  /** Relative additivity error above which the operation that causes it is looked for, 0 or more. Default 1e-3. */
  readonly tolerance?: number;
}

export interface DeepShapAttribution extends CompleteAttribution {
  /** Where additivity fails, for the worst image; absent when every error is within the tolerance. */
  readonly brokenBy?: BrokenOperation;
}

export interface BrokenOperation {
  /**
   * Operation and module, e.g. `softmax (head)`; `nothing on the tape` where every operation that gradients reach keeps
   * its balance.
   */
  readonly operation: string;
  /** What it alone adds to the relative additivity error. */
  readonly error: number;
}

/**
 * SHAP values by DeepLIFT's rescale rule: `values` sum to `prediction - expected`, the logit at x less the mean logit over
 * the background. Explain logits, not probabilities: softmax has no rule.
 *
 * S. M. Lundberg, S.-I. Lee: A unified approach to interpreting model predictions. NeurIPS 2017.
 *
 * @param x images [N, ...], with the batch as first axis throughout the model
 * @throws NonFiniteError for logits or attributions that are not finite
 * @example
 * const { values, expected, additivityError } = await deepShap(model, x, { target: 3, background });
 */
export async function deepShap(f: Explainable, x: Tensor, options: DeepShapOptions): Promise<DeepShapAttribution> {
  const { background, target, batchSize = DEFAULT_BATCH, tolerance = 1e-3 } = options;
  checkImages(x);
  checkBackground(background, x);
  const bound = checkBatchSize(batchSize);
  if (!(tolerance >= 0)) throw new UsageError(`The tolerance of DeepSHAP is a number of at least 0, not ${tolerance}.`);
  const images = x.shape[0];
  const size = sizeOf(x.shape.slice(1));
  const explained = await explainedLogits(f, x, target, bound);
  const expected = await expectedLogits(f, background, explained.target, bound);
  const sums = new Float64Array(images * size);
  let kind: FloatArray = sums;
  await inPairPieces(x.device, images, background.shape[0], bound, async chunk => {
    const part = tidy(() => {
      const { joint, rows } = jointRows(x, background, chunk);
      const multipliers = backwardThrough(f, joint, rows, explained.target.subarray(chunk.start), rescaleRules(joint));
      return noGrad(() => {
        const shares = reshape(shareOf(joint.difference(rows), multipliers), [
          joint.images,
          1 + joint.backgrounds,
          size,
        ]);
        // Without the image's own row. The differences were background less image.
        return neg(slice(shares, [0, 1, 0], [joint.images, joint.backgrounds, size]));
      });
    });
    const values = (await part.data()) as FloatArray;
    part.dispose();
    kind = values;
    addSamples(sums, values, size, chunk);
  });
  for (let i = 0; i < sums.length; i++) sums[i] /= background.shape[0];
  const values = newLike(kind, sums.length);
  values.set(sums);
  checkAttributions(values, images, 'deep-shap');
  const complete = completeness(sums, explained.prediction, expected);
  const result = { method: 'deep-shap', values, shape: x.shape, ...explained, ...complete };
  if (complete.additivityError <= tolerance) return result;
  const worst = complete.additivityErrors.indexOf(complete.additivityError);
  const magnitude = sums.subarray(worst * size, (worst + 1) * size).reduce((sum, value) => sum + Math.abs(value), 0);
  const scale = additivityScale(explained.prediction[worst], expected[worst], magnitude);
  return { ...result, brokenBy: await findBroken(f, x, background, worst, explained.target, { bound, scale }) };
}

/** The rows of one chunk: each image, followed by its background images. */
function jointRows(
  x: Tensor,
  background: Tensor,
  { start, count, from, to }: PairChunk,
): { joint: JointRows; rows: Tensor } {
  return noGrad(() => {
    const joint = new JointRows(count, to - from);
    const size = sizeOf(x.shape.slice(1));
    const own = reshape(imageRows(x, start, count), [count, 1, size]);
    const others = reshape(imageRows(background, from, to - from), [1, to - from, size]);
    const grouped = concat([own, broadcastTo(others, [count, to - from, size])], 1);
    return { joint, rows: reshape(grouped, [joint.rows, ...x.shape.slice(1)]) };
  });
}

/** Multipliers [rows, ...] of each image's target logit, in the background rows. */
function backwardThrough(f: Explainable, joint: JointRows, rows: Tensor, targets: Int32Array, rules: RuleSet): Tensor {
  const input = watch(detach(rows));
  const logits = evaluate(f, input);
  if (!logits.node) return zeros(rows.shape, { device: rows.device });
  const classes = logits.shape[1];
  const upstream = new Float32Array(joint.rows * classes);
  for (let row = 0; row < joint.rows; row++) {
    const image = Math.floor(row / (1 + joint.backgrounds));
    // Nothing flows back into the image's own row, so the linear operations have zeros there.
    if (row % (1 + joint.backgrounds) !== 0) upstream[row * classes + targets[image]] = 1;
  }
  const seed = tensor(upstream, logits.shape, { device: rows.device });
  return gradients(logits, [input], { upstream: seed, rules })[0];
}

/** What one operation lost or gained: the difference of sum(m * difference) behind and before it. */
interface Finding {
  readonly operation: string;
  readonly discrepancy: Tensor;
}

/**
 * Goes through one image and its whole background again with every operation's own completeness on record, and names the one
 * that loses or gains most over all of it: what one background image shows, another may not.
 */
async function findBroken(
  f: Explainable,
  x: Tensor,
  background: Tensor,
  image: number,
  targets: Int32Array,
  { bound, scale }: { readonly bound: number; readonly scale: number },
): Promise<BrokenOperation> {
  const backgrounds = background.shape[0];
  /** The n-th operation of a backward pass is the same one in every chunk. */
  const balances: { operation: string; total: number }[] = [];
  for (let from = 0; from < backgrounds; from += bound) {
    const findings: Finding[] = [];
    const chunk = { start: image, count: 1, from, to: Math.min(backgrounds, from + bound) };
    try {
      tidy(() => {
        const { joint, rows } = jointRows(x, background, chunk);
        backwardThrough(f, joint, rows, targets.subarray(image), audited(joint, rescaleRules(joint), findings));
      });
      for (const [n, { operation, discrepancy }] of findings.entries()) {
        balances[n] ??= { operation, total: 0 };
        balances[n].total += await discrepancy.item();
      }
    } finally {
      for (const { discrepancy } of findings) discrepancy.dispose();
    }
  }
  let worst: BrokenOperation = { operation: 'nothing on the tape', error: 0 };
  for (const { operation, total } of balances) {
    const error = Math.abs(total) / (backgrounds * scale);
    if (!(error <= worst.error)) worst = { operation, error };
  }
  return worst;
}

/** The same rules, each operation's balance noted. */
function audited(joint: JointRows, { rules }: RuleSet, findings: Finding[]): RuleSet {
  const observe =
    (rule?: Rule): Rule =>
    (context, subject) => {
      const contributions = rule?.(context, subject) ?? (subject.isFused ? undefined : subject.gradient(context));
      if (!contributions) return undefined;
      const weighted = (m: Tensor, values: Tensor): Tensor => sum(mul(m, joint.difference(values)));
      const discrepancy = tidy(() =>
        contributions.reduce<Tensor>(
          (rest, m, i) => (m && context.needs[i] ? sub(rest, weighted(m, context.inputs[i])) : rest),
          weighted(context.upstream, context.outputs[0]),
        ),
      );
      findings.push({ operation: subject.describe(), discrepancy: keep(discrepancy) });
      return contributions;
    };
  const entries = Object.entries(rules).map(([name, rule]): [string, Rule] => [name, observe(rule)]);
  return { rules: Object.fromEntries(entries), otherwise: observe() };
}
