/**
 * Reads ONNX operator tests: a directory with a model of one or a few nodes and, for each data set, the tensors that go
 * in and the tensors that must come out. Only the messages and fields that such tests use are declared; protobuf skips
 * the rest. Field numbers: onnx/onnx.proto (IR version 8).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import protobuf from 'protobufjs';
import { onnxDataDirectory } from './shared.ts';

const SCHEMA = `
syntax = "proto2";
message AttributeProto {
  optional string name = 1;
  optional int32 type = 20;
  optional float f = 2;
  optional int64 i = 3;
  optional bytes s = 4;
  optional TensorProto t = 5;
  repeated float floats = 7;
  repeated int64 ints = 8;
  repeated bytes strings = 9;
}
message NodeProto {
  repeated string input = 1;
  repeated string output = 2;
  optional string name = 3;
  optional string op_type = 4;
  optional string domain = 7;
  repeated AttributeProto attribute = 5;
}
message ValueInfoProto { optional string name = 1; optional TypeProto type = 2; }
message TypeProto { optional Tensor tensor_type = 1; message Tensor { optional int32 elem_type = 1; } }
message GraphProto {
  repeated NodeProto node = 1;
  optional string name = 2;
  repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto { optional string domain = 1; optional int64 version = 2; }
message ModelProto {
  optional int64 ir_version = 1;
  optional GraphProto graph = 7;
  repeated OperatorSetIdProto opset_import = 8;
}
message TensorProto {
  repeated int64 dims = 1;
  optional int32 data_type = 2;
  repeated float float_data = 4 [packed = true];
  repeated int32 int32_data = 5 [packed = true];
  repeated int64 int64_data = 7 [packed = true];
  optional string name = 8;
  optional bytes raw_data = 9;
  repeated double double_data = 10 [packed = true];
  repeated uint64 uint64_data = 11 [packed = true];
  optional int32 data_location = 14;
}
`;

const types = protobuf.parse(SCHEMA, { keepCase: true }).root;
const MODEL = types.lookupType('ModelProto');
const TENSOR = types.lookupType('TensorProto');

export type OnnxDType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'bool';

export type OnnxArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A tensor of a test, row-major; bool is one byte 0/1, float16 is widened to float32. */
export interface OnnxTensor {
  name: string;
  dims: number[];
  dtype: OnnxDType;
  data: OnnxArray;
}

/** Ints are numbers (an ONNX attribute beyond 2^53 does not occur), texts are decoded. */
export type OnnxAttribute = number | string | number[] | string[] | OnnxTensor;

export interface OnnxNode {
  opType: string;
  /** Names; an empty one is an optional input that was left out. */
  inputs: string[];
  outputs: string[];
  attributes: Record<string, OnnxAttribute>;
}

export interface OnnxCase {
  name: string;
  /** Version of the default operator set, which settles defaults and the meaning of attributes. */
  opset: number;
  nodes: OnnxNode[];
  /** Constant tensors of the graph (weights). */
  initializers: OnnxTensor[];
  /** In the order of the graph's inputs, and named like them. */
  inputs: OnnxTensor[];
  outputs: OnnxTensor[];
}

type ArrayConstructor = {
  new (buffer: ArrayBuffer): OnnxArray;
  from(values: any): OnnxArray;
  BYTES_PER_ELEMENT: number;
};
type Field = 'float_data' | 'int32_data' | 'int64_data' | 'double_data' | 'uint64_data';

/** TensorProto.DataType: where values lie when they are not raw bytes, and which array holds them. */
const DATA_TYPES: Record<number, { dtype: OnnxDType; array: ArrayConstructor; field: Field }> = {
  1: { dtype: 'float32', array: Float32Array, field: 'float_data' },
  2: { dtype: 'uint8', array: Uint8Array, field: 'int32_data' },
  3: { dtype: 'int8', array: Int8Array, field: 'int32_data' },
  4: { dtype: 'uint16', array: Uint16Array, field: 'int32_data' },
  5: { dtype: 'int16', array: Int16Array, field: 'int32_data' },
  6: { dtype: 'int32', array: Int32Array, field: 'int32_data' },
  7: { dtype: 'int64', array: BigInt64Array, field: 'int64_data' },
  9: { dtype: 'bool', array: Uint8Array, field: 'int32_data' },
  10: { dtype: 'float16', array: Uint16Array, field: 'int32_data' },
  11: { dtype: 'float64', array: Float64Array, field: 'double_data' },
  12: { dtype: 'uint32', array: Uint32Array, field: 'uint64_data' },
  13: { dtype: 'uint64', array: BigUint64Array, field: 'uint64_data' },
};

/** A test that holds something else than tensors of numbers (sequences, texts, sparse tensors). */
export class UnsupportedOnnxCase extends Error {
  override name = 'UnsupportedOnnxCase';
}

