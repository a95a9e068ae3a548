/** Element by element, and summaries along axes. */
import { OP_NAMES, rowOf } from '../../src/autograd/ops/rows.ts';
import * as w from '../../src/index.ts';
import { type UnaryOp, unaryTable } from '../../src/kernels/elementwise/unary.table.ts';
import { type Call, type Operator, positiveAxis, Unsupported } from './call.ts';

type Binary = (a: w.Tensor, b: w.Tensor) => w.Tensor;
type Unary = (x: w.Tensor) => w.Tensor;

const unary =
  (f: Unary, takesIntegers: boolean): Operator =>
  call =>
    f(takesIntegers ? call.number(0) : call.float(0));

/** Before operator set 7 the second operand was placed by an attribute: its first axis is axis `axis` of the first. */
function aligned(call: Call, b: w.Tensor): w.Tensor {
  const { rank } = call.number(0);
  const axis = call.scalar('axis', -1);
  if (call.opset >= 7 || axis < 0 || call.scalar('broadcast', 0) === 0) return b;
  const trailing = rank - positiveAxis(axis, rank) - b.rank;
  return trailing > 0 ? w.reshape(b, [...b.shape, ...new Array(trailing).fill(1)]) : b;
}

const binary =
  (f: Binary): Operator =>
  call =>
    f(call.number(0), aligned(call, call.number(1)));

const logical =
  (f: Binary): Operator =>
  call =>
    f(call.truth(0), call.truth(1));

/** Any number of operands, taken two at a time. */
const variadic =
  (f: Binary): Operator =>
  call =>
    call.operands.map(operand => operand!.number).reduce(f);

const pow: Operator = call => {
  if (call.operand(0).dtype === 'int32') throw new Unsupported('powers of integers');
  const exponent = call.operand(1);
  return w.pow(call.float(0), exponent.dtype === 'int32' ? w.cast(exponent.int32, 'float32') : exponent.float);
};

const clip: Operator = call => {
  const bound = (name: string, index: number, fallback: number): number =>
    call.has(index) ? call.operand(index).values[0] : call.scalar(name, fallback);
  return w.clamp(call.float(0), bound('min', 1, Number.NEGATIVE_INFINITY), bound('max', 2, Number.POSITIVE_INFINITY));
};

const dropout: Operator = call => {
  if (call.outputCount > 1) throw new Unsupported('the mask as an output');
  const isTraining = call.has(2) && call.operand(2).values[0] !== 0;
  if (!isTraining) return call.float(0);
  const rate = call.has(1) ? call.operand(1).values[0] : 0.5;
  if (rate !== 0) throw new Unsupported("NumPy's random numbers");
  return w.dropout(call.float(0), 0, w.tensor(new Uint32Array(4), [4], { device: call.device }));
};

/** ONNX numbers its dtypes (TensorProto.DataType). */
const CAST_TARGETS: Record<number, 'float32' | 'int32' | undefined> = { 1: 'float32', 6: 'int32' };

const cast: Operator = call => {
  const to = CAST_TARGETS[call.scalar('to', 0)];
  if (to === undefined) throw new Unsupported(`casts to ONNX type ${call.scalar('to', 0)}`);
  const operand = call.operand(0);
  if (operand.dtype === 'float64') throw new Unsupported('casts from float64');
  return w.cast(operand.dtype === 'bool' ? operand.truth : operand.number, to);
};

type Reduction = (x: w.Tensor, axes: readonly number[] | undefined, keepDims: boolean) => w.Tensor;

const reduction =
  (f: Reduction): Operator =>
  call => {
    const axes = call.listOrOperand('axes', 1);
    const isEmpty = axes === undefined || axes.length === 0;
    if (isEmpty && call.scalar('noop_with_empty_axes', 0) !== 0) return call.float(0);
    return f(call.float(0), isEmpty ? undefined : axes, call.scalar('keepdims', 1) !== 0);
  };

const argReduce =
  (f: (x: w.Tensor, axis: number, keepDims: boolean) => w.Tensor): Operator =>
  call => {
    const x = call.number(0);
    const axis = positiveAxis(call.scalar('axis', 0), x.rank);
    const keepDims = call.scalar('keepdims', 1) !== 0;
    if (call.scalar('select_last_index', 0) === 0) return f(x, axis, keepDims);
    return w.sub(x.shape[axis] - 1, f(w.flip(x, [axis]), axis, keepDims));
  };

/** What the rows of functions of one and of two values say: the ONNX operator that is the same function. */
function named(): Record<string, Operator> {
  const operators: Record<string, Operator> = {};
  for (const name of OP_NAMES) {
    const { onnx, kernels, functions } = rowOf(name);
    const kernel = kernels.at(0)?.name;
    if (onnx === undefined || (kernel !== 'unary' && kernel !== 'binary')) continue;
    const [f] = functions!;
    operators[onnx] =
      kernel === 'binary' ? binary(f) : unary(f, unaryTable[name as UnaryOp].wasm.integer !== undefined);
  }
  return operators;
}

export const ARITHMETIC: Record<string, Operator> = {
  ...named(),
  Elu: call => w.elu(call.float(0), call.scalar('alpha', 1)),
  LeakyRelu: call => w.leakyRelu(call.float(0), call.scalar('alpha', 0.01)),

  Div: binary((a, b) => {
    if (a.dtype === 'int32') throw new Unsupported('division of integers');
    return w.div(a, b);
  }),
  Pow: pow,
  Max: variadic(w.maximum),
  Min: variadic(w.minimum),
  Sum: variadic(w.add),
  Mean: call => w.div(call.operands.map(operand => operand!.float).reduce(w.add), call.operands.length),
  Clip: clip,
  Cast: cast,
  Dropout: dropout,

  Equal: call => (call.operand(0).dtype === 'bool' ? logical(w.equal)(call) : binary(w.equal)(call)),
  And: logical(w.logicalAnd),
  Or: logical(w.logicalOr),
  Xor: logical(w.notEqual),
  Not: call => w.logicalNot(call.truth(0)),
  Where: call => w.where(call.truth(0), call.number(1), call.number(2)),

  ReduceSum: reduction(w.sum),
  ReduceMean: reduction(w.mean),
  ReduceMax: reduction(w.max),
  ReduceMin: reduction(w.min),
  ReduceProd: reduction(w.prod),
  ReduceSumSquare: reduction(w.sumOfSquares),
  ReduceL1: reduction((x, axes, keepDims) => w.sum(w.abs(x), axes, keepDims)),
  ReduceL2: reduction(w.norm),
  ReduceLogSum: reduction((x, axes, keepDims) => w.log(w.sum(x, axes, keepDims))),
  ReduceLogSumExp: reduction(w.logSumExp),
  ArgMax: argReduce(w.argMax),
  ArgMin: argReduce(w.argMin),
};
