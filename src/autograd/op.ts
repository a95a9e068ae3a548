/** Running operations: kernels on tensors, and `apply`, which leaves a node on the tape when a gradient may be wanted. */
import type { Device } from '../devices/device.ts';
import { ShapeError } from '../devices/errors.ts';
import type { Kernel } from '../devices/kernel.ts';
import type { Shape } from '../devices/shape.ts';
import { release, type Storage } from '../devices/storage.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Op, OpName, SavedArray } from './operation.ts';
import { isRecording, nodeOf, TapeNode } from './tape.ts';

export type { GradientContext, Op, OpName, SavedArray, VectorJacobianProduct } from './operation.ts';

/** An op that is one kernel. */
export function kernelOp<P>(
  name: OpName,
  kernel: Kernel<P>,
  { gradient, decompose }: Omit<Op<P>, 'name' | 'run'>,
): Op<P> {
  return { name, run: (inputs, params) => runKernel(kernel, inputs, params), gradient, decompose };
}

/** The device of all `inputs`; throws ShapeError when they live on two. */
export function commonDevice(what: string, inputs: readonly Tensor[]): Device {
  const { device } = inputs[0];
  for (const input of inputs) {
    if (input.device !== device) {
      throw new ShapeError(
        `${what}: one tensor is on ${device.kind} and another on ${input.device.kind}; move them to one device.`,
      );
    }
  }
  return device;
}

/**
 * Runs a kernel on tensors, allocating its outputs.
 * @param given storages for some outputs, by index: destinations, or what the kernel updates in place. They stay the
 *   caller's; the returned arrays carry no reference of their own for them.
 */
export function runKernel<P>(
  kernel: Kernel<P>,
  inputs: readonly Tensor[],
  params: P,
  given: readonly (Storage | undefined)[] = [],
  device: Device = commonDevice(kernel.name, inputs),
): SavedArray[] {
  const specs = kernel.infer(inputs, params);
  const outputs: SavedArray[] = [];
  for (let i = 0; i < specs.length; i++) {
    const { shape, dtype } = specs[i];
    const storage = given[i] ?? device.allocate(sizeOfShape(shape), dtype);
    outputs.push({ storage, shape, dtype });
  }
  try {
    device.run(kernel, inputs, outputs, params);
  } catch (error) {
    outputs.forEach(({ storage }, i) => {
      if (!given[i]) release(storage);
    });
    throw error;
  }
  return outputs;
}

function sizeOfShape(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** Runs an op and records it when a gradient can flow to one of its inputs. */
export function apply<P>(op: Op<P>, inputs: readonly Tensor[], params: P): Tensor {
  const outputs = op.run(inputs, params);
  const [value, ...notes] = outputs;
  let node: TapeNode | undefined;
  if (isRecording() && inputs.some(input => input.node !== undefined)) {
    node = new TapeNode(op, params, value.shape, inputs.map(nodeOf), {
      inputs: inputs.map(({ storage, shape, dtype }) => ({ storage, shape, dtype })),
      outputs,
    });
  }
  for (const { storage } of notes) release(storage);
  return new Tensor(value.storage, value.shape, node);
}
