/**
 * A device that computes nothing: it knows the shape of everything that flows through it, what every kernel would cost,
 * and how far back into the image each value can see (`field-arithmetic.ts`). Running a model on it tells all about the
 * model's layers without a multiplication.
 */
import { OP_NAMES, rowOf } from '../autograd/ops/rows.ts';
import { EVERYWHERE, type Reach } from '../autograd/row.ts';
import type { Capture, Device, DeviceInfo, Operand, ProfileEntry, Storage } from '../devices/device.ts';
import { bytesPerElement, type DType, type TypedArray } from '../devices/dtype.ts';
import { DeviceError } from '../devices/errors.ts';
import type { Kernel } from '../devices/kernel.ts';
import { WriteHistory } from '../devices/versions.ts';
import { fieldIn, type ReceptiveField, through, together } from './field-arithmetic.ts';

/** Told of every kernel: its multiply-adds (of convolutions and matrix products) and all its arithmetic. */
export type CostListener = (macs: number, flops: number) => void;

/** What the rows of the operations say of a kernel. */
interface KernelFacts {
  readonly reach: Reach;
  readonly isContraction: boolean;
}

function factsOfKernels(): Map<string, KernelFacts> {
  const facts = new Map<string, KernelFacts>();
  const rows = OP_NAMES.map(rowOf);
  for (const { kernels, reach, isContraction = false } of rows) {
    if (kernels.length > 0) facts.set(kernels[0].name, { reach, isContraction });
  }
  // Kernels that only gradients run: of a model that computes some on its way, no more is said than that they see all.
  for (const { name } of rows.flatMap(({ kernels }) => kernels)) {
    if (!facts.has(name)) facts.set(name, { reach: EVERYWHERE, isContraction: false });
  }
  return facts;
}

const FACTS: ReadonlyMap<string, KernelFacts> = factsOfKernels();

export class ShapeDevice implements Device {
  readonly kind = 'reference';
  readonly info: DeviceInfo = {
    description: 'shapes only',
    adapter: 'shapes',
    isSoftware: true,
  };
  readonly lost = new Promise<string>(() => {});
  readonly #onCost: CostListener;
  readonly #fields = new WeakMap<object, ReceptiveField>();

  constructor(onCost: CostListener) {
    this.#onCost = onCost;
  }

  /** What a value of this array sees; undefined for parameters. */
  fieldOf({ allocation }: Storage): ReceptiveField | undefined {
    return this.#fields.get(allocation);
  }

  setField({ allocation }: Storage, field: ReceptiveField): void {
    this.#fields.set(allocation, field);
  }

  allocate(length: number, dtype: DType): Storage {
    const bytes = length * bytesPerElement(dtype);
    const history = new WriteHistory(bytes, undefined);
    const allocation = { device: this, buffer: undefined, bytes, references: 1, history };
    return { allocation, byteOffset: 0, length, dtype };
  }

  run<P>(kernel: Kernel<P>, inputs: readonly Operand[], outputs: readonly Operand[], params: P): void {
    const specs = inputs.map(({ storage, shape }) => ({ shape, dtype: storage.dtype }));
    const { flops } = kernel.cost(specs, params);
    const facts = FACTS.get(kernel.name);
    this.#onCost(facts?.isContraction ? flops / 2 : 0, flops);
    const seen = inputs.flatMap(({ storage, shape }) => {
      const field = this.fieldOf(storage);
      return field ? [fieldIn(shape, field)] : [];
    });
    if (seen.length === 0) return;
    if (!facts)
      throw new DeviceError(`What the kernel "${kernel.name}" sees of an image is not known: no operation runs it.`);
    const shapes = inputs.map(({ shape }) => shape);
    const view = typeof facts.reach === 'function' ? facts.reach(params, shapes) : facts.reach;
    const field = seen.reduce(together);
    for (const { storage, shape } of outputs) this.setField(storage, through(view, shape, field));
  }

  free(): void {}
  write(_storage: Storage, _values: TypedArray): void {}
  copy(from: Storage, to: Storage): void {
    const field = this.fieldOf(from);
    if (field) this.setField(to, field);
  }
  /** Never settles: there are no values, and a forward pass, being synchronous, cannot wait for any. */
  read(): Promise<TypedArray> {
    return new Promise(() => {});
  }
  async sync(): Promise<void> {}
  async pace(): Promise<void> {}
  readonly isCapturing = false;
  capture(): Capture {
    throw new DeviceError('The shape device records nothing.');
  }
  async profile(): Promise<ProfileEntry[]> {
    return [];
  }
  memory() {
    return { liveAllocations: 0, liveBytes: 0, pooledBytes: 0 };
  }
  async destroy(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.destroy();
  }
}
