/**
 * Casts in WGSL. Between four-byte types they are maps like any other; bytes live four to a word, so a cast from or to
 * them handles one word per invocation.
 */
import type { DType } from '../../devices/dtype.ts';
import { input, output, type Spec, type WgslVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import type { CastParams } from './elementwise.ts';
import { line, mapVariants, scalarOf } from './elementwise.wgsl.ts';

/** Conversions of `x`: towards zero, saturating, NaN to 0; between integers the low bits stay. */
function conversion(from: DType, to: DType): string {
  if (from === to) return 'x';
  if (to === 'float32') return 'F(x)';
  if (from !== 'float32') return to === 'int32' ? 'bitcast<I>(x)' : 'bitcast<U>(x)';
  // The bounds are the largest floats inside the range; beyond them the largest integer is meant.
  if (to === 'int32') {
    const inside = 'I(clamp(x, F(-2147483648.0), F(2147483520.0)))';
    return `select(select(${inside}, I(2147483647), x >= F(2147483648.0)), I(0), isNaN(x))`;
  }
  const inside = 'U(clamp(x, F(0.0), F(4294967040.0)))';
  return `select(select(${inside}, U(4294967295u), x >= F(4294967296.0)), U(0u), isNaN(x))`;
}

const usesBytes = ([x]: readonly Spec[], { to }: CastParams): boolean => (x.dtype === 'uint8') !== (to === 'uint8');

const [vec4, strided] = mapVariants<CastParams>(([{ shape, dtype }], { to }) => {
  // Bytes to bytes: whole words.
  const words = dtype === 'uint8' ? [Math.ceil(sizeOf(shape) / 4)] : shape;
  const [from, target] = dtype === 'uint8' ? (['uint32', 'uint32'] as const) : [dtype, to];
  return {
    map: {
      operands: [{ name: 'x', type: scalarOf(from) }],
      output: scalarOf(target),
      expression: conversion(from, target),
    },
    walk: line(words, 1),
    slots: [input(0)],
  };
});

const WORKGROUP = 64;

const HEADER = /* wgsl */ `struct Params { count: u32 }
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i * 4u >= params.count) { return; }`;

function fromBytes(to: DType): string {
  const type = scalarOf(to);
  return /* wgsl */ `@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
${HEADER}
  let word = x[i];
  for (var k = 0u; k < 4u; k++) {
    if (i * 4u + k < params.count) { result[i * 4u + k] = ${type}((word >> (8u * k)) & 255u); }
  }
}
`;
}

function toBytes(from: DType): string {
  const type = scalarOf(from);
  const byte =
    from === 'float32'
      ? 'select(u32(clamp(value, 0.0, 255.0)), 0u, (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u)'
      : 'bitcast<u32>(value) & 255u';
  return /* wgsl */ `@group(0) @binding(0) var<storage, read> x: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
${HEADER}
  var word = 0u;
  for (var k = 0u; k < 4u; k++) {
    if (i * 4u + k < params.count) {
      let value = x[i * 4u + k];
      word |= (${byte}) << (8u * k);
    }
  }
  result[i] = word;
}
`;
}

export const castWgsl: readonly WgslVariant<CastParams>[] = [
  {
    name: 'bytes',
    applies: usesBytes,
    plan([{ shape, dtype }], { to }, adapter) {
      const count = sizeOf(shape);
      return {
        passes: [
          {
            source: dtype === 'uint8' ? fromBytes(to) : toBytes(dtype),
            bindings: [input(0), output(0)],
            uniforms: uniforms([count]),
            workgroups: linearGrid(Math.ceil(count / 4), WORKGROUP, adapter.maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
  { ...vec4, applies: (specs, params, adapter) => !usesBytes(specs, params) && vec4.applies(specs, params, adapter) },
  { ...strided, applies: (specs, params) => !usesBytes(specs, params) },
];
