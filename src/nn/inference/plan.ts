/**
 * From the layers of a model to the steps of a forward pass: which batch norms become part of the layer before them, which
 * activations are computed in a layer's last step, what falls away, and what is left as it is.
 */

import { conv2d } from '../../autograd/ops/conv2d.ts';
import { add } from '../../autograd/ops/elementwise.ts';
import { linear } from '../../autograd/ops/matmul.ts';
import type { TapeNode } from '../../autograd/tape.ts';
import { formatShape } from '../../devices/shape.ts';
import type { FusedActivation } from '../../kernels/matmul/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Activation } from '../layers/activation.ts';
import { BatchNorm2d } from '../layers/batchnorm.ts';
import { Conv2d } from '../layers/conv2d.ts';
import { Dropout } from '../layers/dropout.ts';
import { Linear } from '../layers/linear.ts';
import { normalizeAddActivate } from '../models/mini-resnet.ts';
import type { Module } from '../module.ts';
import type { Item, SumItem } from './lower.ts';

/** A layer that is to take in the batch norm behind it; `weight` and `bias` are what it then has. */
export interface Fold {
  readonly layer: Conv2d | Linear;
  readonly norm: BatchNorm2d;
  weight: Tensor | undefined;
  bias: Tensor | undefined;
}

/** What happened to the layers, by their paths. */
export interface PlanFacts {
  /** Layers whose batch norm is part of their weights. */
  readonly folded: { readonly layer: string; readonly norm: string }[];
  /** Activations computed in the last step of the layer before them. */
  readonly fusedActivations: string[];
  /** Layers that do nothing in evaluation mode. */
  readonly removed: string[];
  /** Batch norms behind a convolution or linear layer that were left alone, and modules that run as they are, with the reason. */
  readonly leftAlone: { readonly module: string; readonly reason: string }[];
}

/** Runs a layer, or several; `x` stays the caller's. */
export type Step = (x: Tensor, pass: StepRunner) => Tensor;

export interface StepRunner {
  /** Runs steps one after the other and lets go of every value once it has been used; `x` stays the caller's. */
  run(steps: readonly Step[], x: Tensor): Tensor;
  /** Lets go of a value that `run` gave. */
  drop(x: Tensor): void;
}

export interface Plan {
  readonly steps: readonly Step[];
  readonly folds: readonly Fold[];
  /** Modules that run as they are. */
  readonly opaque: readonly Module[];
  readonly facts: PlanFacts;
}

/** @param mayFold why a batch norm shall not become part of a layer; undefined where it may */
export function planSteps(
  items: readonly Item[],
  whyNotFold: (layer: Conv2d | Linear, norm: BatchNorm2d) => string | undefined,
): Plan {
  const planner = new Planner(whyNotFold);
  const steps = planner.stepsOf(items);
  return { steps, folds: planner.folds, opaque: planner.opaque, facts: planner.facts };
}

class Planner {
  readonly folds: Fold[] = [];
  readonly opaque: Module[] = [];
  readonly facts: PlanFacts = { folded: [], fusedActivations: [], removed: [], leftAlone: [] };
  readonly #whyNotFold: (layer: Conv2d | Linear, norm: BatchNorm2d) => string | undefined;

  constructor(whyNotFold: (layer: Conv2d | Linear, norm: BatchNorm2d) => string | undefined) {
    this.#whyNotFold = whyNotFold;
  }

  stepsOf(given: readonly Item[]): Step[] {
    const items = given.filter(item => !this.#isRemoved(item));
    const steps: Step[] = [];
    for (let i = 0; i < items.length; ) {
      const used = this.#addStep(items.slice(i, i + 3), steps);
      i += used;
    }
    return steps;
  }

  #isRemoved(item: Item): boolean {
    if (item.kind !== 'layer') return false;
    const { module } = item;
    const does = module instanceof Dropout || (module instanceof Activation && module.kind === 'identity');
    if (does) this.facts.removed.push(module.path);
    return does;
  }

