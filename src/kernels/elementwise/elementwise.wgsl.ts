/**
 * Elementwise kernels in WGSL: which expression over which operands, in the two forms of `map.wgsl.ts`.
 */
import type { DType } from '../../devices/dtype.ts';
import { bytesPerElement } from '../../devices/dtype.ts';
import { input, type Slot, type Spec, type WgslVariant } from '../../devices/kernel.ts';
import { type Shape, sizeOf } from '../../devices/shape.ts';
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
  isComparison,
  type NoParams,
  type UnaryParams,
  whereDefinition,
} from './elementwise.ts';
import { stridedPlan, vec4Plan, vectorAccesses, type WgslMap, type WgslScalar } from './map.wgsl.ts';
import { unaryTable } from './unary.table.ts';

interface MapCall {
  readonly map: WgslMap;
  readonly walk: Walk;
  readonly slots: readonly Slot[];
}

/** Both forms of a kernel, from what one call of it maps over what. */
export function mapVariants<P>(call: (specs: readonly Spec[], params: P) => MapCall): readonly WgslVariant<P>[] {
  return [
    {
      name: 'vec4',
      applies: (specs, params) => vectorAccesses(call(specs, params).walk) !== undefined,
      plan(specs, params, adapter) {
        const { map, walk, slots } = call(specs, params);
        return vec4Plan(map, walk, slots, adapter);
      },
    },
    {
      name: 'strided',
      applies: () => true,
      plan(specs, params, adapter) {
        const { map, walk, slots } = call(specs, params);
        return stridedPlan(map, walk, slots, adapter);
      },
    },
  ];
}

const SCALAR: Partial<Record<DType, WgslScalar>> = { float32: 'f32', int32: 'i32', uint32: 'u32' };
export const scalarOf = (dtype: DType): WgslScalar => SCALAR[dtype]!;

const floatParameter = (name: string, value: number) => ({ name, type: 'f32' as const, bits: f32Bits(value) });

/** A long line: nothing is broadcast. */
export const line = (shape: Shape, operands: number): Walk => ({
  extents: [sizeOf(shape)],
  strides: new Array(operands).fill([1]),
});

/** alpha is a parameter only of the operations that have one. */
const alphaParameter = (expression: string, params: UnaryParams) =>
  expression.includes('alpha') ? [floatParameter('alpha', alphaOf(params))] : [];

export const unaryWgsl = mapVariants<UnaryParams>(([x], params) => {
  const expression = unaryTable[params.op].wgsl.value;
  const type = scalarOf(x.dtype);
  return {
    map: { operands: [{ name: 'x', type }], output: type, expression, parameters: alphaParameter(expression, params) },
    walk: line(x.shape, 1),
    slots: [input(0)],
  };
});

export const unaryGradientWgsl = mapVariants<UnaryParams>(([x], params) => {
  const { wgsl, derivativeOf } = unaryTable[params.op];
  return {
    map: {
      operands: [
        { name: derivativeOf, type: 'f32' },
        { name: 'dy', type: 'f32' },
      ],
      output: 'f32',
      expression: `dy * (${wgsl.derivative})`,
      parameters: alphaParameter(wgsl.derivative, params),
    },
    walk: line(x.shape, 2),
    slots: [input(derivativeOf === 'x' ? 0 : 1), input(2)],
  };
});

export const binaryWgsl = mapVariants<BinaryParams>((specs, params) => {
  const { op } = params;
  const [{ shape }] = binaryDefinition.infer(specs, params);
  const type = scalarOf(specs[0].dtype);
  return {
    map: {
      operands: [
        { name: 'a', type },
        { name: 'b', type },
      ],
      output: isComparison(op) ? 'i32' : type,
      expression: binaryTable[op].wgsl,
    },
    walk: broadcastWalk([specs[0].shape, specs[1].shape], shape),
    slots: [input(0), input(1)],
  };
});

export const affineWgsl = mapVariants<AffineParams>(([x], { scale, shift }) => ({
  map: {
    operands: [{ name: 'x', type: 'f32' }],
    output: 'f32',
    expression: 'x * scale + shift',
    parameters: [floatParameter('scale', scale), floatParameter('shift', shift)],
  },
  walk: line(x.shape, 1),
  slots: [input(0)],
}));

export const clampWgsl = mapVariants<ClampParams>(([x], params) => {
  const [lower, upper] = clampBounds(params);
  return {
    map: {
      operands: [{ name: 'x', type: 'f32' }],
      output: 'f32',
      expression: 'select(min(max(x, lower), upper), x, isNaN(x))',
      parameters: [floatParameter('lower', lower), floatParameter('upper', upper)],
    },
    walk: line(x.shape, 1),
    slots: [input(0)],
  };
});

export const whereWgsl = mapVariants<NoParams>((specs, params) => {
  const [{ shape, dtype }] = whereDefinition.infer(specs, params);
  const type = scalarOf(dtype);
  return {
    map: {
      operands: [
        { name: 'condition', type: 'i32' },
        { name: 'a', type },
        { name: 'b', type },
      ],
      output: type,
      expression: 'select(b, a, condition != I(0))',
    },
    walk: broadcastWalk(
      specs.map(spec => spec.shape),
      shape,
    ),
    slots: [input(0), input(1), input(2)],
  };
});

export const accumulateWgsl = mapVariants<NoParams>(([x]) => {
  const type = scalarOf(x.dtype);
  return {
    map: { operands: [{ name: 'x', type }], output: type, readsOutput: true, expression: 'previous + x' },
    walk: line(x.shape, 1),
    slots: [input(0)],
  };
});

/** Any dtype is filled in words of four bytes; bytes are repeated in them (allocations are whole words). */
export const fillWgsl = mapVariants<FillParams>((_, { value, shape, dtype }) => {
  const bits = dtype === 'float32' ? f32Bits(value) : dtype === 'uint8' ? value * 0x01010101 : value;
  const words = Math.ceil((sizeOf(shape) * bytesPerElement(dtype)) / 4);
  return {
    map: { operands: [], output: 'u32', expression: 'value', parameters: [{ name: 'value', type: 'u32', bits }] },
    walk: { extents: [words], strides: [] },
    slots: [],
  };
});
