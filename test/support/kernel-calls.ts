/** Single kernel calls on made-up inputs, and how far their outputs are from the float64 reference. */
import type { Device } from '../../src/devices/device.ts';
import type { DType, TypedArray } from '../../src/devices/dtype.ts';
import type { Kernel, Precision } from '../../src/devices/kernel.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { release } from '../../src/devices/storage.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { openWebGpuDevice } from '../../src/devices/webgpu/open.node.ts';
import type { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { expect64 } from '../conformance/suite.ts';

export interface CallInput {
  readonly spec: { readonly shape: readonly number[]; readonly dtype: DType };
  readonly values: TypedArray;
}

export interface Call {
  readonly kernel: Kernel;
  readonly params: unknown;
  readonly inputs: readonly CallInput[];
}

export const call = (kernel: Kernel, params: unknown, ...inputs: CallInput[]): Call => ({ kernel, params, inputs });

export const filled = (shape: readonly number[], value: (i: number) => number): CallInput => ({
  spec: { shape, dtype: 'float32' },
  values: Float32Array.from({ length: sizeOf(shape) }, (_, i) => value(i)),
});

export const indices = (shape: readonly number[], value: (i: number) => number): CallInput => ({
  spec: { shape, dtype: 'int32' },
  values: Int32Array.from({ length: sizeOf(shape) }, (_, i) => value(i)),
});

/** Values between -1 and 1, plus `offset`. */
export const floatsFrom =
  (stream: PhiloxStream) =>
  (shape: readonly number[], offset = 0): CallInput =>
    filled(shape, () => offset + 2 * stream.uniform() - 1);

/** The devices that store float32, in a precision; by name. */
export const openersOf = (precision: Precision) => ({
  'wasm, 2 threads': () => openWasmDevice({ threads: 2, relaxedSimd: false, precision }),
  'wasm, fused multiply-add': () => openWasmDevice({ threads: 1, relaxedSimd: true, precision }),
  webgpu: () => openWebGpuDevice({ precision }),
});

export async function compute(device: Device, { kernel, params, inputs }: Call): Promise<Float32Array[]> {
  const place = ({ spec: { shape, dtype }, values }: CallInput) => {
    const storage = device.allocate(values.length, dtype);
    device.write(storage, values);
    return { storage, shape };
  };
  const operands = inputs.map(place);
  const specs = inputs.map(({ spec }) => spec);
  const results = kernel.infer(specs, params).map(({ shape }) => place(filled(shape, () => 0)));
  device.run(kernel, operands, results, params);
  const values = await Promise.all(results.map(({ storage }) => device.read(storage)));
  for (const { storage } of [...operands, ...results]) release(storage);
  return values as Float32Array[];
}

const references = new Map<Call, readonly ArrayLike<number>[]>();

/** The outputs of the float64 reference. */
export function referenceOf(one: Call): readonly ArrayLike<number>[] {
  const known = references.get(one) ?? expect64({ title: '', tolerance: { kind: 'exact' }, ...one }).outputs;
  references.set(one, known);
  return known;
}
