import { dropout } from '../../autograd/ops/dropout.ts';
import type { Device } from '../../devices/device.ts';
import { UsageError } from '../../devices/errors.ts';
import { advanceState } from '../../kernels/random/index.ts';
import { streamNamed } from '../../kernels/random/philox.ts';
import { tensor } from '../../tensor/creation.ts';
import { keep } from '../../tensor/lifetime.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { Module } from '../module.ts';

/**
 * Zeros each element with probability `rate` while training (Srivastava et al., 2014). The masks follow from a seed and a
 * counter that moves with every training call, on the device, so a captured step draws new masks at every replay.
 */
export class Dropout extends Module {
  readonly rate: number;
  readonly seed: number;
  #state: Tensor | undefined;

  constructor(rate: number, { seed = 0 }: { seed?: number } = {}) {
    super();
    if (!(rate >= 0 && rate <= 1)) throw new UsageError(`Dropout: the rate must lie between 0 and 1, not ${rate}.`);
    this.rate = rate;
    this.seed = seed;
  }

  /** The counted random state, uint32 [4]; saved with checkpoints. */
  state(device: Device): Tensor {
    if (!this.#state || this.#state.isDisposed || this.#state.device !== device) {
      const words = Uint32Array.of(this.seed, streamNamed(`${this.path}.dropout`), 0, 0);
      this.#state = keep(tensor(words, [4], { device }));
    }
    return this.#state;
  }

  protected override disposeState(): void {
    this.#state?.dispose();
    this.#state = undefined;
  }

  forward(x: Tensor): Tensor {
    if (!this.isTraining || this.rate === 0) return x;
    const state = this.state(x.device);
    // The op's gradient needs the state as it was, so the mask is drawn from a copy.
    const before = copyOf(state);
    x.device.run(advanceState, [], [state], { by: 1 });
    return dropout(x, this.rate, before);
  }
}

function copyOf(state: Tensor): Tensor {
  const copy = new Tensor(state.device.allocate(state.size, state.dtype), state.shape);
  state.device.copy(state.storage, copy.storage);
  return copy;
}
