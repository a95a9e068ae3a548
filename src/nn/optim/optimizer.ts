/**
 * Optimizers work on a model's arenas: one kernel per run of neighbouring parameters that are treated alike, which usually
 * is one for those with and one for those without weight decay, however many layers there are. A step changes only what a
 * backward pass has reached since the step before, as in PyTorch: what is frozen or took no part keeps its value and its
 * state. What changes from step to step goes through a small `hyper` array on the device, so that a captured step can be
 * replayed: `prepare` writes it, `update` runs the kernels.
 */

import { runKernel } from '../../autograd/op.ts';
import { add, affine } from '../../autograd/ops/elementwise.ts';
import { concat } from '../../autograd/ops/layout.ts';
import { noGrad } from '../../autograd/tape.ts';
import { flag, nonNegative, nonNegativeInteger, positive } from '../../devices/checks.ts';
import type { Operand } from '../../devices/device.ts';
import { ShapeError, UsageError } from '../../devices/errors.ts';
import type { Kernel } from '../../devices/kernel.ts';
import { release, type Storage, VIEW_ALIGNMENT, viewOf } from '../../devices/storage.ts';
import { CLIP_UNIT, clipByGlobalNorm } from '../../kernels/optimizer/index.ts';
import { reduce } from '../../kernels/reduce/index.ts';
import { tidy } from '../../tensor/lifetime.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { type Arena, allocateAll, padded } from '../arena.ts';
import type { Parameter } from '../parameter.ts';
import { Cohorts } from './cohorts.ts';
import { type Optimized, type ResolvedGroup, resolveGroups } from './groups.ts';

export interface OptimizerOptions {
  readonly learningRate: number;
  /** Applied to filters and matrices; biases and batch-norm parameters only with `decayAll`. Default 0. */
  readonly weightDecay?: number;
  readonly decayAll?: boolean;
  /** Scale the gradients of the optimizer's parameters down to this global norm. Default: no clipping. */
  readonly maxGradientNorm?: number;
}

/** Names of the options that every optimizer has. */
export const SHARED_OPTIONS: readonly string[] = ['learningRate', 'weightDecay', 'decayAll', 'maxGradientNorm'];

/** What a kind of optimizer keeps on the device. */
export interface OptimizerMemory {
  /** Arrays over the whole arena (velocity; first and second moments), zero at the start. */
  readonly states: number;
  /** Numbers that the kernel's `hyper` input holds. */
  readonly hypers: number;
}

/** Hyper-parameters of a cohort lie this many elements after those of the one before. */
const SLOT = VIEW_ALIGNMENT / 4;

/** A parameter of the optimizer, and where it lies in the arena. */
interface Member {
  readonly parameter: Parameter;
  readonly weightDecay: number;
  readonly start: number;
  /** Behind its padding. */
  readonly end: number;
}

interface Span {
  start: number;
  end: number;
}

/** Neighbours that one kernel call updates. */
interface Run extends Span {
  readonly slot: number;
  readonly weightDecay: number;
}

interface BoundRun {
  readonly weightDecay: number;
  readonly hyper: Operand;
  readonly values: Operand;
  readonly gradients: Operand;
  readonly states: readonly Operand[];
}

export abstract class Optimizer {
  readonly arena: Arena;
  readonly options: OptimizerOptions;
  /** State arrays over the whole arena (velocity; first and second moments), zero at the start. */
  readonly stateArrays: readonly Storage[];
  /** The parameters and their options, as resolved. */
  readonly groups: readonly ResolvedGroup[];
  readonly #name = this.constructor.name;
  readonly #hypers: number;
  readonly #hyper: Storage;
  readonly #members: readonly Member[];
  readonly #cohorts: Cohorts;
  #learningRate: number;
  /** Which members the last step reached, and the kernel calls for them. */
  #plan: { readonly reached: readonly boolean[]; readonly runs: readonly BoundRun[] } | undefined;
  #disposed = false;

