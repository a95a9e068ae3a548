/** Making tensors: from values, filled, counted, random. All take the default device unless one is named. */
import type { Device } from '../devices/device.ts';
import { allocateHost, type DType, dtypeOf, type TypedArray } from '../devices/dtype.ts';
import { DTypeError, ShapeError, UsageError } from '../devices/errors.ts';
import { checkShape, formatShape, type Shape, sizeOf } from '../devices/shape.ts';
import { fill } from '../kernels/elementwise/index.ts';
import { PhiloxStream } from '../kernels/random/philox.ts';
import { checkNormal, uniformIn, uniformRange } from '../kernels/random/range.ts';
import { getDevice } from './current-device.ts';
import { type NestedArray, Tensor } from './tensor.ts';

export interface CreationOptions {
  readonly dtype?: DType;
  readonly device?: Device;
}

/**
 * A tensor of given values.
 * @param values a typed array (its type gives the dtype), a number, or nested arrays of numbers (float32 unless said
 *   otherwise)
 * @param shape of as many elements as there are values; taken from the nesting when absent
 * @throws ShapeError when values and shape do not match or the nesting is ragged; DTypeError when a value is none of the
 *   integer `dtype` asked for
 * @example tensor([[1, 2], [3, 4]])
 * @example tensor(pixels, [1, 28, 28, 1])
 */
export function tensor(values: TypedArray | NestedArray, shape?: Shape, options: CreationOptions = {}): Tensor {
  const device = options.device ?? getDevice();
  const given = ArrayBuffer.isView(values) ? (values as TypedArray) : undefined;
  const actualShape = shape ?? (given ? [given.length] : nestingOf(values as NestedArray));
  checkShape(actualShape, 'tensor');
  const flat = given ?? Float64Array.from(flatten(values as NestedArray));
  if (flat.length !== sizeOf(actualShape)) {
    throw new ShapeError(`tensor: ${flat.length} values do not fill shape ${formatShape(actualShape)}.`);
  }
  const dtype = options.dtype ?? (given ? dtypeOf(given) : 'float32');
  const converted = asDType(flat, dtype);
  const storage = device.allocate(flat.length, dtype);
  device.write(storage, converted);
  return new Tensor(storage, actualShape);
}

/** The values in an array of `dtype`'s own kind; integers are not cut or wrapped to fit. */
function asDType(values: TypedArray, dtype: DType): TypedArray {
  if (dtypeOf(values) === dtype) return values;
  const converted = allocateHost(dtype, values.length);
  converted.set(values);
  if (dtype === 'float32') return converted;
  const foreign = values.findIndex((value, i) => value !== converted[i]);
  if (foreign >= 0) throw new DTypeError(`tensor: ${values[foreign]} is not a value of ${dtype}.`);
  return converted;
}

function nestingOf(values: NestedArray): number[] {
  const shape: number[] = [];
  for (let level = values; Array.isArray(level); level = level[0]) shape.push(level.length);
  const check = (value: NestedArray, axis: number): void => {
    const isLeaf = axis === shape.length;
    if (isLeaf ? Array.isArray(value) : !Array.isArray(value) || value.length !== shape[axis]) {
      throw new ShapeError(`tensor: the nested arrays are ragged: sizes differ from ${formatShape(shape)}.`);
    }
    if (!isLeaf) for (const element of value as NestedArray[]) check(element, axis + 1);
  };
  check(values, 0);
  return shape;
}

function flatten(values: NestedArray): number[] {
  return Array.isArray(values) ? (values.flat(Number.POSITIVE_INFINITY as 1) as number[]) : [values];
}

/** A tensor of one element and rank 0. */
export function scalar(value: number, options: CreationOptions = {}): Tensor {
  return full([], value, options);
}

/** `value` everywhere. Throws DTypeError when it is none of an integer `dtype`. */
export function full(shape: Shape, value: number, options: CreationOptions = {}): Tensor {
  const { dtype = 'float32', device = getDevice() } = options;
  const params = { value, shape, dtype };
  fill.infer([], params);
  const storage = device.allocate(sizeOf(shape), dtype);
  device.run(fill, [], [{ storage, shape }], params);
  return new Tensor(storage, shape);
}

export function zeros(shape: Shape, options: CreationOptions = {}): Tensor {
  return full(shape, 0, options);
}

export function ones(shape: Shape, options: CreationOptions = {}): Tensor {
  return full(shape, 1, options);
}

/** Zeros of the shape, dtype and device of `x`. */
export function zerosLike(x: Tensor): Tensor {
  return full(x.shape, 0, { dtype: x.dtype, device: x.device });
}

export function onesLike(x: Tensor): Tensor {
  return full(x.shape, 1, { dtype: x.dtype, device: x.device });
}

/** start, start + step, ... below `end` (above it when the step is negative). */
export function arange(start: number, end: number, step = 1, options: CreationOptions = {}): Tensor {
  if (step === 0 || ![start, end, step].every(Number.isFinite)) {
    throw new UsageError(`arange: from ${start} to ${end} in steps of ${step} is no finite sequence.`);
  }
  const count = Math.max(0, Math.ceil((end - start) / step));
  const values = Float64Array.from({ length: count }, (_, i) => start + i * step);
  return tensor(values, [count], { dtype: 'float32', ...options });
}

/** The [n, n] identity matrix. */
export function eye(n: number, options: CreationOptions = {}): Tensor {
  const values = new Float64Array(n * n);
  for (let i = 0; i < n; i++) values[i * (n + 1)] = 1;
  return tensor(values, [n, n], { dtype: 'float32', ...options });
}

export interface RandomOptions extends CreationOptions {
  readonly seed: number;
  /** What the numbers are for; equal seeds with different streams are independent. */
  readonly stream?: number;
}

/**
 * Normal values, drawn on the host in float64 and rounded once, so that every device gets the same bits (device `log` and
 * `cos` differ in up to half of all values: measured).
 * @throws UsageError when mean or std is not finite, std is negative, or values would leave float32
 */
export function randomNormal(shape: Shape, options: RandomOptions & { mean?: number; std?: number }): Tensor {
  const { mean = 0, std = 1, seed, stream = 0 } = options;
  checkRandom('randomNormal', shape, options);
  checkNormal('randomNormal', mean, std);
  const source = new PhiloxStream(seed, stream);
  const values = Float32Array.from({ length: sizeOf(shape) }, () => mean + std * source.normal());
  return tensor(values, shape, { ...options, dtype: 'float32' });
}

/**
 * Uniform values in [low, high), the same bits on every device; `low` everywhere where both are one.
 * @throws UsageError when a bound is no finite float32, `high` is below `low`, or no float32 lies between them
 */
export function randomUniform(shape: Shape, options: RandomOptions & { low?: number; high?: number }): Tensor {
  const { low = 0, high = 1, seed, stream = 0 } = options;
  checkRandom('randomUniform', shape, options);
  const range = uniformRange('randomUniform', low, high);
  const source = new PhiloxStream(seed, stream);
  const values = Float32Array.from({ length: sizeOf(shape) }, () => uniformIn(range, source.uniform()));
  return tensor(values, shape, { ...options, dtype: 'float32' });
}

function checkRandom(what: string, shape: Shape, { dtype = 'float32' }: RandomOptions): void {
  checkShape(shape, what);
  if (dtype !== 'float32') throw new DTypeError(`${what}: random numbers are float32, not ${dtype}; cast them.`);
}
