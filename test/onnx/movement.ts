/** Moving elements: ONNX's rules for axes, negative positions and sizes of 0 are settled here, on the host. */
import { broadcastShapes, sizeOf } from '../../src/devices/shape.ts';
import * as w from '../../src/index.ts';
import { type Call, type Operator, positiveAxis, Unsupported } from './call.ts';

const reshape: Operator = call => {
  const x = call.number(0);
  const wanted = call.listOrOperand('shape', 1)!;
  const keepsZero = call.scalar('allowzero', 0) !== 0;
  return w.reshape(
    x,
    wanted.map((extent, axis) => (extent === 0 && !keepsZero ? x.shape[axis] : extent)),
  );
};

/** ONNX's Flatten makes a matrix: the axes before `axis` by the others. */
const flatten: Operator = call => {
  const x = call.number(0);
  const axis = positiveAxis(call.scalar('axis', 1), x.rank);
  return w.reshape(x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]);
};

const squeeze: Operator = call => {
  const x = call.number(0);
  const axes = call.listOrOperand('axes', 1)?.map(axis => positiveAxis(axis, x.rank));
  return w.reshape(
    x,
    x.shape.filter((extent, axis) => (axes ? !axes.includes(axis) : extent !== 1)),
  );
};

const unsqueeze: Operator = call => {
  const x = call.number(0);
  const axes = call.listOrOperand('axes', 1)!;
  const rank = x.rank + axes.length;
  const added = new Set(axes.map(axis => positiveAxis(axis, rank)));
  const extents = x.shape.values();
  return w.reshape(
    x,
    Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (extents.next().value as number))),
  );
};

const slice: Operator = call => {
  const x = call.number(0);
  const starts = call.listOrOperand('starts', 1)!;
  const ends = call.listOrOperand('ends', 2)!;
  const axes = call.listOrOperand('axes', 3) ?? starts.map((_, axis) => axis);
  const steps = call.has(4) ? call.operand(4).values : starts.map(() => 1);
  const window = { starts: x.shape.map(() => 0), sizes: [...x.shape], steps: x.shape.map(() => 1) };
  axes.forEach((named, i) => {
    const axis = positiveAxis(named, x.rank);
    const extent = x.shape[axis];
    const step = steps[i];
    const within = (position: number, low: number, high: number): number =>
      Math.min(Math.max(position < 0 ? position + extent : position, low), high);
    const start = step > 0 ? within(starts[i], 0, extent) : within(starts[i], 0, extent - 1);
    const end = step > 0 ? within(ends[i], 0, extent) : within(ends[i], -1, extent - 1);
    window.starts[axis] = start;
    window.sizes[axis] = Math.max(0, Math.ceil((end - start) / step));
    window.steps[axis] = step;
  });
  return w.slice(x, window.starts, window.sizes, window.steps);
};

const split: Operator = call => {
  const x = call.number(0);
  const axis = positiveAxis(call.scalar('axis', 0), x.rank);
  const parts = call.node.outputs.length;
  const sizes = call.listOrOperand('split', 1) ?? new Array<number>(parts).fill(x.shape[axis] / parts);
  let start = 0;
  return sizes.map(size => {
    const starts = x.shape.map((_, at) => (at === axis ? start : 0));
    start += size;
    return w.slice(
      x,
      starts,
      x.shape.map((extent, at) => (at === axis ? size : extent)),
    );
  });
};

const pad: Operator = call => {
  const x = call.number(0);
  const pads = call.listOrOperand('pads', 1)!;
  const value = call.has(2) ? call.operand(2).values[0] : call.scalar('value', 0);
  const mode = call.text('mode', 'constant');
  if (mode !== 'constant' && mode !== 'reflect' && mode !== 'edge') throw new Unsupported(`padding mode ${mode}`);
  return w.pad(x, pads.slice(0, x.rank), pads.slice(x.rank), { mode, value });
};

const gather: Operator = call => {
  const x = call.number(0);
  const axis = positiveAxis(call.scalar('axis', 0), x.rank);
  return w.gather(x, call.operand(1).positions(x.shape[axis]), axis);
};

const oneHot: Operator = call => {
  const [classes] = call.operand(1).values;
  const [off, on] = call.operand(2).values;
  const given = call.operand(0);
  // ONNX counts negative positions from the end; floats are cut to integers.
  const labels = w.tensor(
    Int32Array.from(given.values, value => (value < 0 ? value + classes : value)),
    given.shape,
    { device: call.device },
  );
  const encoded = w.oneHot(labels, classes, on, off);
  const axis = positiveAxis(call.scalar('axis', -1), encoded.rank);
  const order = given.shape.map((_, i) => i);
  order.splice(axis, 0, encoded.rank - 1);
  const placed = axis === encoded.rank - 1 ? encoded : w.transpose(encoded, order);
  return call.operand(2).dtype === 'int32' ? w.cast(placed, 'int32') : placed;
};

const expand: Operator = call => {
  const x = call.number(0);
  return w.broadcastTo(x, broadcastShapes(x.shape, call.operand(1).values));
};

const constantOfShape: Operator = call => {
  const { dtype, data } = call.attributeTensor('value');
  if (dtype !== 'float32' && dtype !== 'int32') throw new Unsupported(`${dtype} data`);
  return w.full(call.operand(0).values, Number(data[0]), { dtype, device: call.device });
};

const concat: Operator = call =>
  w.concat(
    call.operands.map(operand => operand!.number),
    call.scalar('axis', 1),
  );

const transpose: Operator = call => w.transpose(call.number(0), call.list('perm'));
const identity = (call: Call): w.Tensor => w.identity(call.number(0));

export const MOVEMENT: Record<string, Operator> = {
  Concat: concat,
  ConstantOfShape: constantOfShape,
  Expand: expand,
  Flatten: flatten,
  Gather: gather,
  Identity: identity,
  OneHot: oneHot,
  Pad: pad,
  Reshape: reshape,
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
