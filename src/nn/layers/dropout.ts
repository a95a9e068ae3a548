import { dropout } from '../../autograd/ops/dropout.ts';
import { fraction, knownOptions, seed32 } from '../../devices/checks.ts';
import type { Device } from '../../devices/device.ts';
import { advanceState } from '../../kernels/random/index.ts';
import { streamNamed } from '../../kernels/random/philox.ts';
import { tensor } from '../../tensor/creation.ts';
import { keep } from '../../tensor/lifetime.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { Module } from '../module.ts';

export interface DropoutOptions {
  /** Of the masks, 0 to 4294967295. Default: the seed that the model is initialised with; 0 outside a model. */
  readonly seed?: number;
}

let made = 0;

/**
 * Zeros each element with probability `rate` while training (Srivastava et al., 2014). The masks follow from the seed, the
 * module's place in the model, and a counter that moves with every training call, on the device, so a captured step draws
 * new masks at every replay. Masks are the same on every device. Outside a model they follow from a given seed alone;
 * without one, each dropout has a stream of its own, told by how many were made before it.
 */
export class Dropout extends Module {
  readonly rate: number;
  readonly #seed: number | undefined;
  readonly #number = ++made;
  #state: Tensor | undefined;

  /** @throws UsageError when the rate is not in [0, 1] or the seed not one of 32 bits */
  constructor(rate: number, options: DropoutOptions = {}) {
    super();
    this.rate = fraction('Dropout', 'rate', rate);
    const { seed } = knownOptions('Dropout', options, ['seed']);
    this.#seed = seed === undefined ? undefined : seed32('Dropout', 'seed', seed);
  }

  /** What the masks follow from. */
  get seed(): number {
    return this.#seed ?? this.modelSeed ?? 0;
  }

  /** The counted random state, uint32 [4]; saved with checkpoints. */
  state(device: Device): Tensor {
    if (!this.#state || this.#state.isDisposed || this.#state.device !== device) {
      const isInModel = this.modelSeed !== undefined || this.path !== '';
      const alone = this.#seed === undefined ? `dropout ${this.#number}` : 'dropout';
      const stream = streamNamed(isInModel ? `${this.path}.dropout` : alone);
      this.#state?.dispose();
      this.#state = keep(tensor(Uint32Array.of(this.seed, stream, 0, 0), [4], { device }));
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
    let y: Tensor;
    try {
      y = dropout(x, this.rate, before);
    } catch (error) {
      before.dispose();
      throw error;
    }
    x.device.run(advanceState, [], [state], { by: 1 });
    return y;
  }
}

function copyOf(state: Tensor): Tensor {
  const copy = new Tensor(state.device.allocate(state.size, state.dtype), state.shape);
  state.device.copy(state.storage, copy.storage);
  return copy;
}
