/**
 * Optimizers work on a model's arenas: one kernel per range of parameters (with and without weight decay), however many
 * layers there are. What changes from step to step goes through a small `hyper` array on the device, so that a captured
 * step can be replayed: `prepare` writes it, `update` runs the kernels.
 */

import { runKernel } from '../../autograd/op.ts';
import type { Operand } from '../../devices/device.ts';
import { UsageError } from '../../devices/errors.ts';
import type { Kernel } from '../../devices/kernel.ts';
import { release, retain, type Storage, viewOf } from '../../devices/storage.ts';
import { fill } from '../../kernels/elementwise/index.ts';
import { clipByGlobalNorm } from '../../kernels/optimizer/index.ts';
import { reduce } from '../../kernels/reduce/index.ts';
import { tidy } from '../../tensor/lifetime.ts';
import { Tensor } from '../../tensor/tensor.ts';
import type { Arena } from '../arena.ts';
import type { Module } from '../module.ts';
import type { ParameterGroup } from '../parameter.ts';

export interface OptimizerOptions {
  readonly learningRate: number;
  /** Applied to filters and matrices; biases and batch-norm parameters only with `decayAll`. Default 0. */
  readonly weightDecay?: number;
  readonly decayAll?: boolean;
  /** Scale gradients down to this global norm. Default: no clipping. */
  readonly maxGradientNorm?: number;
}

interface RangeViews {
  readonly group: ParameterGroup;
  readonly values: Operand;
  readonly gradients: Operand;
  readonly states: readonly Operand[];
}

export abstract class Optimizer {
  learningRate: number;
  /** Steps taken; Adam's bias corrections depend on it. */
  stepCount = 0;
  readonly arena: Arena;
  readonly options: OptimizerOptions;
  /** State arrays over the whole arena (velocity; first and second moments), zero at the start. */
  readonly stateArrays: readonly Storage[];
  readonly #hyper: Storage;
  readonly #ranges: readonly RangeViews[];

  protected constructor(model: Module, options: OptimizerOptions, stateCount: number, hyperCount: number) {
    if (!(options.learningRate >= 0) || !((options.weightDecay ?? 0) >= 0)) {
      throw new UsageError('optimizer: learning rate and weight decay must not be negative.');
    }
    this.options = options;
    this.learningRate = options.learningRate;
    this.arena = model.arena;
    const { device, values, gradients } = this.arena;
    this.stateArrays = Array.from({ length: stateCount }, () => {
      const storage = device.allocate(values.length, 'float32');
      device.write(storage, new Float32Array(values.length));
      return storage;
    });
    this.#hyper = device.allocate(hyperCount, 'float32');
    this.#ranges = this.arena.ranges.map(({ group, start, length }) => {
      const view = (storage: Storage): Operand => ({ storage: viewOf(storage, start, length), shape: [length] });
      return { group, values: view(values), gradients: view(gradients), states: this.stateArrays.map(view) };
    });
  }

  /** What the kernel's `hyper` input holds in this step. */
  protected abstract hyper(): number[];
  /** The kernel for a range; `weightDecay` is 0 for parameters that are spared. */
  protected abstract kernelFor(weightDecay: number): { kernel: Kernel; params: unknown };

  /** Clips, updates every parameter and clears the gradients. */
  step(): void {
    this.prepare();
    this.update();
  }

  /** Counts the step and hands its hyper-parameters to the device. */
  prepare(): void {
    this.stepCount++;
    this.arena.device.write(this.#hyper, Float32Array.from(this.hyper()));
  }

  /** The device's part of a step. */
  update(): void {
    const { device } = this.arena;
    for (const parameter of this.arena.parametersWithoutGradient()) {
      const { shape } = parameter;
      device.run(fill, [], [parameter.gradient], { value: 0, shape, dtype: 'float32' as const });
    }
    this.#clip();
    const hyper: Operand = { storage: this.#hyper, shape: [this.#hyper.length] };
    for (const { group, values, gradients, states } of this.#ranges) {
      const decays = group === 'decay' || this.options.decayAll;
      const { kernel, params } = this.kernelFor(decays ? (this.options.weightDecay ?? 0) : 0);
      device.run(kernel, [gradients, hyper], [values, ...states], params);
    }
    this.arena.clearGradients();
  }

  #clip(): void {
    const { maxGradientNorm } = this.options;
    if (maxGradientNorm === undefined) return;
    const { device, gradients } = this.arena;
    const shape = [gradients.length];
    tidy(() => {
      const whole = new Tensor(retain(gradients), shape);
      const [sum] = runKernel(reduce, [whole], { op: 'sumOfSquares', axes: [0], keepDims: true });
      device.run(clipByGlobalNorm, [new Tensor(sum.storage, [1])], [whole], { maxNorm: maxGradientNorm, shape });
    });
  }

  dispose(): void {
    release(this.#hyper);
    for (const { values, gradients, states } of this.#ranges) {
      for (const { storage } of [values, gradients, ...states]) release(storage);
    }
    for (const storage of this.stateArrays) release(storage);
  }
}
