/**
 * An exponential moving average of a model's parameters, which usually generalises better than the last ones. Buffers
 * (running statistics) are averaged too, so that the averaged model can be evaluated as it stands.
 */
import { release, type Storage } from '../../devices/storage.ts';
import { emaStep } from '../../kernels/optimizer/index.ts';
import type { Arena } from '../arena.ts';
import type { Module } from '../module.ts';

export class ExponentialMovingAverage {
  readonly decay: number;
  readonly arena: Arena;
  /** Averages of the parameters and of the buffers, laid out like the arena. */
  readonly values: Storage;
  readonly state: Storage;
  readonly #hyper: Storage;

  constructor(model: Module, decay: number) {
    this.decay = decay;
    this.arena = model.arena;
    const { device, values, state } = this.arena;
    this.values = device.allocate(values.length, 'float32');
    this.state = device.allocate(state.length, 'float32');
    this.#hyper = device.allocate(1, 'float32');
    device.write(this.#hyper, Float32Array.of(decay));
    this.restart();
  }

  /** Begins again with the model's present values. */
  restart(): void {
    const { device, values, state } = this.arena;
    device.copy(values, this.values);
    device.copy(state, this.state);
  }

  /** Moves the average towards the model; call it after every optimizer step. */
  update(): void {
    const { device, values, state } = this.arena;
    const hyper = { storage: this.#hyper, shape: [1] };
    for (const [current, average] of [
      [values, this.values],
      [state, this.state],
    ]) {
      const shape = [current.length];
      device.run(emaStep, [{ storage: current, shape }, hyper], [{ storage: average, shape }], {});
    }
  }

  /** Exchanges the model's values with the averages; call it again to change back. */
  swap(): void {
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

  dispose(): void {
    for (const storage of [this.values, this.state, this.#hyper]) release(storage);
  }
}
