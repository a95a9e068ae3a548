/**
 * One node of an ONNX graph as a mapping sees it: operands that lie on the host until an operation wants them on a device
 * (axes and shapes never go there), attributes, and a word for what this library does not do. float64 is computed in our
 * float32, bool is int32 0/1, and int64 is int32 where it names positions, axes or labels; as data it is not taken.
 */
import type { Device } from '../../src/devices/device.ts';
import { type Tensor, tensor } from '../../src/index.ts';
import type { OnnxDType, OnnxNode, OnnxTensor } from '../support/onnx.ts';

/** What a case needs and this library lacks; the committed list (coverage.json) holds every one of them. */
export class Unsupported extends Error {
  override name = 'Unsupported';
}

/** A value that flows along an edge of the graph. */
export class Operand {
  readonly #host: OnnxTensor | undefined;
  #tensor: Tensor | undefined;
  readonly #device: Device;

  constructor(value: OnnxTensor | Tensor, device: Device) {
    this.#device = device;
    if ('data' in value && 'dims' in value) this.#host = value as OnnxTensor;
    else this.#tensor = value as Tensor;
  }

  get shape(): readonly number[] {
    return this.#host?.dims ?? this.#tensor!.shape;
  }

  get dtype(): OnnxDType {
    return this.#host?.dtype ?? (this.#tensor!.dtype as OnnxDType);
  }

  /** The values as numbers; only for what was given, not computed. */
  get values(): number[] {
    if (!this.#host) throw new Unsupported('computed shapes, axes or bounds');
    return Array.from(this.#host.data as ArrayLike<number | bigint>, Number);
  }

  #upload(values: Float32Array | Int32Array): Tensor {
    this.#tensor ??= tensor(values, this.shape, { device: this.#device });
    return this.#tensor;
  }

  /** As a float32 tensor. */
  get float(): Tensor {
    if (this.dtype !== 'float32' && this.dtype !== 'float64') throw new Unsupported(`${this.dtype} data`);
    if (this.#tensor) return this.#tensor;
    const given = this.#host!.data as Float32Array | Float64Array;
    const values = Float32Array.from(given);
    if (values.some((value, i) => !Number.isFinite(value) && Number.isFinite(given[i]))) {
      throw new Unsupported('float64 data beyond the range of float32');
    }
    return this.#upload(values);
  }

  /** As an int32 tensor of data. */
  get int32(): Tensor {
    if (this.dtype !== 'int32') throw new Unsupported(`${this.dtype} data`);
    return this.#tensor ?? this.#upload(this.#host!.data as Int32Array);
  }

  /** float32 or int32, as it comes. */
  get number(): Tensor {
    return this.dtype === 'int32' ? this.int32 : this.float;
  }

  /** Truth values as int32. */
  get truth(): Tensor {
    if (this.#tensor?.dtype === 'int32') return this.#tensor;
    if (this.dtype !== 'bool') throw new Unsupported(`${this.dtype} truth values`);
    return this.#upload(Int32Array.from(this.#host!.data as Uint8Array));
  }

  /** Positions or labels as int32, negative ones counted from the end of an axis of `size` if that is given. */
  positions(size?: number): Tensor {
    if (this.#tensor) return this.int32;
    const values = this.values.map(value => (size !== undefined && value < 0 ? value + size : value));
    return this.#upload(Int32Array.from(values));
  }
}

/** A node with its operands at hand. */
export class Call {
  readonly node: OnnxNode;
  readonly opset: number;
  readonly device: Device;
  readonly operands: readonly (Operand | undefined)[];

  constructor(node: OnnxNode, opset: number, device: Device, operands: readonly (Operand | undefined)[]) {
    this.node = node;
    this.opset = opset;
    this.device = device;
    this.operands = operands;
  }

  has(index: number): boolean {
    return this.operands[index] !== undefined;
  }

  operand(index: number): Operand {
    const operand = this.operands[index];
    if (!operand) throw new Error(`${this.node.opType} has no operand ${index}.`);
    return operand;
  }

  float(index: number): Tensor {
    return this.operand(index).float;
  }

  number(index: number): Tensor {
    return this.operand(index).number;
  }

  truth(index: number): Tensor {
    return this.operand(index).truth;
  }

  /** How many outputs the graph wants from this node. */
  get outputCount(): number {
    return this.node.outputs.filter(name => name !== '').length;
  }

  /** A number or its default. */
  scalar(name: string, fallback: number): number {
    return (this.node.attributes[name] as number | undefined) ?? fallback;
  }

  text(name: string, fallback: string): string {
    return (this.node.attributes[name] as string | undefined) ?? fallback;
  }

  list(name: string): number[] | undefined {
    return this.node.attributes[name] as number[] | undefined;
  }

  attributeTensor(name: string): OnnxTensor {
    return this.node.attributes[name] as OnnxTensor;
  }

  /** A list that later operator sets take as an operand and earlier ones as an attribute. */
  listOrOperand(name: string, index: number): number[] | undefined {
    return this.has(index) ? this.operand(index).values : this.list(name);
  }
}

/** What an ONNX operator is in operations of this library. */
export type Operator = (call: Call) => Tensor | readonly Tensor[];

export const positiveAxis = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
