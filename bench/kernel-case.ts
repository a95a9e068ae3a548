/**
 * One kernel at one shape: a case that our own device runs directly, below tensors and gradients, and that peers run as
 * the operation of the same meaning where there is one.
 */
import type { Device, Operand } from '../src/devices/device.ts';
import { bytesPerElement } from '../src/devices/dtype.ts';
import type { Kernel, Spec } from '../src/devices/kernel.ts';
import { sizeOf } from '../src/devices/shape.ts';
import { release } from '../src/devices/storage.ts';
import { type Case, type Entrant, Missing } from './contender.ts';
import { timed } from './harness.ts';
import type { Operation } from './operations.ts';
import { type InputSpec, valuesOf } from './values.ts';

export interface KernelCase<P = any> extends Case {
  readonly kernel: Kernel<P>;
  readonly params: P;
  readonly inputs: readonly InputSpec[];
  /** What peers are asked; its inputs are the first inputs of the kernel. */
  readonly operation?: Operation;
}

export interface KernelCaseOptions<P> {
  readonly id: string;
  readonly group: string;
  readonly kernel: Kernel<P>;
  readonly params: P;
  readonly inputs: readonly InputSpec[];
  readonly operation?: Operation;
  /**
   * Bytes that any implementation must move, where that is more than every array once (statistics have to be known before
   * the first value can be normalised). Default: `kernel.cost`.
   */
  readonly bytes?: number;
}

export function kernelCase<P>({ bytes, ...options }: KernelCaseOptions<P>): KernelCase<P> {
  const { kernel, inputs, params } = options;
  const cost = kernel.cost(inputs, params);
  const footprint = bytesOf(inputs) + bytesOf(kernel.infer(inputs, params));
  return { ...options, flops: cost.flops, bytes: bytes ?? cost.bytes, footprint };
}

export function bytesOf(specs: readonly Spec[]): number {
  return specs.reduce((total, { shape, dtype }) => total + sizeOf(shape) * bytesPerElement(dtype), 0);
}

/** Work that takes longer than this is not given to the float64 loops. */
const REFERENCE_FLOPS = 4e7;
const REFERENCE_ELEMENTS = 1e7;

/** Our kernel on `device`: the variant it chooses, or the one named. */
export function ownEntrant<P>(one: KernelCase<P>, device: Device, variant?: string): Entrant {
  const name = variant === undefined ? `weft ${device.kind}` : `weft ${device.kind}/${variant}`;
  return {
    name,
    async prepare() {
      const { kernel, params } = one;
      if (device.kind === 'reference' && (one.flops > REFERENCE_FLOPS || one.footprint / 4 > REFERENCE_ELEMENTS)) {
        throw new Missing(`plain loops would take too long for ${(one.flops / 1e9).toFixed(2)} GFLOP`);
      }
      const held: Operand[] = [];
      const hold = (spec: InputSpec, index: number): Operand => {
        const operand = { storage: device.allocate(sizeOf(spec.shape), spec.dtype), shape: spec.shape };
        held.push(operand);
        device.write(operand.storage, valuesOf(spec, index));
        return operand;
      };
      const dispose = (): void => {
        for (const { storage } of held) release(storage);
      };
      try {
        const inputs = one.inputs.map(hold);
        // Filled too: some are updated in place, and memory that was never touched has no pages yet.
        const outputs = kernel
          .infer(one.inputs, params)
          .map((spec, i) => hold({ ...spec, ...(spec.dtype === 'float32' ? { fill: 'positive' } : {}) }, 100 + i));
        const options = variant === undefined ? undefined : { variant };
        const once = (): void => device.run(kernel, inputs, outputs, params, options);
        // The first run compiles the kernel; this one also says which variant was taken.
        const profile = await device.profile(once);
        const contender = timed(
          { once, finish: () => device.sync() },
          {
            note: profile.map(entry => entry.variant).join(' + '),
            dispose,
            ...(one.operation ? { output: () => device.read(outputs[0].storage) } : {}),
          },
        );
        return contender;
      } catch (error) {
        dispose();
        throw error;
      }
    },
  };
}

/** Names of all variants that can run a case on a device. */
export function variantsOf<P>({ kernel, inputs, params }: KernelCase<P>, device: Device): string[] {
  if (device.kind === 'reference') return [];
  const { adapter } = device as Device & { readonly adapter: any };
  return kernel[device.kind === 'webgpu' ? 'wgsl' : 'wasm']
    .filter(variant => variant.applies(inputs, params, adapter))
    .map(({ name }) => name);
}
