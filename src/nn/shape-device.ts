/**
 * A device that computes nothing: it knows the shape of everything that flows through it, what every kernel would cost,
 * and how far back into the image each value can see. Running a model on it tells all about the model's layers without a
 * multiplication. Receptive fields follow the arrows of the network as shapes do: a filter of k pixels widens the field by
 * k - 1 times the distance between neighbours, a stride multiplies that distance, a sum sees what its widest part sees
 * (Araujo, Norris, Sim: Computing receptive fields of convolutional neural networks, Distill 2019).
 */
import type { Capture, Device, DeviceInfo, Operand, ProfileEntry, Storage } from '../devices/device.ts';
import { bytesPerElement, type DType, type TypedArray } from '../devices/dtype.ts';
import { DeviceError } from '../devices/errors.ts';
import type { Kernel } from '../devices/kernel.ts';

type Axes = readonly [number, number];

/** What one value of an array sees of the image; pairs are [vertical, horizontal]. */
export interface ReceptiveField {
  /** Pixels seen, those of the padding included. */
  readonly size: Axes;
  /** Image pixels between the centres of neighbours. */
  readonly jump: Axes;
  /** Values along each axis. */
  readonly positions: Axes;
}

/** Told of every kernel: its multiply-adds (of convolutions and matrix products) and all its arithmetic. */
export type CostListener = (macs: number, flops: number) => void;

const CONTRACTIONS = ['conv2d', 'matmul'];

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
    return { allocation: { device: this, buffer: undefined, bytes, references: 1 }, byteOffset: 0, length, dtype };
  }

  run<P>(kernel: Kernel<P>, inputs: readonly Operand[], outputs: readonly Operand[], params: P): void {
    const specs = inputs.map(({ storage, shape }) => ({ shape, dtype: storage.dtype }));
    const { flops } = kernel.cost(specs, params);
    this.#onCost(CONTRACTIONS.includes(kernel.name) ? flops / 2 : 0, flops);
    const seen = inputs.flatMap(({ storage }) => this.fieldOf(storage) ?? []);
    if (seen.length === 0) return;
    const field = through(kernel.name, params, inputs, outputs[0].shape, seen.reduce(widest));
    for (const { storage } of outputs) this.setField(storage, field);
  }

  free(): void {}
  write(_storage: Storage, _values: TypedArray): void {}
  copy(from: Storage, to: Storage): void {
    const field = this.fieldOf(from);
    if (field) this.setField(to, field);
  }
  async read(): Promise<TypedArray> {
    throw new DeviceError(
      'This model reads values while it computes, so its layers cannot be listed from shapes alone.',
    );
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
}

function widest(a: ReceptiveField, b: ReceptiveField): ReceptiveField {
  return a.size[0] * a.size[1] >= b.size[0] * b.size[1] ? a : b;
}

const both = (f: (axis: 0 | 1) => number): Axes => [f(0), f(1)];

/** The field behind a kernel whose inputs see `field`. */
function through(
  kernel: string,
  params: unknown,
  inputs: readonly Operand[],
  outputShape: readonly number[],
  { size, jump, positions }: ReceptiveField,
): ReceptiveField {
  const slide = (window: Axes, strides: Axes): ReceptiveField => ({
    size: both(axis => size[axis] + (window[axis] - 1) * jump[axis]),
    jump: both(axis => jump[axis] * strides[axis]),
    positions: [outputShape[1], outputShape[2]],
  });
  switch (kernel) {
    case 'conv2d': {
      const { strides, dilations } = params as { strides: Axes; dilations: Axes };
      const [height, width] = inputs[1].shape;
      return slide([(height - 1) * dilations[0] + 1, (width - 1) * dilations[1] + 1], strides);
    }
    case 'maxPool2d':
    case 'avgPool2d': {
      const { kernel: window, strides } = params as { kernel: Axes; strides: Axes };
      return slide(window, strides);
    }
    case 'globalAveragePool':
    case 'matmul':
      // Every position is seen at once.
      return { size: both(axis => size[axis] + (positions[axis] - 1) * jump[axis]), jump, positions: [1, 1] };
    default:
      return { size, jump, positions };
  }
}
