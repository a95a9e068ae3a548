/**
 * The backward pass: walk the tape from the last node to the first, handing each op the gradient of its value and
 * sharing out what it returns. Rules may replace any op's vector-Jacobian product (DeepSHAP, guided backpropagation); a
 * recorded pass leaves a graph of its own, so that gradients of gradients work.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape, sameShape } from '../devices/shape.ts';
import { onesLike, zerosLike } from '../tensor/creation.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { GradientContext, OpName, VectorJacobianProduct } from './operation.ts';
import { accumulateInto, add } from './ops/elementwise.ts';
import { identity } from './ops/layout.ts';
import {
  alias,
  aliasAsOfNow,
  type GradientHook,
  leafNode,
  nodeOf,
  noGrad,
  type TapeNode,
  withLabel,
  withRecording,
} from './tape.ts';

/** The op that a rule stands in for. */
export interface RuleSubject {
  readonly name: OpName;
  /** The op's own gradient, for rules that build on it; the context may be changed, e.g. its upstream. */
  readonly gradient: VectorJacobianProduct;
  /** Made of finer ops, which have their turn where no rule speaks for this one. */
  readonly isFused: boolean;
  /** The op's name and the module that ran it, for messages. */
  describe(): string;
}

/**
 * What takes the place of an op's vector-Jacobian product. `undefined` means that the rule does not apply here: the op is
 * treated as if there were none.
 */
export type Rule<P = any> = (
  context: GradientContext<P>,
  subject: RuleSubject,
) => readonly (Tensor | undefined)[] | undefined;

/**
 * Rules by op name. `otherwise` says what happens to ops without a rule: their own gradient (the default), an error that
 * names the op, or a rule for all of them.
 */
export interface RuleSet {
  readonly rules: Readonly<Partial<Record<OpName, Rule>>>;
  readonly otherwise?: 'gradient' | 'throw' | Rule;
}

export interface BackwardOptions {
  /** Gradient of the differentiated tensor; ones by default, which needs a tensor of one element. */
  readonly upstream?: Tensor;
  readonly rules?: RuleSet;
  /** Record the backward pass, so that its results can be differentiated; implies `retainGraph`. */
  readonly createGraph?: boolean;
  /** Keep what the tape saved, so that another backward pass can follow. */
  readonly retainGraph?: boolean;
}

/**
 * Gradients of `y` with respect to `xs` (leaves, or any values on the way), in order; zeros for those that `y` does not
 * depend on.
 * @throws ShapeError when `y` has more than one element and no `upstream` is given
 */
export function gradients(y: Tensor, xs: readonly Tensor[], options: BackwardOptions = {}): Tensor[] {
  const nodes = xs.map(x => {
    const node = nodeOf(x);
    if (!node) throw new UsageError('gradients: a tensor is not on the tape; use valueAndGrad, or watch it first.');
    return node;
  });
  return tidy(() => {
    const found = runBackward(y, new Set(nodes), options);
    return nodes.map((node, i) => {
      const gradient = found.get(node);
      return gradient ? aliasAsOfNow(gradient, 'gradients') : zerosLike(xs[i]);
    });
  });
}

/**
 * Collects the gradients of `y` (a scalar, or with `upstream`) in every parameter it depends on: `parameter.gradient`.
 * Gradients add up until the optimizer steps or `zeroGrad` forgets them.
 */
export function backward(y: Tensor, options: Omit<BackwardOptions, 'createGraph'> = {}): void {
  if ((options as BackwardOptions).createGraph) {
    throw new UsageError(
      'backward: the gradients that parameters collect are plain memory and cannot be differentiated; use gradients(y, parameters, { createGraph: true }).',
    );
  }
  tidy(() => {
    runBackward(y, undefined, options);
  });
}

/** Starts tracking `x`: what is computed from it from now on can be differentiated with respect to it. */
export function watch(x: Tensor): Tensor {
  if (!x.node) x.node = leafNode(x.shape);
  return x;
}

/**
 * Value of `f()` and its gradients with respect to `xs`.
 * @param f synchronous; returns a tensor of one element unless `upstream` is given
 */
export function valueAndGrad(
  f: () => Tensor,
  xs: readonly Tensor[],
  options: BackwardOptions = {},
): { value: Tensor; grads: Tensor[] } {
  const unwatched = xs.filter(x => !x.node);
  for (const x of unwatched) watch(x);
  try {
    return tidy(() => {
      const y = withRecording(f);
      if (y instanceof Promise) throw new UsageError('grad: the function returned a promise; it must be synchronous.');
      if (!nodeOf(y)) return { value: y, grads: xs.map(zerosLike) };
      const grads = gradients(y, xs, options);
      return { value: y, grads };
    });
  } finally {
    for (const x of unwatched) x.node = undefined;
  }
}

/** Gradients of `f()` with respect to `xs`; see valueAndGrad. */
export function grad(f: () => Tensor, xs: readonly Tensor[], options: BackwardOptions = {}): Tensor[] {
  return tidy(() => valueAndGrad(f, xs, options).grads);
}

