/**
 * Elementwise kernels in WebAssembly: which body over which operands. One loop (`map.wasm.ts`) serves them all at any
 * broadcasting, so each has a single variant.
 */
import type { DType } from '../../devices/dtype.ts';
import { bytesPerElement } from '../../devices/dtype.ts';
import { input, output, type Spec, type WasmPass, type WasmPlan, type WasmVariant } from '../../devices/kernel.ts';
import { type Shape, sizeOf } from '../../devices/shape.ts';
import type { F32x4, I32x4 } from '../../devices/wasm/assembler/module.ts';
import { i32, splatI32, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { f32Bits } from '../../devices/webgpu/uniforms.ts';
import { binaryTable } from './binary.table.ts';
import { broadcastWalk, type Walk } from './broadcast.ts';
import {
  type AffineParams,
  alphaOf,
  type BinaryParams,
  binaryDefinition,
  type ClampParams,
  clampBounds,
  type FillParams,
  type NoParams,
  type UnaryParams,
  whereDefinition,
} from './elementwise.ts';
import { type ElementKind, mapPlan } from './map.wasm.ts';
import { unaryTable } from './unary.table.ts';

const kindOf = (dtype: DType): ElementKind => (dtype === 'float32' ? 'float' : 'integer');

/** A long line: nothing is broadcast. */
const line = (shape: Shape, operands: number): Walk => ({
  extents: [sizeOf(shape)],
  strides: new Array(operands).fill([1]),
});

/** The one variant of a kernel, applying to everything. */
function only<P>(plan: (specs: readonly Spec[], params: P) => WasmPlan): readonly WasmVariant<P>[] {
  return [{ name: 'simd', applies: () => true, plan }];
}

export const unaryWasm = only<UnaryParams>(([x], params) => {
  const { wasm, weight } = unaryTable[params.op];
  if (x.dtype === 'int32') {
    const body = (_: unknown, [value]: readonly I32x4[]): I32x4 => wasm.integer!(value);
    return mapPlan({ key: `${params.op} int32`, operands: ['integer'], body }, line(x.shape, 1), [input(0)]);
  }
  return mapPlan(
    { key: params.op, operands: ['float'], parameters: 1, weight, body: (f, [v], [alpha]) => wasm.value(f, v, alpha) },
    line(x.shape, 1),
    [input(0)],
    [alphaOf(params)],
  );
});

export const unaryGradientWasm = only<UnaryParams>(([x], params) => {
  const { wasm, derivativeOf, derivativeWeight } = unaryTable[params.op];
  return mapPlan(
    {
      key: `${params.op} gradient`,
      operands: ['float', 'float'],
      parameters: 1,
      weight: derivativeWeight,
      body: (f, [v, dy]: readonly F32x4[], [alpha]) => wasm.derivative(f, v, alpha).mul(dy),
    },
    line(x.shape, 2),
    [input(derivativeOf === 'x' ? 0 : 1), input(2)],
    [alphaOf(params)],
  );
});

export const binaryWasm = only<BinaryParams>((specs, params) => {
  const { wasm, weight } = binaryTable[params.op];
  const [{ shape }] = binaryDefinition.infer(specs, params);
  const kind = kindOf(specs[0].dtype);
  return mapPlan(
    {
      key: `${params.op} ${kind}`,
      operands: [kind, kind],
      weight,
      body: (f, [a, b]) => (kind === 'float' ? wasm.float!(f, a, b) : wasm.integer!(a, b)),
    },
    broadcastWalk([specs[0].shape, specs[1].shape], shape),
    [input(0), input(1)],
  );
});

export const affineWasm = only<AffineParams>(([x], { scale, shift }) =>
  mapPlan(
    {
      key: 'affine',
      operands: ['float'],
      parameters: 2,
      body: (_, [v]: readonly F32x4[], [scale, shift]) => v.mul(scale).add(shift),
    },
    line(x.shape, 1),
    [input(0)],
    [scale, shift],
  ),
);

export const clampWasm = only<ClampParams>(([x], params) =>
  mapPlan(
    {
      key: 'clamp',
      operands: ['float'],
      parameters: 2,
      body: (_, [v]: readonly F32x4[], [min, max]) => v.pmax(min).pmin(max), // both keep a NaN on their left
    },
    line(x.shape, 1),
    [input(0)],
    clampBounds(params),
  ),
);

export const whereWasm = only<NoParams>((specs, params) => {
  const [{ shape }] = whereDefinition.infer(specs, params);
  return mapPlan(
    {
      key: 'where',
      operands: ['integer', 'integer', 'integer'],
      body: (_, [condition, a, b]: readonly I32x4[]) => condition.eq(0).select(b, a),
    },
    broadcastWalk(
      specs.map(spec => spec.shape),
      shape,
    ),
    [input(0), input(1), input(2)],
  );
});

export const accumulateWasm = only<NoParams>(([x]) => {
  const kind = kindOf(x.dtype);
  return mapPlan(
    { key: `accumulate ${kind}`, readsOutput: kind, operands: [kind], body: (_, [sum, v]) => sum.add(v) },
    line(x.shape, 1),
    [input(0)],
  );
});

const FILL_BLOCK = 65536;

/** Fills `bytes` bytes of the output: memory.fill for bytes and zeros, else vector stores; a task is 64 KiB. */
export function fillPass(value: number, dtype: DType, bytes: number): WasmPass {
  const bits = dtype === 'float32' ? f32Bits(value) : value;
  const program = dtype === 'uint8' || bits === 0 ? fillBytes : fillWords;
  const args = [output(0), bits | 0, bytes];
  return { program, entry: 'run', tasks: Math.ceil(bytes / FILL_BLOCK), args, grain: 8 };
}

export const fillWasm = only<FillParams>((_, { value, shape, dtype }) => ({
  passes: [fillPass(value, dtype, sizeOf(shape) * bytesPerElement(dtype))],
}));

const fillSignature = { start: i32, end: i32, out: i32, value: i32, bytes: i32 };

const fillBytes = wasmProgram('fill bytes', m => {
  m.function('run', fillSignature, (f, { start, end, out, value, bytes }) => {
    const first = f.let(start.mul(FILL_BLOCK));
    const past = f.let(end.mul(FILL_BLOCK));
    f.fill(out.add(first), value, bytes.ltU(past).select(bytes, past).sub(first));
  });
});

const fillWords = wasmProgram('fill words', m => {
  m.function('run', fillSignature, (f, { start, end, out, value, bytes }) => {
    const past = f.let(end.mul(FILL_BLOCK));
    const stop = f.let(out.add(bytes.ltU(past).select(bytes, past)));
    const vector = f.let(splatI32(value));
    const at = f.let(out.add(start.mul(FILL_BLOCK)));
    f.while(
      () => at.add(63).ltU(stop),
      () => {
        for (let offset = 0; offset < 64; offset += 16) f.store(at, vector, offset);
        f.advance(at, 64);
      },
    );
    f.while(
      () => at.ltU(stop),
      () => {
        f.store(at, value);
        f.advance(at, 4);
      },
    );
  });
});
