/**
 * A tensor is a shape over a storage on a device, plus (privately) its place on the autograd tape. It is a value: no
 * operation changes or consumes it. Only parameters, running statistics and what a device is told to write change in
 * place; a tensor that shares their memory (`detach`, `reshape`) says so when it is read afterwards, see
 * devices/versions.ts. Storage is shared and reference counted, so `dispose` only lets go of this tensor's share; a
 * finalizer does the same for tensors that are dropped without it.
 */
import type { Device, Operand } from '../devices/device.ts';
import type { DType, TypedArray } from '../devices/dtype.ts';
import { UsageError } from '../devices/errors.ts';
import { formatShape, type Shape, sizeOf } from '../devices/shape.ts';
import { release, type Storage } from '../devices/storage.ts';
import { Disposable, registerInScope } from './lifetime.ts';

/** What the tape hangs on a tensor: counted like storage, so that dropping the last tensor frees what was saved. */
export interface GraphNode {
  retain(): void;
  release(): void;
}

/** Why a tensor may hold NaN: asked when a read finds one, since looking any earlier would wait for the device. */
export interface NaNExplanation {
  /** The error to throw, or undefined where the NaN has another reason. */
  find(): Promise<Error | undefined>;
  /** Lets go of what `find` needs. */
  release(): void;
}

interface Holdings {
  readonly storage: Storage;
  node: GraphNode | undefined;
  explanation?: NaNExplanation;
}

function releaseHoldings({ storage, node, explanation }: Holdings): void {
  node?.release();
  // A destroyed device has dropped its memory already.
  if (storage.allocation.references > 0) {
    release(storage);
    explanation?.release();
  }
}

let liveTensors = 0;

const abandoned = new FinalizationRegistry<Holdings>(holdings => {
  liveTensors--;
  releaseHoldings(holdings);
});

/** Nested arrays of numbers, as deep as the tensor's rank. */
export type NestedArray = number | NestedArray[];

export class Tensor extends Disposable implements Operand {
  readonly shape: Shape;
  readonly #holdings: Holdings;
  #disposed = false;

  /** Takes over one reference of `storage` (and of `node`). Use `tensor()`, `zeros()` and the operations instead. */
  constructor(storage: Storage, shape: Shape, node?: GraphNode) {
    super();
    this.shape = shape;
    this.#holdings = { storage, node };
    liveTensors++;
    abandoned.register(this, this.#holdings, this);
    registerInScope(this);
  }

  get storage(): Storage {
    if (this.#disposed) throw new UsageError(`This tensor of shape ${formatShape(this.shape)} has been disposed.`);
    return this.#holdings.storage;
  }
  get dtype(): DType {
    return this.#holdings.storage.dtype;
  }
  get device(): Device {
    return this.#holdings.storage.allocation.device;
  }
  get size(): number {
    return sizeOf(this.shape);
  }
  get rank(): number {
    return this.shape.length;
  }
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /** The tape's business. */
  get node(): GraphNode | undefined {
    return this.#holdings.node;
  }
  /** Takes over one reference of `node`. */
  set node(node: GraphNode | undefined) {
    this.#holdings.node?.release();
    this.#holdings.node = node;
  }

  /** Takes over `explanation`, which reads ask when they find NaN in this tensor. */
  explainNaN(explanation: NaNExplanation): this {
    this.#holdings.explanation?.release();
    this.#holdings.explanation = explanation;
    return this;
  }

  /**
   * The values, row-major, once all work they depend on is done. float32 gives a Float32Array (on the reference device a
   * Float64Array). Throws what went wrong on the device, what explains a NaN where the operation knows (labels that do not
   * exist), and UsageError for a tensor that shares memory which has been overwritten since (`clone` keeps a copy).
   */
  data(): Promise<TypedArray> {
    const reading = this.device.read(this.storage);
    const { explanation } = this.#holdings;
    return explanation ? reading.then(values => explained(values, explanation)) : reading;
  }

  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new UsageError(`item: a tensor of shape ${formatShape(this.shape)} has no single value.`);
    return (await this.data())[0];
  }

  /** The values as nested arrays. */
  async array(): Promise<NestedArray> {
    const values = await this.data();
    const nest = (axis: number, start: number): NestedArray => {
      if (axis === this.shape.length) return values[start];
      const stride = sizeOf(this.shape.slice(axis + 1));
      return Array.from({ length: this.shape[axis] }, (_, i) => nest(axis + 1, start + i * stride));
    };
    return nest(0, 0);
  }

  /** Lets go of the storage. Doing it twice is harmless; using the tensor afterwards throws. */
  override dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    liveTensors--;
    abandoned.unregister(this);
    releaseHoldings(this.#holdings);
    this.#holdings.node = undefined;
  }

  override toString(): string {
    return `Tensor(${formatShape(this.shape)}, ${this.dtype}, ${this.device.kind})`;
  }
}

async function explained(values: TypedArray, explanation: NaNExplanation): Promise<TypedArray> {
  if (!values.some(Number.isNaN)) return values;
  const error = await explanation.find();
  if (error) throw error;
  return values;
}

/** How many tensors exist that have neither been disposed nor collected. */
export function liveTensorCount(): number {
  return liveTensors;
}
