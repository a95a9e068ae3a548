/**
 * Random programs from a seed: networks of layers as people build them, fused and unfused, and graphs of operations on
 * small arrays. Values stay moderate, so that first and second derivatives can be compared.
 */
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { type Leaf, type Program, type Shape, type Step, sizeOf } from './programs.ts';

const SMOOTH = ['tanh', 'sigmoid', 'softplus', 'sin', 'cos', 'erf', 'gelu', 'silu', 'square', 'neg'];
const KINKED = ['relu', 'leakyRelu', 'elu', 'abs'];
const POSITIVE = ['log', 'sqrt', 'rsqrt', 'reciprocal'];

class Builder {
  readonly #random: PhiloxStream;
  readonly #seed: number;
  readonly leaves: Leaf[] = [];
  /** In terms of values: leaves are negative numbers until the program is finished. */
  readonly steps: Step[] = [];
  readonly #shapes = new Map<number, Shape>();

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new PhiloxStream(seed, 77);
  }

  below(n: number): number {
    return Math.floor(this.#random.uniform() * n);
  }
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }
  chance(p: number): boolean {
    return this.#random.uniform() < p;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
  /** A number of few digits. */
  number(low: number, high: number): number {
    return Math.round((low + (high - low) * this.#random.uniform()) * 64) / 64;
  }
  shapeOf(value: number): Shape {
    return this.#shapes.get(value)!;
  }

  leaf(shape: Shape, kind: Leaf['kind'] = 'both'): number {
    this.leaves.push({ shape, seed: (this.#seed % 100_000) * 32 + this.leaves.length, kind });
    const value = -this.leaves.length;
    this.#shapes.set(value, shape);
    return value;
  }

  step(op: string, inputs: readonly number[], shape: Shape, attributes: object = {}): number {
    this.steps.push({ op, in: inputs, ...attributes });
    const value = this.steps.length - 1;
    this.#shapes.set(value, shape);
    return value;
  }

  /** An operation that keeps the shape. */
  map(op: string, x: number, attributes: object = {}): number {
    return this.step(op, [x], this.shapeOf(x), attributes);
  }

  reduce(op: string, x: number, axes: readonly number[], keep: boolean, attributes: object = {}): number {
    const shape = this.shapeOf(x);
    const reduced = keep ? shape.map((n, i) => (axes.includes(i) ? 1 : n)) : shape.filter((_, i) => !axes.includes(i));
    return this.step(op, [x], reduced, { axes, keep, ...attributes });
  }

  finish(y: number): Program {
    if (y !== this.steps.length - 1) throw new Error('the scalar must be the last step');
    const count = this.leaves.length;
    const steps = this.steps.map(step => ({ ...step, in: step.in.map(i => (i < 0 ? -i - 1 : i + count)) }));
    const all = this.leaves.map((_, i) => i);
    const some = all.filter(() => this.chance(0.4));
    return { leaves: this.leaves, steps, first: some.length > 0 ? some : [this.below(count)] };
  }
}

function activate(b: Builder, x: number): number {
  const op = b.pick([...SMOOTH, ...KINKED]);
  if (op === 'leakyRelu' || op === 'elu') return b.map(op, x, { alpha: b.number(0.1, 0.9) });
  return b.map(op, x);
}

const fused = (b: Builder) => ({ activation: b.chance(0.5) ? 'relu' : 'none' });

function convolution(b: Builder, x: number): number {
  const [n, height, width, channels] = b.shapeOf(x);
  const groups = channels % 2 === 0 && b.chance(0.3) ? 2 : 1;
  const outputs = groups * b.between(1, 3);
  const kernel = [b.between(1, Math.min(3, height)), b.between(1, Math.min(3, width))];
  const stride = [b.between(1, 2), b.between(1, 2)];
  const padding = [0, 1, 2, 3].map(() => b.below(2));
  const fits = (k: number, extent: number, sides: number) => 2 * (k - 1) + 1 <= extent + sides;
  const dilation = [
    fits(kernel[0], height, padding[0] + padding[1]) && b.chance(0.3) ? 2 : 1,
    fits(kernel[1], width, padding[2] + padding[3]) && b.chance(0.3) ? 2 : 1,
  ];
  const extent = (size: number, axis: 0 | 1) =>
    Math.floor(
      (size + padding[2 * axis] + padding[2 * axis + 1] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis],
    ) + 1;
  const inputs = [x, b.leaf([...kernel, channels / groups, outputs])];
  if (b.chance(0.6)) inputs.push(b.leaf([outputs]));
  const shape = [n, extent(height, 0), extent(width, 1), outputs];
  return b.step('conv2d', inputs, shape, { stride, padding, dilation, groups, ...fused(b) });
}

function normalization(b: Builder, x: number, earlier: readonly number[]): number {
  const shape = b.shapeOf(x);
  const channels = shape[shape.length - 1];
  const inputs = [x, b.leaf([channels], 'positive'), b.leaf([channels])];
  const residuals = earlier.filter(value => value !== x && String(b.shapeOf(value)) === String(shape));
  if (b.chance(0.5)) inputs.push(residuals.length > 0 ? b.pick(residuals) : b.leaf(shape));
  return b.step('batchNorm', inputs, shape, {
    training: b.chance(0.6),
    ...fused(b),
    mean: Array.from({ length: channels }, () => b.number(-0.5, 0.5)),
    variance: Array.from({ length: channels }, () => b.number(0.5, 1.5)),
  });
}

function pooling(b: Builder, x: number): number {
  const [n, height, width, channels] = b.shapeOf(x);
  const kernel = [b.between(1, Math.min(3, height)), b.between(1, Math.min(3, width))];
  const stride = [b.between(1, 2), b.between(1, 2)];
  const padding = kernel.map(k => b.below(Math.floor(k / 2) + 1));
  const extent = (size: number, axis: number) =>
    Math.floor((size + 2 * padding[axis] - kernel[axis]) / stride[axis]) + 1;
  const shape = [n, extent(height, 0), extent(width, 1), channels];
  const op = b.pick(['maxPool2d', 'avgPool2d']);
  const counting = op === 'avgPool2d' ? { countPadding: b.chance(0.5) } : {};
  return b.step(op, [x], shape, { kernel, stride, padding, ...counting });
}

function dense(b: Builder, x: number, outputs: number): number {
  const [n, inputs] = b.shapeOf(x);
  const transposeB = b.chance(0.3);
  const operands = [x, b.leaf(transposeB ? [outputs, inputs] : [inputs, outputs])];
  if (b.chance(0.7)) operands.push(b.leaf([outputs]));
  return b.step('matmul', operands, [n, outputs], { transposeA: false, transposeB, ...fused(b) });
}

/** A scalar from logits [n, classes]. */
function loss(b: Builder, logits: number): number {
  const [n, classes] = b.shapeOf(logits);
  const labels = Array.from({ length: n }, () => b.below(classes));
  const smoothing = b.chance(0.5) ? b.number(0.05, 0.3) : 0;
  switch (b.below(4)) {
    case 0: {
      const targets = b.map('softmax', b.leaf([n, classes]));
      return b.step('crossEntropySoft', [logits, targets], [], { smoothing });
    }
    case 1:
      return b.reduce('sumOfSquares', b.map(b.pick(['softmax', 'logSoftmax']), logits), [0, 1], false);
    default:
      return b.step('crossEntropy', [logits], [], { labels, smoothing, reduction: b.pick(['mean', 'sum']) });
  }
}

/** @param dropout with dropout layers, whose masks PyTorch does not draw */
export function randomNetwork(seed: number, dropout = false): Program {
  const b = new Builder(seed);
  let x = b.leaf([b.between(2, 3), b.between(3, 6), b.between(3, 6), b.between(1, 3)]);
  const earlier: number[] = [];
  for (let depth = b.between(1, 4); depth > 0; depth--) {
    earlier.push(x);
    const kind = b.below(6);
    if (kind < 2) x = convolution(b, x);
    else if (kind === 2) x = normalization(b, x, earlier);
    else if (kind === 3) x = pooling(b, x);
    else if (kind === 4) x = activate(b, x);
    else if (dropout) x = b.map('dropout', x, { rate: 0.3, state: [seed % 1000, 1, 2, 0] });
    else x = b.step('add', [x, b.leaf([b.shapeOf(x)[3]])], b.shapeOf(x));
  }
  const shape = b.shapeOf(x);
  x = b.chance(0.3)
    ? b.step('globalAveragePool', [x], [shape[0], shape[3]])
    : b.step('reshape', [x], [shape[0], sizeOf(shape.slice(1))], { shape: [shape[0], sizeOf(shape.slice(1))] });
  if (b.chance(0.5)) x = activate(b, dense(b, x, b.between(2, 5)));
  if (b.chance(0.3)) x = normalization(b, x, []);
  // Kept small, so that squares of squares do not run away.
  x = b.map('affine', dense(b, x, b.between(2, 4)), { scale: 0.25, shift: 0 });
  return b.finish(loss(b, x));
}

const positive = (b: Builder, x: number): number => b.map('affine', b.map('softplus', x), { scale: 1, shift: 0.5 });

/** One more operation on `x`; `y` is any other value. */
function operation(b: Builder, x: number, y: number): number {
  const shape = b.shapeOf(x);
  const rank = shape.length;
  const axis = b.below(rank);
  const axes = shape.map((_, i) => i).filter(i => i === axis || b.chance(0.3));
  const along = (extent: number) => shape.map((n, i) => (i === axis ? extent : n));
  const indices = (count: number, most: number) => Array.from({ length: count }, () => b.below(most));
  /** Another operand: `y` where it has this shape, else a leaf that broadcasts. */
  const other = () =>
    String(b.shapeOf(y)) === String(shape) ? y : b.leaf(b.chance(0.5) ? shape : along(1).slice(b.below(axis + 1)));
  switch (b.below(17)) {
    case 0:
      return activate(b, x);
    case 1:
      return b.map(b.pick(POSITIVE), positive(b, x));
    case 2:
      return b.step(b.pick(['add', 'sub', 'mul', 'maximum', 'minimum']), [x, other()], shape);
    case 3:
      return b.step('div', [x, positive(b, other())], shape);
    case 4:
      return b.step('pow', [positive(b, x), other()], shape);
    case 5:
      return b.map('clamp', x, { low: b.number(-0.9, -0.1), high: b.number(0.1, 0.9) });
    case 6:
      return b.step('where', [x, other()], shape, { above: b.number(-0.4, 0.4) });
    case 7: {
      const perm = shape.map((_, i) => i).sort(() => b.below(3) - 1);
      return b.step(
        'transpose',
        [x],
        perm.map(i => shape[i]),
        { perm },
      );
    }
    case 8: {
      const sizes = shape.map(n => b.between(1, n));
      const starts = shape.map((n, i) => b.below(n - sizes[i] + 1));
      return b.step('slice', [x], sizes, { starts, sizes });
    }
    case 9:
      return b.map('flip', x, { axes });
    case 10:
      return b.chance(0.5)
        ? b.step('concat', [x, x], along(2 * shape[axis]), { axis })
        : b.step('stack', [x, b.map('clone', x)], [2, ...shape], { axis: 0 });
    case 11: {
      const [before, after] = [shape.map(() => b.below(2)), shape.map(() => b.below(2))];
      const padded = shape.map((n, i) => n + before[i] + after[i]);
      return b.step('pad', [x], padded, { before, after, value: b.number(-1, 1) });
    }
    case 12: {
      const count = b.between(1, 4);
      return b.step('gather', [x], along(count), { indices: indices(count, shape[axis]), axis });
    }
    case 13:
      return b.step('scatterAdd', [x], along(3), { indices: indices(shape[axis], 3), size: 3, axis });
    case 14: {
      const op = b.pick(['sum', 'mean', 'max', 'min', 'prod', 'sumOfSquares', 'variance']);
      const kept = b.reduce(op, x, axes, b.chance(0.5), op === 'variance' ? { unbiased: false } : {});
      return b.shapeOf(kept).length > 0 ? kept : b.step('reshape', [kept], [1], { shape: [1] });
    }
    case 15: {
      if (rank < 2) return b.map(b.pick(['softmax', 'logSoftmax']), x);
      const [m, k] = shape.slice(-2);
      const [transposeA, transposeB] = [b.chance(0.5), b.chance(0.5)];
      const [rows, inner, columns] = [transposeA ? k : m, transposeA ? m : k, b.between(1, 3)];
      const operands = [x, b.leaf(transposeB ? [columns, inner] : [inner, columns])];
      if (b.chance(0.5)) operands.push(b.leaf([columns]));
      const attributes = { transposeA, transposeB, ...fused(b) };
      return b.step('matmul', operands, [...shape.slice(0, -2), rows, columns], attributes);
    }
    default:
      return b.map(b.pick(['softmax', 'logSoftmax', 'tanh']), x);
  }
}

export function randomGraph(seed: number): Program {
  const b = new Builder(seed);
  const rank = b.between(1, 3);
  const values = [b.leaf(Array.from({ length: rank }, () => b.between(1, 4)))];
  values.push(b.leaf(b.shapeOf(values[0])));
  for (let i = b.between(3, 7); i > 0; i--) {
    // Mostly deeper, sometimes from an earlier value, which is then used twice.
    const x = b.chance(0.8) ? values[values.length - 1] : b.pick(values);
    if (sizeOf(b.shapeOf(x)) > 120) continue;
    values.push(operation(b, x, b.pick(values)));
  }
  const last = values[values.length - 1];
  const bounded = b.map('tanh', last);
  const shape = b.shapeOf(last);
  const weighted = b.step('mul', [bounded, b.leaf(shape)], shape);
  return b.finish(
    b.reduce(
      'sum',
      weighted,
      shape.map((_, i) => i),
      false,
    ),
  );
}