/**
 * Calls `hook` with the gradient of `x` whenever a backward pass computes it, before it flows on; what the hook returns
 * takes its place. Gives back a function that removes the hook.
 */
export function onGradient(x: Tensor, hook: GradientHook): () => void {
  const node = nodeOf(x);
  if (!node) throw new UsageError('onGradient: no gradient can reach this tensor.');
  node.hooks.push(hook);
  return () => {
    const index = node.hooks.indexOf(hook);
    if (index >= 0) node.hooks.splice(index, 1);
  };
}

/** A gradient on its way to a node; `isOwn` when nobody else sees its storage, so that it may be added to in place. */
interface Pending {
  gradient: Tensor;
  isOwn: boolean;
}

/**
 * Walks the tape below `y`. With `wanted`, returns the gradients of these nodes and, with `stopAtWanted`, goes no
 * further; without it, fills the destinations of all leaves that have one.
 */
function runBackward(
  y: Tensor,
  wanted: ReadonlySet<TapeNode> | undefined,
  options: BackwardOptions,
  stopAtWanted = false,
): Map<TapeNode, Tensor> {
  const { createGraph = false, retainGraph = createGraph } = options;
  const root = nodeOf(y);
  if (!root) throw new UsageError('backward: this tensor does not depend on anything whose gradient is wanted.');
  const isTarget = wanted ? (node: TapeNode) => wanted.has(node) : (node: TapeNode) => node.destination !== undefined;
  const isEnd = (node: TapeNode) => node.op === undefined || (stopAtWanted && isTarget(node));
  // Nothing older than every target leads to one.
  const oldest = wanted ? Math.min(...Array.from(wanted, ({ id }) => id)) : 0;
  const order = pathsToTargets(root, oldest, isTarget, isEnd);
  if (!wanted && order.length === 0) {
    throw new UsageError('backward: this tensor depends on no parameter; use gradients(y, [x]) for other tensors.');
  }
  const onPath = new Set(order);
  const pending = new Map<TapeNode, Pending>([[root, { gradient: seedOf(y, options.upstream), isOwn: false }]]);
  const result = new Map<TapeNode, Tensor>();

  const contribute = (target: TapeNode, contribution: Tensor): void => {
    if (!wanted && target.hooks.length === 0 && target.destination) {
      deliver(target, contribution);
      return;
    }
    const sum = pending.get(target);
    if (!sum) {
      pending.set(target, { gradient: alias(contribution), isOwn: false });
    } else if (sum.isOwn && !createGraph) {
      accumulateInto(sum.gradient.storage, contribution);
    } else {
      const total = add(sum.gradient, contribution);
      sum.gradient.dispose();
      pending.set(target, { gradient: total, isOwn: true });
    }
  };

  const walk = (): void => {
    for (const node of order) {
      const arrived = pending.get(node);
      if (!arrived) continue;
      pending.delete(node);
      const gradient = applyHooks(node, arrived.gradient);
      if (wanted?.has(node)) result.set(node, alias(gradient));
      else if (node.destination) deliver(node, gradient);
      if (!isEnd(node)) {
        tidy(() => {
          const contributions = contributionsOf(node, gradient, onPath, !wanted, options);
          node.parents.forEach((parent, i) => {
            const contribution = contributions[i];
            if (parent && contribution && onPath.has(parent)) {
              checkContribution(node, parent, contribution);
              contribute(parent, contribution);
            }
          });
          return [...pending.values()].map(({ gradient }) => gradient);
        });
        if (!retainGraph) node.freeSaved();
      }
      gradient.dispose();
    }
  };
  if (createGraph) withRecording(walk);
  else noGrad(walk);
  return result;
}

function seedOf(y: Tensor, upstream: Tensor | undefined): Tensor {
  if (upstream) {
    if (sameShape(upstream.shape, y.shape)) return alias(upstream);
    throw new ShapeError(
      `backward: the upstream gradient ${formatShape(upstream.shape)} does not match the tensor ${formatShape(y.shape)}.`,
    );
  }
  if (y.size === 1) return onesLike(y);
  throw new ShapeError(
    `backward: a tensor of shape ${formatShape(y.shape)} is not a scalar; reduce it or pass { upstream }.`,
  );
}

/** The nodes on any path from `root` to a target, last made first. @param oldest smallest number of a target */
function pathsToTargets(
  root: TapeNode,
  oldest: number,
  isTarget: (node: TapeNode) => boolean,
  isEnd: (node: TapeNode) => boolean,
): TapeNode[] {
  const seen = new Set<TapeNode>([root]);
  for (const node of seen) {
    if (isEnd(node)) continue;
    for (const parent of node.parents) if (parent && parent.id >= oldest) seen.add(parent);
  }
  const ascending = [...seen].sort((a, b) => a.id - b.id);
  const leads = new Set<TapeNode>();
  for (const node of ascending) {
    const leadsOn = !isEnd(node) && node.parents.some(parent => parent !== undefined && leads.has(parent));
    if (leadsOn || isTarget(node)) leads.add(node);
  }
  return ascending.filter(node => leads.has(node)).reverse();
}

