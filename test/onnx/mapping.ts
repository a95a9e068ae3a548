/**
 * ONNX operators in operations of this library: products and losses here, the others in the files beside this one. A graph
 * of several nodes is run node by node, so the cases in which ONNX spells an operator out in finer ones count too.
 */
import type { Device } from '../../src/devices/device.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import * as w from '../../src/index.ts';
import type { OnnxCase } from '../support/onnx.ts';
import { ARITHMETIC } from './arithmetic.ts';
import { Call, Operand, type Operator, positiveAxis, Unsupported } from './call.ts';
import { IMAGES } from './images.ts';
import { MOVEMENT } from './movement.ts';

const gemm: Operator = call => {
  const [a, b] = [call.float(0), call.float(1)];
  const transposeA = call.scalar('transA', 0) !== 0;
  const transposeB = call.scalar('transB', 0) !== 0;
  const [alpha, beta] = [call.scalar('alpha', 1), call.scalar('beta', 1)];
  const c = call.has(2) ? call.float(2) : undefined;
  const columns = b.shape[transposeB ? 0 : 1];
  if (c && alpha === 1 && beta === 1 && c.size === columns && c.shape.at(-1) === columns) {
    return w.matmul(a, b, { transposeA, transposeB, bias: w.reshape(c, [columns]) });
  }
  const product = w.mul(w.matmul(a, b, { transposeA, transposeB }), alpha);
  return c ? w.add(product, w.mul(c, beta)) : product;
};

/** Along any axis by moving it last; before operator set 13 over all axes from `axis` on. */
const alongAxis =
  (f: (x: w.Tensor) => w.Tensor): Operator =>
  call => {
    const x = call.float(0);
    if (call.opset < 13) {
      const axis = positiveAxis(call.scalar('axis', 1), x.rank);
      const rows = w.reshape(x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]);
      return w.reshape(f(rows), x.shape);
    }
    const axis = positiveAxis(call.scalar('axis', -1), x.rank);
    if (axis === x.rank - 1) return f(x);
    // Exchanging two axes is its own inverse.
    const order = x.shape.map((_, i) => (i === axis ? x.rank - 1 : i === x.rank - 1 ? axis : i));
    return w.transpose(f(w.transpose(x, order)), order);
  };

/** [N, C, d1...] to rows of classes [N d1..., C], and how to put values per row, or rows, back. */
function classesLast(x: w.Tensor) {
  const [n, classes, ...rest] = x.shape;
  const axes = x.shape.map((_, axis) => axis);
  const order = [0, ...axes.slice(2), 1];
  const rows = w.reshape(x.rank > 2 ? w.transpose(x, order) : x, [-1, classes]);
  const back = (y: w.Tensor): w.Tensor =>
    x.rank > 2 ? w.transpose(w.reshape(y, [n, ...rest, classes]), [0, x.rank - 1, ...axes.slice(1, -1)]) : y;
  return { rows, shape: [n, ...rest], back };
}

/**
 * Losses per row times the weights of their labels, 0 where the label is to be ignored. The mean divides by the weights
 * that counted.
 */
function reduceLosses(call: Call, shape: readonly number[], perRow: (labels: w.Tensor) => w.Tensor): w.Tensor {
  const labels = w.reshape(call.operand(1).positions(), [-1]);
  const ignored = call.node.attributes['ignore_index'] as number | undefined;
  const counts = ignored === undefined ? undefined : w.notEqual(labels, ignored);
  const safe = counts ? w.where(counts, labels, 0) : labels;
  let weights = call.has(2) ? w.gather(call.float(2), safe) : w.ones(labels.shape, { device: call.device });
  if (counts) weights = w.where(counts, weights, 0);
  const losses = w.mul(perRow(safe), weights);
  const reduction = call.text('reduction', 'mean');
  if (reduction === 'none') return w.reshape(losses, shape);
  return reduction === 'sum' ? w.sum(losses) : w.div(w.sum(losses), w.sum(weights));
}

const negativeLogLikelihood: Operator = call => {
  const { rows, shape } = classesLast(call.float(0));
  const classes = rows.shape[1];
  return reduceLosses(call, shape, labels => w.neg(w.sum(w.mul(w.oneHot(labels, classes), rows), 1)));
};

const softmaxCrossEntropy: Operator = call => {
  const { rows, shape, back } = classesLast(call.float(0));
  const loss = reduceLosses(call, shape, labels => w.crossEntropy(rows, labels, { reduction: 'none' }));
  return call.outputCount > 1 ? [loss, back(w.logSoftmax(rows))] : loss;
};

export const OPERATORS: Record<string, Operator> = {
  ...ARITHMETIC,
  ...IMAGES,
  ...MOVEMENT,
  Gemm: gemm,
  LogSoftmax: alongAxis(w.logSoftmax),
  MatMul: call => w.matmul(call.float(0), call.float(1)),
  NegativeLogLikelihoodLoss: negativeLogLikelihood,
  Softmax: alongAxis(w.softmax),
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
};

/** The operators of a graph that stand in no table here. */
export function operatorsWithoutMapping(one: OnnxCase): string[] {
  return one.nodes.map(({ opType }) => opType).filter(opType => opType !== 'Constant' && !(opType in OPERATORS));
}

/**
 * Runs a graph on a device.
 * @returns tensors in the order of `one.outputs`; the caller's to dispose (`tidy`)
 * @throws Unsupported saying what the library lacks
 */
export function runOnnxCase(one: OnnxCase, device: Device): w.Tensor[] {
  const values = new Map<string, Operand>();
  for (const given of [...one.initializers, ...one.inputs]) values.set(given.name, new Operand(given, device));
  for (const node of one.nodes) {
    if (node.opType === 'Constant') {
      const value = node.attributes['value'];
      if (value === undefined) throw new Unsupported('constants that are no tensor');
      values.set(node.outputs[0], new Operand(value as never, device));
      continue;
    }
    const operands = node.inputs.map(name => (name === '' ? undefined : values.get(name)));
    const made = OPERATORS[node.opType](new Call(node, one.opset, device, operands));
    const outputs: readonly w.Tensor[] = Array.isArray(made) ? made : [made as w.Tensor];
    node.outputs.forEach((name, i) => {
      if (name === '') return;
      if (!outputs[i]) throw new Error(`${node.opType} gives ${outputs.length} outputs, ${name} is not among them.`);
      values.set(name, new Operand(outputs[i], device));
    });
  }
  return one.outputs.map(({ name }) => values.get(name)!.number);
}