/** The value of IEEE 754 binary16 bits. */
function widenHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function decodeTensor(message: any, where: string): OnnxTensor {
  const type = DATA_TYPES[message.data_type];
  if (type === undefined || message.data_location === 1) {
    throw new UnsupportedOnnxCase(`${where} holds data of ONNX type ${message.data_type}.`);
  }
  const dims = message.dims.map(Number) as number[];
  const count = dims.reduce((product, extent) => product * extent, 1);
  let data: OnnxArray;
  if (Object.hasOwn(message, 'raw_data')) {
    const raw = Uint8Array.from(message.raw_data as Uint8Array);
    if (raw.length !== count * type.array.BYTES_PER_ELEMENT) {
      throw new Error(`${where}: ${raw.length} raw bytes do not hold ${type.dtype} [${dims}].`);
    }
    data = new type.array(raw.buffer);
  } else {
    const values = message[type.field] as any[];
    const wide = type.dtype === 'int64' || type.dtype === 'uint64';
    data = type.array.from(values.map(value => (wide ? BigInt(value.toString()) : Number(value))));
    if (data.length !== count) throw new Error(`${where}: ${data.length} values do not hold ${type.dtype} [${dims}].`);
  }
  if (type.dtype === 'float16') data = Float32Array.from(data as Uint16Array, widenHalf);
  return { name: message.name, dims, dtype: type.dtype, data };
}

const ATTRIBUTE_TYPES: Record<number, (attribute: any, where: string) => OnnxAttribute> = {
  1: attribute => attribute.f,
  2: attribute => Number(attribute.i),
  3: attribute => new TextDecoder().decode(attribute.s),
  4: (attribute, where) => decodeTensor(attribute.t, where),
  6: attribute => [...attribute.floats],
  7: attribute => attribute.ints.map(Number),
  8: attribute => attribute.strings.map((text: Uint8Array) => new TextDecoder().decode(text)),
};

function decodeNode(message: any, where: string): OnnxNode {
  const attributes: Record<string, OnnxAttribute> = {};
  for (const attribute of message.attribute) {
    const decode = ATTRIBUTE_TYPES[attribute.type];
    if (decode === undefined) {
      throw new UnsupportedOnnxCase(`${where}: attribute ${attribute.name} is of ONNX kind ${attribute.type}.`);
    }
    attributes[attribute.name] = decode(attribute, where);
  }
  return { opType: message.op_type, inputs: [...message.input], outputs: [...message.output], attributes };
}

function readTensors(directory: string, prefix: 'input' | 'output', names: string[]): OnnxTensor[] {
  const tensors: OnnxTensor[] = [];
  for (let index = 0; existsSync(join(directory, `${prefix}_${index}.pb`)); index++) {
    const path = join(directory, `${prefix}_${index}.pb`);
    let message: any;
    try {
      message = TENSOR.decode(readFileSync(path));
    } catch (error) {
      throw new UnsupportedOnnxCase(`${path} is no tensor (${(error as Error).message}).`);
    }
    const tensor = decodeTensor(message, path);
    tensors.push({ ...tensor, name: names[index] ?? tensor.name });
  }
  return tensors;
}

/**
 * Reads a test case.
 *
 * @param directory a folder with `model.onnx` and `test_data_set_0`
 * @param dataSet which of its data sets
 * @throws UnsupportedOnnxCase when it deals in anything but tensors of numbers
 */
export function loadOnnxCase(directory: string, dataSet = 0): OnnxCase {
  const name = basename(directory);
  const model = MODEL.decode(readFileSync(join(directory, 'model.onnx'))) as any;
  const graph = model.graph;
  for (const value of [...graph.input, ...graph.output]) {
    if (!value.type?.tensor_type) throw new UnsupportedOnnxCase(`${name}: ${value.name} is no tensor.`);
  }
  const initializers = (graph.initializer as any[]).map(tensor => decodeTensor(tensor, `${name}/${tensor.name}`));
  const constant = new Set(initializers.map(tensor => tensor.name));
  const fed = (graph.input as any[]).map(value => value.name as string).filter(input => !constant.has(input));
  const data = join(directory, `test_data_set_${dataSet}`);
  return {
    name,
    opset: Number(model.opset_import.find((entry: any) => !entry.domain)?.version ?? 1),
    nodes: (graph.node as any[]).map(node => decodeNode(node, name)),
    initializers,
    inputs: readTensors(data, 'input', fed),
    outputs: readTensors(
      data,
      'output',
      (graph.output as any[]).map(value => value.name),
    ),
  };
}

/**
 * The case directories whose name begins with `test_` + prefix; none where the ONNX tests are
 * not installed. `listOnnxCases('conv_')`, `listOnnxCases('Conv2d', 'pytorch-converted')`.
 *
 * @param prefix start of the name without `test_`; '' for all
 * @param group a folder of the test data: node, pytorch-converted, pytorch-operator, simple
 */
export function listOnnxCases(prefix: string, group = 'node'): string[] {
  if (onnxDataDirectory === undefined) return [];
  const folder = join(onnxDataDirectory, group);
  return readdirSync(folder)
    .filter(entry => entry.startsWith(`test_${prefix}`) && existsSync(join(folder, entry, 'model.onnx')))
    .sort()
    .map(entry => join(folder, entry));
}

/** The directories of the cases whose graph is one node of this operator, e.g. `onnxCasesOf('Conv')`. */
export function onnxCasesOf(opType: string, group = 'node'): string[] {
  return listOnnxCases('', group).filter(directory => {
    const model = MODEL.decode(readFileSync(join(directory, 'model.onnx'))) as any;
    return model.graph.node.length === 1 && model.graph.node[0].op_type === opType;
  });
}