  /**
   * @param optimized a model, a part of one, parameters, or groups of these with rates and decays of their own
   * @throws UsageError naming the option that cannot mean anything; nothing has been allocated then
   */
  protected constructor(optimized: Optimized, options: OptimizerOptions, { states, hypers }: OptimizerMemory) {
    const { learningRate, weightDecay = 0, decayAll = false, maxGradientNorm } = options;
    const name = this.#name;
    nonNegative(name, 'learningRate', learningRate);
    nonNegative(name, 'weightDecay', weightDecay);
    flag(name, 'decayAll', decayAll);
    if (maxGradientNorm !== undefined) positive(name, 'maxGradientNorm', maxGradientNorm);
    const { arena, groups } = resolveGroups(name, optimized, { learningRate, weightDecay, decayAll });
    this.options = options;
    this.#learningRate = learningRate;
    this.arena = arena;
    this.groups = groups;
    const groupOf = new Map(
      groups.flatMap(({ parameters }, i) => parameters.map(parameter => [parameter, i] as const)),
    );
    const ownIndices = arena.parameters.flatMap((parameter, i) => (groupOf.has(parameter) ? [i] : []));
    this.#members = ownIndices.map(i => memberOf(arena, i, groups[groupOf.get(arena.parameters[i])!]));
    this.#cohorts = new Cohorts(this.#members.map(({ parameter }) => groupOf.get(parameter)!));
    const { device, values } = arena;
    this.#hypers = hypers;
    const slots = new Float32Array((this.#members.length - 1) * SLOT + hypers);
    const zeros = Array.from({ length: states }, () => new Float32Array(values.length));
    [this.#hyper, ...this.stateArrays] = allocateAll(device, [slots, ...zeros]);
  }

  /**
   * Rate of the parameters without a rate of their own; setting it scales the others' in proportion.
   * @throws UsageError when it is set to what is no finite number of at least 0
   */
  get learningRate(): number {
    return this.#learningRate;
  }

  set learningRate(rate: number) {
    this.#learningRate = nonNegative(this.#name, 'learningRate', rate);
  }

  /** Steps taken: by the parameter that has taken most. Adam's bias corrections depend on each parameter's own. */
  get stepCount(): number {
    return Math.max(...this.#cohorts.steps);
  }

  set stepCount(steps: number) {
    nonNegativeInteger(this.#name, 'stepCount', steps);
    this.#setSteps(() => steps);
  }

  /** Steps that each parameter of the arena has taken under this optimizer; 0 for those that it does not own. */
  get parameterSteps(): Uint32Array {
    const steps = this.#cohorts.steps;
    const stepsOf = new Map(this.#members.map(({ parameter }, i) => [parameter, steps[i]]));
    return Uint32Array.from(this.arena.parameters, parameter => stepsOf.get(parameter) ?? 0);
  }

  set parameterSteps(steps: ArrayLike<number>) {
    const { parameters } = this.arena;
    if (steps.length !== parameters.length) {
      throw new ShapeError(
        `${this.#name}: ${steps.length} step counts do not fit the model's ${parameters.length} parameters.`,
      );
    }
    const stepsOf = new Map(parameters.map((parameter, i) => [parameter, steps[i]]));
    this.#setSteps(parameter => stepsOf.get(parameter)!);
  }

  #setSteps(stepsOf: (parameter: Parameter) => number): void {
    this.#cohorts.steps = this.#members.map(({ parameter }) => stepsOf(parameter));
    // Parameters may have moved to slots of their own, so the kernel calls are made anew.
    this.#releasePlan();
  }

  /** What the kernel's `hyper` input holds in a parameter's step of this number, from 1. */
  protected abstract hyper(learningRate: number, step: number): number[];
  /** The kernel for a run; `weightDecay` is 0 for parameters that are spared. */
  protected abstract kernelFor(weightDecay: number): { kernel: Kernel; params: unknown };

  /**
   * Clips, updates the parameters that have a gradient, and clears the gradients. Parameters that no backward pass has
   * reached since the last step, frozen ones among them, are left alone: value, state and step count.
   * @throws UsageError after `dispose`, or when the model was disposed or laid out anew
   */
  step(): void {
    this.prepare();
    this.update();
  }

  /** Counts the step and hands its hyper-parameters to the device. Before a replay, that of the last recorded `update`. */
  prepare(): void {
    this.#checkAlive();
    const slots = this.#cohorts.next();
    const values = new Float32Array((slots.length - 1) * SLOT + this.#hypers);
    slots.forEach(({ group, step }, slot) => {
      values.set(this.hyper(this.#rateOf(this.groups[group]), step), slot * SLOT);
    });
    const written = viewOf(this.#hyper, 0, values.length);
    try {
      this.arena.device.write(written, values);
    } finally {
      release(written);
    }
    this.#cohorts.count();
  }

  /** The device's part of a step. */
  update(): void {
    this.#checkAlive();
    const { device } = this.arena;
    const reached = this.#members.map(({ parameter }) => parameter.trainable && parameter.hasGradient);
    // What no pass has reached may still hold an old gradient, which must count in no norm.
    this.#members.forEach(({ parameter }, i) => {
      if (!reached[i] && (parameter.trainable || parameter.hasGradient)) parameter.eraseGradient();
    });
    const runs = this.#runsFor(reached);
    if (runs.length > 0) this.#clip();
    for (const { weightDecay, hyper, values, gradients, states } of runs) {
      const { kernel, params } = this.kernelFor(weightDecay);
      device.run(kernel, [gradients, hyper], [values, ...states], params);
    }
    for (const { parameter } of this.#members) parameter.zeroGrad();
  }

  #rateOf({ learningRate }: ResolvedGroup): number {
    if (learningRate === undefined) return this.#learningRate;
    return learningRate === 0 ? 0 : learningRate * (this.#learningRate / this.options.learningRate);
  }

  /** The kernel calls of a step that reaches these members; made anew only when others are reached than before. */
  #runsFor(reached: readonly boolean[]): readonly BoundRun[] {
    const before = this.#plan;
    if (before && reached.every((is, i) => is === before.reached[i])) return before.runs;
    this.#cohorts.settle(i => reached[i]);
    const runs: Run[] = [];
    this.#members.forEach(({ start, end, weightDecay }, i) => {
      if (!reached[i] || start === end) return;
      const slot = this.#cohorts.slotOf(i);
      const last = runs.at(-1);
      if (last && last.end === start && last.slot === slot && last.weightDecay === weightDecay) last.end = end;
      else runs.push({ start, end, slot, weightDecay });
    });
    const { values, gradients } = this.arena;
    const bound = runs.map(({ slot, weightDecay, ...span }): BoundRun => {
      const view = (storage: Storage) => viewAs(storage, span);
      const hyper = viewAs(this.#hyper, { start: slot * SLOT, end: slot * SLOT + this.#hypers });
      return {
        weightDecay,
        hyper,
        values: view(values),
        gradients: view(gradients),
        states: this.stateArrays.map(view),
      };
    });
    this.#releasePlan();
    this.#plan = { reached, runs: bound };
    return bound;
  }

  #clip(): void {
    const { maxGradientNorm } = this.options;
    if (maxGradientNorm === undefined) return;
    const { gradients, parameters } = this.arena;
    // Padding, and what no pass has reached, is zero: a model's gradients are one array, whatever was reached of it.
    const isWhole = this.#members.length === parameters.length;
    const spans = isWhole ? [{ start: 0, end: gradients.length }] : joined(this.#members);
    tidy(() => {
      const arrays = spans.map(({ start, end }) => new Tensor(viewOf(gradients, start, end - start), [end - start]));
      const sums = noGrad(() => {
        const scaled = arrays.map(array => affine(array, CLIP_UNIT, 0));
        return concat([arrays, scaled].map(sumOfAllSquares), 0);
      });
      for (const array of arrays) {
        const { shape, device } = array;
        device.run(clipByGlobalNorm, [sums], [array], { maxNorm: maxGradientNorm, shape });
      }
    });
  }

  #checkAlive(): void {
    if (this.#disposed) throw new UsageError(`${this.#name}: this optimizer has been disposed.`);
    this.arena.checkCurrent(this.#name);
  }

  #releasePlan(): void {
    for (const { hyper, values, gradients, states } of this.#plan?.runs ?? []) {
      for (const { storage } of [hyper, values, gradients, ...states]) release(storage);
    }
    this.#plan = undefined;
  }

  /** Frees the optimizer's state; doing it twice is harmless. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#releasePlan();
    for (const storage of [this.#hyper, ...this.stateArrays]) release(storage);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function memberOf(arena: Arena, index: number, { weightDecay, decayAll }: ResolvedGroup): Member {
  const parameter = arena.parameters[index];
  const { start, length } = arena.parameterEntries[index];
  const decays = parameter.group === 'decay' || decayAll;
  return { parameter, weightDecay: decays ? weightDecay : 0, start, end: start + padded(length) };
}

/** Of several arrays [n] together; shape [1]. */
function sumOfAllSquares(arrays: readonly Tensor[]): Tensor {
  const sums = arrays.map(array => {
    const [{ storage }] = runKernel(reduce, [array], { op: 'sumOfSquares', axes: [0], keepDims: true });
    return new Tensor(storage, [1]);
  });
  return sums.reduce((total, part) => add(total, part));
}

const viewAs = (storage: Storage, { start, end }: Span): Operand => ({
  storage: viewOf(storage, start, end - start),
  shape: [end - start],
});

/** The fewest spans that cover these, given in order. */
function joined(spans: readonly Span[]): Span[] {
  const out: Span[] = [];
  for (const { start, end } of spans) {
    const last = out.at(-1);
    if (last?.end === start) last.end = end;
    else if (end > start) out.push({ start, end });
  }
  return out;
}
