/**
 * An exponential moving average of a model's parameters, which usually generalises better than the last ones. Buffers
 * (running statistics) are averaged too, so that the averaged model can be evaluated as it stands.
 */
import { add, affine, clamp, reciprocal } from '../../autograd/ops/elementwise.ts';
import { concat } from '../../autograd/ops/layout.ts';
import { noGrad } from '../../autograd/tape.ts';
import { flag, fraction, knownOptions } from '../../devices/checks.ts';
import { UsageError } from '../../devices/errors.ts';
import { release, retain, type Storage } from '../../devices/storage.ts';
import { emaStep } from '../../kernels/optimizer/index.ts';
import { tidy } from '../../tensor/lifetime.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { type Arena, allocateAll } from '../arena.ts';
import type { Module } from '../module.ts';

export interface MovingAverageOptions {
  /**
   * Let update t (from 0) decay by no more than (1 + t) / (10 + t), so that the values at the start, which say nothing yet,
   * are soon forgotten (as num_updates of TensorFlow's moving averages). Default false.
   */
  readonly warmUp?: boolean;
}

export class ExponentialMovingAverage {
  readonly decay: number;
  readonly warmUp: boolean;
  readonly arena: Arena;
  /** Averages of the parameters and of the buffers, laid out like the arena. */
  readonly values: Storage;
  readonly state: Storage;
  /** Updates so far, float32 [1]; with `warmUp` only. It is counted on the device, so that a captured update can be replayed. */
  readonly updates: Storage | undefined;
  readonly #hyper: Storage;
  #disposed = false;

  /**
   * @param decay share of the average that an update keeps, 0 to 1
   * @throws UsageError when it is not; nothing has been allocated then
   */
  constructor(model: Module, decay: number, options: MovingAverageOptions = {}) {
    const { warmUp = false } = knownOptions('ExponentialMovingAverage', options, ['warmUp']);
    this.decay = fraction('ExponentialMovingAverage', 'decay', decay);
    this.warmUp = flag('ExponentialMovingAverage', 'warmUp', warmUp);
    this.arena = model.arena;
    const { device, values, state } = this.arena;
    const contents = [
      new Float32Array(values.length),
      new Float32Array(state.length),
      Float64Array.of(1 - decay, decay),
    ];
    [this.values, this.state, this.#hyper, this.updates] = allocateAll(
      device,
      warmUp ? [...contents, new Float32Array(1)] : contents,
    );
    this.restart();
  }

  /** What an update changes. */
  get stateArrays(): readonly Storage[] {
    return this.updates ? [this.values, this.state, this.updates] : [this.values, this.state];
  }

  /** Begins again with the model's present values. */
  restart(): void {
    this.#checkAlive();
    const { device, values, state } = this.arena;
    device.copy(values, this.values);
    device.copy(state, this.state);
    if (this.updates) device.write(this.updates, new Float32Array(1));
  }

  /**
   * Moves the average towards the model; call it after every optimizer step.
   * @throws UsageError after `dispose`, or when the model was disposed or laid out anew; so do `restart` and `swap`
   */
  update(): void {
    this.#checkAlive();
    if (this.updates) this.#warmUp(this.updates);
    const { device, values, state } = this.arena;
    const hyper = { storage: this.#hyper, shape: [2] };
    for (const [current, average] of [
      [values, this.values],
      [state, this.state],
    ]) {
      const shape = [current.length];
      device.run(emaStep, [{ storage: current, shape }, hyper], [{ storage: average, shape }], {});
    }
  }

  /** Sets 1 - decay to 9 / (10 + updates), or to its last value where that is greater, and counts the update. */
  #warmUp(updates: Storage): void {
    const { device } = this.arena;
    tidy(() =>
      noGrad(() => {
        const count = new Tensor(retain(updates), [1]);
        const rest = clamp(reciprocal(affine(count, 1 / 9, 10 / 9)), 1 - this.decay, 1);
        device.copy(concat([rest, affine(rest, -1, 1)], 0).storage, this.#hyper);
        device.copy(add(count, 1).storage, updates);
      }),
    );
  }

  /** Exchanges the model's values with the averages; call it again to change back. */
  swap(): void {
    this.#checkAlive();
    const { device, values, state } = this.arena;
    for (const [current, average] of [
      [values, this.values],
      [state, this.state],
    ]) {
      const held = device.allocate(current.length, 'float32');
      device.copy(current, held);
      device.copy(average, current);
      device.copy(held, average);
      release(held);
    }
  }

  #checkAlive(): void {
    if (this.#disposed) throw new UsageError('ExponentialMovingAverage: this average has been disposed.');
    this.arena.checkCurrent('ExponentialMovingAverage');
  }

  /** Frees the averages; doing it twice is harmless. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const storage of [...this.stateArrays, this.#hyper]) release(storage);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
