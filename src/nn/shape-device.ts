/**
 * A device that computes nothing: it knows the shape of everything that flows through it, what every kernel would cost,
 * and how far back into the image each value can see. Running a model on it tells all about the model's layers without a
 * multiplication. Receptive fields follow the arrows of the network as shapes do: a filter of k pixels widens the field by
 * k - 1 times the distance between neighbours, a stride multiplies that distance, padding moves its start outwards, a sum
 * sees what its parts see (Araujo, Norris, Sim: Computing receptive fields of convolutional neural networks, Distill 2019).
 */
import type { Capture, Device, DeviceInfo, Operand, ProfileEntry, Storage } from '../devices/device.ts';
import { bytesPerElement, type DType, type TypedArray } from '../devices/dtype.ts';
import { DeviceError } from '../devices/errors.ts';
import type { Kernel } from '../devices/kernel.ts';
import type { Conv2dGeometry } from '../kernels/conv2d/conv2d.ts';
import type { PadParams, SliceParams } from '../kernels/layout/layout.ts';
import type { Pool2dGeometry } from '../kernels/pool/pool.ts';

type Axes = readonly [number, number];

/** What one value of an array sees of the image; pairs are [vertical, horizontal]. */
export interface ReceptiveField {
  /** Pixels seen, those of the padding included. */
  readonly size: Axes;
  /** Image pixels between the centres of neighbours. */
  readonly jump: Axes;
  /** Row and column of the first pixel that the first value sees; negative in the padding. */
  readonly start: Axes;
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
    const field = through(kernel.name, params, inputs, outputs[0].shape, seen.reduce(together));
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

/** What two parts see together; where they lie on different grids, what the wider one sees. */
function together(a: ReceptiveField, b: ReceptiveField): ReceptiveField {
  const wider = a.size[0] * a.size[1] >= b.size[0] * b.size[1] ? a : b;
  if (a.jump[0] !== b.jump[0] || a.jump[1] !== b.jump[1]) return wider;
  const { jump } = a;
  const positions = both(axis => Math.max(a.positions[axis], b.positions[axis]));
  // One value that is combined with a map (a gate, a mean) is seen from every position: wide enough from the last, too.
  const reach = (part: ReceptiveField, axis: 0 | 1) => (positions[axis] - part.positions[axis]) * jump[axis];
  const from = (part: ReceptiveField, axis: 0 | 1) => part.start[axis] - reach(part, axis);
  const to = (part: ReceptiveField, axis: 0 | 1) => part.start[axis] + part.size[axis] + reach(part, axis);
  const start = both(axis => Math.min(from(a, axis), from(b, axis)));
  return { jump, start, positions, size: both(axis => Math.max(to(a, axis), to(b, axis)) - start[axis]) };
}

const both = (f: (axis: 0 | 1) => number): Axes => [f(0), f(1)];

/** The field behind a kernel whose inputs see `field`. */
function through(
  kernel: string,
  params: unknown,
  inputs: readonly Operand[],
  outputShape: readonly number[],
  { size, jump, start, positions }: ReceptiveField,
): ReceptiveField {
  const { length: rank } = inputs[0].shape;
  const slide = (window: Axes, strides: Axes, padding: readonly number[]): ReceptiveField => ({
    size: both(axis => size[axis] + (window[axis] - 1) * jump[axis]),
    jump: both(axis => jump[axis] * strides[axis]),
    start: both(axis => start[axis] - padding[2 * axis] * jump[axis]),
    positions: [outputShape[1], outputShape[2]],
  });
  /** Every position along the axes that `isSeen` is seen at once. */
  const everywhere = (isSeen: (axis: 0 | 1) => boolean): ReceptiveField => ({
    size: both(axis => size[axis] + (isSeen(axis) ? (positions[axis] - 1) * jump[axis] : 0)),
    jump,
    start,
    positions: both(axis => (isSeen(axis) ? 1 : positions[axis])),
  });
  switch (kernel) {
    case 'conv2d': {
      const { strides, dilations, padding } = params as Conv2dGeometry;
      const [height, width] = inputs[1].shape;
      return slide([(height - 1) * dilations[0] + 1, (width - 1) * dilations[1] + 1], strides, padding);
    }
    case 'maxPool2d':
    case 'avgPool2d': {
      const { kernel: window, strides, padding } = params as Pool2dGeometry;
      return slide(window, strides, padding);
    }
    case 'globalAveragePool':
    case 'matmul':
      return everywhere(() => true);
    case 'reduce': {
      const { axes } = params as { readonly axes: readonly number[] };
      return everywhere(axis => rank === 4 && (axes.includes(axis + 1) || axes.includes(axis + 1 - rank)));
    }
    case 'slice': {
      if (rank !== 4) break;
      const { starts, steps } = params as SliceParams;
      if (steps?.some(step => step < 0)) return everywhere(() => true);
      return {
        size,
        jump: both(axis => jump[axis] * (steps?.[axis + 1] ?? 1)),
        start: both(axis => start[axis] + starts[axis + 1] * jump[axis]),
        positions: [outputShape[1], outputShape[2]],
      };
    }
    case 'pad': {
      if (rank !== 4) break;
      const { before } = params as PadParams;
      const moved = both(axis => start[axis] - before[axis + 1] * jump[axis]);
      return { size, jump, start: moved, positions: [outputShape[1], outputShape[2]] };
    }
  }
  return { size, jump, start, positions };
}