function applyHooks(node: TapeNode, gradient: Tensor): Tensor {
  if (node.hooks.length > 0 && gradient.device.isCapturing) {
    throw new UsageError(
      `backward: ${node.describe()} has a gradient hook, which the replays of a capture would not call.`,
    );
  }
  for (const hook of node.hooks) {
    const replacement = hook(gradient);
    if (replacement && replacement !== gradient) {
      checkContribution(node, node, replacement);
      gradient.dispose();
      gradient = alias(replacement);
    }
  }
  return gradient;
}

/** Puts a contribution where a leaf's gradient is collected. */
function deliver(leaf: TapeNode, contribution: Tensor): void {
  const destination = leaf.destination!;
  if (destination.hasGradient) {
    accumulateInto(destination.storage, contribution);
    return;
  }
  destination.hasGradient = true;
  const { storage } = contribution;
  const isThere =
    storage.allocation === destination.storage.allocation && storage.byteOffset === destination.storage.byteOffset;
  if (!isThere) contribution.device.copy(storage, destination.storage);
}

function checkContribution(node: TapeNode, target: TapeNode, contribution: Tensor): void {
  if (sameShape(contribution.shape, target.shape)) return;
  throw new ShapeError(
    `backward: the gradient of ${node.describe()} has shape ${formatShape(contribution.shape)} where ` +
      `${formatShape(target.shape)} is needed.`,
  );
}

/** The gradients that one node hands to its parents. */
function contributionsOf(
  node: TapeNode,
  upstream: Tensor,
  onPath: ReadonlySet<TapeNode>,
  toDestinations: boolean,
  options: BackwardOptions,
): readonly (Tensor | undefined)[] {
  const { rules, createGraph = false } = options;
  const op = node.op!;
  const { saved, parents } = node;
  const needs = parents.map(parent => parent !== undefined && onPath.has(parent));
  const { otherwise = 'gradient' } = rules ?? {};
  const own = rules?.rules[op.name];
  const rule = own ?? (typeof otherwise === 'function' ? otherwise : undefined);
  const inputsOf = () => saved.inputs.map((array, i) => node.restore(array, createGraph ? parents[i] : undefined));
  const context = (): GradientContext => ({
    inputs: inputsOf(),
    outputs: saved.outputs.map((array, i) => node.restore(array, createGraph && i === 0 ? node : undefined)),
    params: node.params,
    upstream,
    needs,
    into: parents.map((parent, i) => {
      const destination = toDestinations && needs[i] && parent!.hooks.length === 0 ? parent!.destination : undefined;
      const isOnly = parents.indexOf(parent) === parents.lastIndexOf(parent);
      return destination && !destination.hasGradient && isOnly ? destination.storage : undefined;
    }),
    recorded: createGraph,
  });
  const isFused = op.decompose !== undefined;
  if (rule) {
    // A fused kernel leaves nothing on the tape: where the gradient is itself recorded, a rule builds on the finer ops' one.
    const gradient: VectorJacobianProduct =
      isFused && createGraph
        ? changed => throughDecomposition(node, changed.inputs, changed, { createGraph })
        : op.gradient;
    const contributions = rule(context(), { name: op.name, gradient, isFused, describe: () => node.describe() });
    if (contributions) return contributions;
  }
  if (isFused && (rules || createGraph)) {
    return throughDecomposition(node, inputsOf(), { upstream, needs, params: node.params }, options);
  }
  if (otherwise === 'throw' && !own) throw new UsageError(`backward: the rules do not cover ${node.describe()}.`);
  return op.gradient(context());
}

/**
 * Runs a fused op again as finer ops and differentiates those. In a recorded pass every input keeps its place on the
 * tape, asked for or not: a second derivative may be taken with respect to what the first one passed over.
 */
function throughDecomposition(
  node: TapeNode,
  inputs: readonly Tensor[],
  { upstream, needs, params }: Pick<GradientContext, 'upstream' | 'needs' | 'params'>,
  { rules, createGraph }: BackwardOptions,
): (Tensor | undefined)[] {
  return withRecording(() => {
    // A node of its own per input keeps apart two inputs that are the same tensor.
    const own = inputs.map((input, i) => (needs[i] ? watch(identity(input)) : input));
    const y = withLabel(node.label ?? node.op!.name, () => node.op!.decompose!(own, params));
    const nodes = own.map(input => nodeOf(input));
    const wanted = new Set(nodes.filter((_, i) => needs[i]) as TapeNode[]);
    const found = runBackward(y, wanted, { upstream, rules, createGraph }, true);
    return nodes.map((input, i) => (needs[i] ? found.get(input!) : undefined));
  });
}
