/**
 * Operations that treat every element alike: parameters, output shapes and costs. What an operation computes stands in
 * two tables (`unary.table.ts`, `binary.table.ts`) whose rows hold it in all three languages, its derivative beside it;
 * everything else in this folder is about walking over memory.
 */
import type { DType } from '../../devices/dtype.ts';
import { DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { broadcastShapes, checkShape, formatShape, type Shape, sameShape, sizeOf } from '../../devices/shape.ts';
import { trafficOf } from '../traffic.ts';
import { type BinaryOp, binaryTable } from './binary.table.ts';
import { type UnaryOp, unaryTable } from './unary.table.ts';

export type { BinaryOp, UnaryOp };

export interface UnaryParams {
  readonly op: UnaryOp;
  /** leakyRelu: the slope left of zero (default 0.01); elu: the limit is -alpha (default 1). */
  readonly alpha?: number;
}

export type ComparisonOp = 'equal' | 'notEqual' | 'less' | 'lessEqual' | 'greater' | 'greaterEqual';

export interface BinaryParams {
  readonly op: BinaryOp;
}
export interface AffineParams {
  readonly scale: number;
  readonly shift: number;
}
export interface ClampParams {
  /** Absent: no bound on that side. */
  readonly min?: number;
  readonly max?: number;
}
export interface CastParams {
  readonly to: DType;
}
export interface FillParams {
  readonly value: number;
  readonly shape: Shape;
  readonly dtype: DType;
}
/** Kernels without parameters. */
export type NoParams = Record<string, never>;

/** Most axes a strided kernel walks over. */
export const MAX_RANK = 8;

const COMPARISONS: ReadonlySet<BinaryOp> = new Set<ComparisonOp>([
  'equal',
  'notEqual',
  'less',
  'lessEqual',
  'greater',
  'greaterEqual',
]);

export const isComparison = (op: BinaryOp): boolean => COMPARISONS.has(op);

/** The alpha an operation uses. */
export const alphaOf = (params: UnaryParams): number => params.alpha ?? (params.op === 'leakyRelu' ? 0.01 : 1);

const elements = (specs: readonly Spec[]): number => sizeOf(specs[0].shape);

function wantDType(what: string, spec: Spec, ...allowed: readonly DType[]): void {
  if (!allowed.includes(spec.dtype)) {
    throw new DTypeError(`${what} takes ${allowed.join(' or ')}, not ${spec.dtype}.`);
  }
}

function wantRank(what: string, shape: Shape): void {
  if (shape.length > MAX_RANK) {
    throw new ShapeError(`${what}: shape ${formatShape(shape)} has more than ${MAX_RANK} axes.`);
  }
}

/** The derivative of elu is found from the sign of its value, which a negative alpha would turn round. */
function checkAlpha(params: UnaryParams): void {
  const alpha = alphaOf(params);
  if (!Number.isFinite(alpha) || (params.op === 'elu' && alpha < 0)) {
    throw new UsageError(
      `${params.op}: alpha ${alpha} must be finite${params.op === 'elu' ? ' and not negative' : ''}.`,
    );
  }
}

/** Inputs [x]; output of the same spec. float32, and int32 for the operations that have a form for integers. */
export const unaryDefinition: KernelDefinition<UnaryParams> = {
  name: 'unary',
  infer([x], params) {
    checkAlpha(params);
    if (unaryTable[params.op].wasm.integer) wantDType(params.op, x, 'float32', 'int32');
    else wantDType(params.op, x, 'float32');
    return [x];
  },
  cost: inputs => ({ flops: elements(inputs), bytes: trafficOf(inputs, inputs) }),
};

/** Inputs [x, y, dy] of one shape, where y = op(x); output dx = dy op'(x). float32. */
export const unaryGradientDefinition: KernelDefinition<UnaryParams> = {
  name: 'unaryGradient',
  infer(inputs, params) {
    const [x] = inputs;
    checkAlpha(params);
    for (const spec of inputs) {
      wantDType(`gradient of ${params.op}`, spec, 'float32');
      if (!sameShape(spec.shape, x.shape)) {
        throw new ShapeError(
          `gradient of ${params.op}: shapes ${formatShape(x.shape)} and ${formatShape(spec.shape)} differ.`,
        );
      }
    }
    return [x];
  },
  cost: inputs => ({ flops: 2 * elements(inputs), bytes: trafficOf(inputs, [inputs[0]]) }),
};

function inferBinary([a, b]: readonly Spec[], { op }: BinaryParams): Spec[] {
  if (a.dtype !== b.dtype) throw new DTypeError(`${op}: operands are ${a.dtype} and ${b.dtype}; cast one of them.`);
  const { float, integer } = binaryTable[op].wasm;
  if (float && integer) wantDType(op, a, 'float32', 'int32');
  else wantDType(op, a, float ? 'float32' : 'int32');
  const shape = broadcastShapes(a.shape, b.shape, op);
  wantRank(op, shape);
  return [{ shape, dtype: isComparison(op) ? 'int32' : a.dtype }];
}

/**
 * Inputs [a, b], broadcast as in NumPy. Arithmetic keeps the dtype (float32; int32, wrapping, for add, sub, mul, maximum
 * and minimum); comparisons give int32 0 or 1; `and` and `or` take int32 truth values (0 is false) and give 0 or 1.
 * maximum and minimum pass NaN on.
 */
export const binaryDefinition: KernelDefinition<BinaryParams> = {
  name: 'binary',
  infer: inferBinary,
  cost(inputs, params) {
    const outputs = inferBinary(inputs, params);
    return { flops: elements(outputs), bytes: trafficOf(inputs, outputs) };
  },
};

/** Inputs [x]; output x * scale + shift. float32. */
export const affineDefinition: KernelDefinition<AffineParams> = {
  name: 'affine',
  infer([x], { scale, shift }) {
    wantDType('affine', x, 'float32');
    if (!Number.isFinite(scale) || !Number.isFinite(shift)) {
      throw new UsageError(`affine: scale ${scale} and shift ${shift} must be finite.`);
    }
    return [x];
  },
  cost: inputs => ({ flops: 2 * elements(inputs), bytes: trafficOf(inputs, inputs) }),
};

/** The bounds of a clamp as numbers. */
export const clampBounds = ({ min = -Infinity, max = Infinity }: ClampParams): [number, number] => [min, max];

/** Inputs [x]; output min(max(x, min), max). float32; passes NaN on. */
export const clampDefinition: KernelDefinition<ClampParams> = {
  name: 'clamp',
  infer([x], params) {
    wantDType('clamp', x, 'float32');
    const [min, max] = clampBounds(params);
    if (!(min <= max)) throw new UsageError(`clamp: the lower bound ${min} is not below the upper bound ${max}.`);
    return [x];
  },
  cost: inputs => ({ flops: 2 * elements(inputs), bytes: trafficOf(inputs, inputs) }),
};

function inferWhere([condition, a, b]: readonly Spec[]): Spec[] {
  wantDType('where', condition, 'int32');
  if (a.dtype !== b.dtype) throw new DTypeError(`where: branches are ${a.dtype} and ${b.dtype}; cast one of them.`);
  wantDType('where', a, 'float32', 'int32', 'uint32');
  const shape = broadcastShapes(broadcastShapes(condition.shape, a.shape, 'where'), b.shape, 'where');
  wantRank('where', shape);
  return [{ shape, dtype: a.dtype }];
}

/** Inputs [condition int32, a, b], broadcast; output a where the condition is not 0, else b. */
export const whereDefinition: KernelDefinition<NoParams> = {
  name: 'where',
  infer: inferWhere,
  cost(inputs) {
    const outputs = inferWhere(inputs);
    return { flops: 0, bytes: trafficOf(inputs, outputs) };
  },
};

/**
 * Inputs [x]; output of the same shape and another dtype. Floats become integers by truncation towards zero and saturate
 * (NaN gives 0); integers become integers by keeping the low bits, as in NumPy and C; large integers round to float32.
 */
export const castDefinition: KernelDefinition<CastParams> = {
  name: 'cast',
  infer: ([x], { to }) => [{ shape: x.shape, dtype: to }],
  cost: (inputs, { to }) => ({ flops: 0, bytes: trafficOf(inputs, [{ shape: inputs[0].shape, dtype: to }]) }),
};

const INTEGER_RANGE: Partial<Record<DType, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  uint8: [0, 255],
};

/** No inputs; output of the given shape and dtype with `value` everywhere. */
export const fillDefinition: KernelDefinition<FillParams> = {
  name: 'fill',
  infer(_, { value, shape, dtype }) {
    checkShape(shape, 'fill');
    const range = INTEGER_RANGE[dtype];
    if (range && !(Number.isInteger(value) && value >= range[0] && value <= range[1])) {
      throw new DTypeError(`fill: ${value} is not a value of ${dtype}.`);
    }
    return [{ shape, dtype }];
  },
  cost: (_, { shape, dtype }) => ({ flops: 0, bytes: trafficOf([{ shape, dtype }]) }),
};

/** Inputs [x]; output 0 is updated: out += x. float32, or wrapping int32. */
export const accumulateDefinition: KernelDefinition<NoParams> = {
  name: 'accumulate',
  updates: [0],
  infer([x]) {
    wantDType('accumulate', x, 'float32', 'int32');
    return [x];
  },
  cost: inputs => ({ flops: elements(inputs), bytes: trafficOf(inputs, inputs, inputs) }),
};
