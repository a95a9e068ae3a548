/** The examples of the operations' rows with numbers in them: the same on every device. */
import type { OpName } from '../../src/autograd/operation.ts';
import { OP_NAMES, rowOf } from '../../src/autograd/ops/rows.ts';
import type { Example, OpRow, Sample } from '../../src/autograd/row.ts';
import type { Device } from '../../src/devices/device.ts';
import { allocateHost, type TypedArray } from '../../src/devices/dtype.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { tensor } from '../../src/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

export const ROWS = OP_NAMES.map((name): [OpName, OpRow] => [name, rowOf(name)]);

/** Whether an operation is defined for positive numbers only, by the inputs of its examples. */
export const wantsPositive = (op: OpName): boolean => rowOf(op).examples[0].inputs[0].values === 'positive';

/** Every example under the name of its operation and its own title. */
export const EXAMPLES: readonly { readonly name: string; readonly op: OpName; readonly example: Example }[] =
  ROWS.flatMap(([op, { examples }]) =>
    examples.map(example => ({ name: example.title ? `${op}, ${example.title}` : op, op, example })),
  );

/** The values of a sample as row.ts describes them; `seed` tells apart the inputs of one example. */
function valuesOf({ shape, values = 'signed', dtype = 'float32' }: Sample, seed: number): TypedArray {
  const size = sizeOf(shape);
  if (values === 'distinct' && size % 37 === 0) throw new Error('Distinct values want a size that 37 does not divide.');
  const host = allocateHost(dtype, size);
  if (typeof values !== 'string') {
    host.set(values);
    return host;
  }
  const magnitudes = new PhiloxStream(seed, 1);
  const signs = new PhiloxStream(seed, 2);
  for (let i = 0; i < size; i++) {
    if (values === 'distinct') {
      host[i] = ((i * 37 + seed) % size) / 10 - 3;
    } else {
      const magnitude = 0.2 + 1.8 * magnitudes.uniform();
      host[i] = values === 'signed' && signs.uniform() < 0.5 ? -magnitude : magnitude;
    }
  }
  return host;
}

/** A sample on a device. */
export const drawn = (sample: Sample, device: Device, seed: number): Tensor =>
  tensor(valuesOf(sample, seed), sample.shape, { device });

/** The inputs of an example on a device; other seeds, other values (but not of constants). */
export function inputsOf({ inputs }: Example, device: Device, seed = 1): Tensor[] {
  return inputs.map((sample, i) => drawn(sample, device, sample.isConstant ? 1 : seed + i));
}

/** Which inputs carry gradients: floats that are operands. */
export const carriesGradient = ({ dtype = 'float32', isConstant }: Sample): boolean =>
  dtype === 'float32' && !isConstant;

/** The example as a function of the inputs that carry gradients, the others given. */
export function asFunctionOf(example: Example, inputs: readonly Tensor[]): (...operands: Tensor[]) => Tensor {
  return (...operands) => {
    const left = operands.values();
    return example.run(
      ...inputs.map((input, i) => (carriesGradient(example.inputs[i]) ? (left.next().value as Tensor) : input)),
    );
  };
}

export const operandsOf = (example: Example, inputs: readonly Tensor[]): Tensor[] =>
  inputs.filter((_, i) => carriesGradient(example.inputs[i]));