  /** Adds the step that begins with the first of `items`; returns how many of them it does. */
  #addStep([first, second, third]: readonly Item[], steps: Step[]): number {
    if (first.kind === 'sum') return steps.push(this.#sum(first)) && 1;
    const { module } = first;
    if (first.kind === 'opaque') {
      this.opaque.push(module);
      this.facts.leftAlone.push({ module: module.path, reason: first.reason });
      return steps.push(x => module.call(x)) && 1;
    }
    const isContraction = module instanceof Conv2d || module instanceof Linear;
    const norm = isContraction ? normOf(second) : undefined;
    if (isContraction && norm && this.#canFold(module, norm)) {
      const act = reluOf(third);
      steps.push(this.#folded(module, norm, act ? 'relu' : 'none'));
      return 2 + this.#fuse(act);
    }
    const act = reluOf(second);
    if (act && (isContraction || module instanceof BatchNorm2d)) {
      steps.push(x => module.forwardFused(x, 'relu'));
      return 1 + this.#fuse(act);
    }
    return steps.push(x => module.call(x)) && 1;
  }

  #canFold(layer: Conv2d | Linear, norm: BatchNorm2d): boolean {
    const reason = this.#whyNotFold(layer, norm);
    if (reason !== undefined) this.facts.leftAlone.push({ module: norm.path, reason });
    return reason === undefined;
  }

  #fuse(act: Activation | undefined): number {
    if (!act) return 0;
    this.facts.fusedActivations.push(act.path);
    return 1;
  }

  #folded(layer: Conv2d | Linear, norm: BatchNorm2d, activation: FusedActivation): Step {
    const fold: Fold = { layer, norm, weight: undefined, bias: undefined };
    this.folds.push(fold);
    this.facts.folded.push({ layer: layer.path, norm: norm.path });
    return layer instanceof Conv2d
      ? x => conv2d(x, fold.weight!, { ...layer.options, bias: fold.bias!, activation })
      : x => linear(x, fold.weight!, fold.bias!, activation);
  }

  #sum({ entry, main, shortcut, norm, act }: SumItem): Step {
    const [entrySteps, mainSteps] = [this.stepsOf(entry), this.stepsOf(main)];
    const shortcutSteps = shortcut && this.stepsOf(shortcut);
    if (norm && act) this.facts.fusedActivations.push(act.path);
    return (x, pass) => {
      const ready = pass.run(entrySteps, x);
      const y = pass.run(mainSteps, ready);
      const side = shortcutSteps ? pass.run(shortcutSteps, ready) : x;
      const sum = norm && act ? normalizeAddActivate(norm, act, y, side) : add(y, side);
      for (const used of new Set([ready, y, side])) if (used !== x) pass.drop(used);
      return sum;
    };
  }
}

const normOf = (item: Item | undefined): BatchNorm2d | undefined =>
  item?.kind === 'layer' && item.module instanceof BatchNorm2d ? item.module : undefined;

const reluOf = (item: Item | undefined): Activation | undefined =>
  item?.kind === 'layer' && item.module instanceof Activation && item.module.kind === 'relu' ? item.module : undefined;

/** Reasons that lie in the layers themselves. */
export function obstacleToFolding(layer: Conv2d | Linear, norm: BatchNorm2d): string | undefined {
  const parameters = [layer.weight, layer.bias, norm.gamma, norm.beta];
  const isHooked = parameters.some(parameter => (parameter?.value.node as TapeNode | undefined)?.hooks.length);
  if (isHooked) return `a gradient hook hangs on a parameter of it or of ${layer.path}`;
  const outputs = layer.weight.shape.at(-1);
  if (norm.gamma.shape[0] !== outputs) {
    return `its ${formatShape(norm.gamma.shape)} channels are not the ${outputs} of ${layer.path}`;
  }
  return undefined;
}
