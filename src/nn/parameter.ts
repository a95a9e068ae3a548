/**
 * What a module owns: parameters, which are learned, and buffers, which are state (running statistics, constants). They
 * are declared with a shape and a way to fill them, and get their tensors when the whole model is laid out in its arenas
 * (`Module.initialize`), so that all of a model's parameters lie in one piece of memory.
 */
import { UsageError } from '../devices/errors.ts';
import type { Shape } from '../devices/shape.ts';
import type { PhiloxStream } from '../kernels/random/philox.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Fills an array with initial values; `random` is the parameter's own stream. */
export type Initializer = (values: Float32Array, shape: Shape, random: PhiloxStream) => void;

/** Whether weight decay applies: usual for filters and matrices, not for biases and batch-norm scales. */
export type ParameterGroup = 'decay' | 'noDecay';

let standIn: ((shape: Shape) => Tensor) | undefined;

/**
 * Runs `f` with what `make` gives in the place of every parameter and buffer, initialised or not: a pass that is only
 * about shapes needs no values.
 */
export function withStandIns<T>(make: (shape: Shape) => Tensor, f: () => T): T {
  const before = standIn;
  standIn = make;
  try {
    return f();
  } finally {
    standIn = before;
  }
}

abstract class Owned {
  readonly shape: Shape;
  readonly initializer: Initializer;
  /** Path within the model, e.g. `block1.conv.weight`. Set by `Module.initialize`. */
  name = '';
  #tensor: Tensor | undefined;

  constructor(shape: Shape, initializer: Initializer) {
    this.shape = shape;
    this.initializer = initializer;
  }

  /** The value. Throws UsageError before the model was initialised. */
  get value(): Tensor {
    if (standIn) return standIn(this.shape);
    if (!this.#tensor) throw new UsageError('This parameter has no value yet: call initialize() on the model first.');
    return this.#tensor;
  }

  get isInitialized(): boolean {
    return this.#tensor !== undefined;
  }

  /** The arena's business. */
  attach(tensor: Tensor): void {
    this.#tensor?.dispose();
    this.#tensor = tensor;
  }
}

/** A learned array. */
export class Parameter extends Owned {
  readonly group: ParameterGroup;
  #gradient: Tensor | undefined;

  constructor(shape: Shape, initializer: Initializer, group: ParameterGroup = 'decay') {
    super(shape, initializer);
    this.group = group;
  }

  /** What the last backward passes collected. */
  get gradient(): Tensor {
    if (!this.#gradient)
      throw new UsageError('This parameter has no gradient yet: call initialize() on the model first.');
    return this.#gradient;
  }

  attachGradient(gradient: Tensor): void {
    this.#gradient?.dispose();
    this.#gradient = gradient;
  }
}

/** State that is saved with the model but not learned. */
export class Buffer extends Owned {}
