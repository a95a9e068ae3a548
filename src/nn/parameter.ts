/**
 * What a module owns: parameters, which are learned, and buffers, which are state (running statistics, constants). They
 * are declared with a shape and a way to fill them, and get their tensors when the whole model is laid out in its arenas
 * (`Module.initialize`), so that all of a model's parameters lie in one piece of memory.
 */
import { type GradientDestination, leafNode, type TapeNode } from '../autograd/tape.ts';
import { flag, refuse } from '../devices/checks.ts';
import { UsageError } from '../devices/errors.ts';
import { checkShape, type Shape } from '../devices/shape.ts';
import { fill } from '../kernels/elementwise/index.ts';
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
    checkShape(shape, this.constructor.name);
    if (typeof initializer !== 'function') refuse(this.constructor.name, 'initializer', initializer, 'a function');
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

/** Where a parameter's gradient is collected, and the tape's leaf that leads there. */
interface GradientPlace {
  readonly gradient: Tensor;
  readonly destination: GradientDestination;
  readonly leaf: TapeNode;
  readonly value: Tensor;
}

/** A learned array. */
export class Parameter extends Owned {
  readonly group: ParameterGroup;
  #place: GradientPlace | undefined;
  #trainable = true;

  constructor(shape: Shape, initializer: Initializer, group: ParameterGroup = 'decay') {
    super(shape, initializer);
    this.group = group;
  }

  /**
   * What the backward passes since the last step (or `zeroGrad`) have collected; the step leaves it to be looked at. It
   * means nothing where none came: see `hasGradient`.
   */
  get gradient(): Tensor {
    if (!this.#place) throw new UsageError('This parameter has no gradient yet: call initialize() on the model first.');
    return this.#place.gradient;
  }

  /** Whether a backward pass has reached it since the last step (or `zeroGrad`). */
  get hasGradient(): boolean {
    return this.#place?.destination.hasGradient ?? false;
  }

  /** Forgets the gradient: the next backward pass overwrites it. */
  zeroGrad(): void {
    if (this.#place) this.#place.destination.hasGradient = false;
  }

  /**
   * Whether backward passes give it a gradient and optimizers change it. Default true. A frozen parameter (false) leaves no
   * trace on the tape: what only leads to it is not computed. Its value, weight decay and the optimizer's state for it rest
   * until it is trainable again. See also `Module.freeze`.
   */
  get trainable(): boolean {
    return this.#trainable;
  }

  set trainable(trainable: boolean) {
    if (flag('Parameter', 'trainable', trainable) === this.#trainable) return;
    this.#trainable = trainable;
    this.#connect();
    if (!trainable) this.eraseGradient();
  }

  /** Forgets the gradient and makes it zeros, so that it counts for nothing where all of a model's are looked at. */
  eraseGradient(): void {
    this.zeroGrad();
    if (!this.#place || this.#place.gradient.isDisposed) return;
    const { gradient } = this.#place;
    const { shape, device } = gradient;
    device.run(fill, [], [gradient], { value: 0, shape, dtype: 'float32' as const });
  }

  /** The arena's business: `value` and `gradient` are views of the model's memory. */
  attachTrained(value: Tensor, gradient: Tensor): void {
    this.#place?.gradient.dispose();
    const leaf = leafNode(this.shape);
    const destination = { storage: gradient.storage, hasGradient: false };
    leaf.destination = destination;
    leaf.label = this.name;
    this.#place = { gradient, destination, leaf, value };
    this.attach(value);
    this.#connect();
  }

  #connect(): void {
    if (!this.#place || this.#place.value.isDisposed) return;
    const { value, leaf } = this.#place;
    // The tensor takes over a reference; one of the parameter's own stays.
    if (this.#trainable) leaf.retain();
    value.node = this.#trainable ? leaf : undefined;
  }
}

/** State that is saved with the model but not learned. */
export class Buffer extends Owned {}
