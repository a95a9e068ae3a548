/**
 * Just enough of ONNX to say what ONNX Runtime shall run: one graph of float32 tensors, its constants, one input and one
 * output per name. Images and filters are NCHW and OIHW there. Field numbers: onnx/onnx.proto.
 */
import protobuf from 'protobufjs';

const SCHEMA = `
syntax = "proto3";
message AttributeProto { string name = 1; int32 type = 20; float f = 2; int64 i = 3; repeated int64 ints = 8; }
message NodeProto { repeated string input = 1; repeated string output = 2; string op_type = 4; repeated AttributeProto attribute = 5; }
message TensorProto { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message Dimension { int64 dim_value = 1; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message TypeProto { TensorType tensor_type = 1; }
message ValueInfoProto { string name = 1; TypeProto type = 2; }
message GraphProto {
  repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message ModelProto { int64 ir_version = 1; GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8; }
`;
const MODEL = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('ModelProto');

const FLOAT = 1;
const ATTRIBUTE = { float: 1, int: 2, ints: 7 } as const;

export type Attribute = { readonly float: number } | { readonly int: number } | { readonly ints: readonly number[] };

interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Builds a graph node by node; a value is known by its name. */
export class OnnxGraph {
  readonly #nodes: object[] = [];
  readonly #constants: object[] = [];
  readonly #inputs: Value[] = [];
  #count = 0;

  input(name: string, shape: readonly number[]): string {
    this.#inputs.push({ name, shape });
    return name;
  }

  constant(values: Float32Array, shape: readonly number[]): string {
    const name = `c${this.#count++}`;
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#constants.push({ name, dims: [...shape], data_type: FLOAT, raw_data: raw });
    return name;
  }

  node(type: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const name = `v${this.#count++}`;
    const attribute = Object.entries(attributes).map(([key, value]) => {
      if ('float' in value) return { name: key, type: ATTRIBUTE.float, f: value.float };
      if ('int' in value) return { name: key, type: ATTRIBUTE.int, i: value.int };
      return { name: key, type: ATTRIBUTE.ints, ints: [...value.ints] };
    });
    this.#nodes.push({ input: [...inputs], output: [name], op_type: type, attribute });
    return name;
  }

  /** The model as bytes; `output` is its only result. */
  encode(output: string, shape: readonly number[]): Uint8Array {
    const info = (value: Value): object => ({
      name: value.name,
      type: { tensor_type: { elem_type: FLOAT, shape: { dim: value.shape.map(dim_value => ({ dim_value })) } } },
    });
    const graph = {
      name: 'bench',
      node: this.#nodes,
      initializer: this.#constants,
      input: this.#inputs.map(info),
      output: [info({ name: output, shape })],
    };
    const model = { ir_version: 8, graph, opset_import: [{ domain: '', version: 17 }] };
    return MODEL.encode(MODEL.create(model)).finish();
  }
}
