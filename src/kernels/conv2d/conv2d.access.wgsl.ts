/**
 * The pieces of WGSL that the three convolutions of conv2d.operands.wgsl.ts share: sizes and bindings, and how a vector of
 * four columns is loaded, begun and stored.
 */
import { sizesStruct } from '../matmul/matmul.contraction.wgsl.ts';
import type { Conv2dSizes } from './conv2d.ts';

/** The members of Sizes that describe the convolution, as the WGSL below reads them. Signed ones hold two's complement. */
export function geometry(sizes: Conv2dSizes): [string, number][] {
  return [
    ['height', sizes.height],
    ['width', sizes.width],
    ['channels', sizes.inputChannels],
    ['groupChannels', sizes.inputChannels / sizes.groups],
    ['kernelHeight', sizes.kernelHeight],
    ['kernelWidth', sizes.kernelWidth],
    ['outputHeight', sizes.outputHeight],
    ['outputWidth', sizes.outputWidth],
    ['filters', sizes.outputChannels],
    ['groupFilters', sizes.outputChannels / sizes.groups],
    ['strideY', sizes.strides[0]],
    ['strideX', sizes.strides[1]],
    ['padTop', sizes.padding[0]],
    ['padLeft', sizes.padding[2]],
    ['dilationY', sizes.dilations[0]],
    ['dilationX', sizes.dilations[1]],
  ];
}

/** Bindings A, B, bias? and the result, the uniform block behind them. */
export function bindings(
  sizes: [string, number][],
  typeA: string,
  typeB: string,
  typeC: string,
  hasBias: boolean,
): string {
  return /* wgsl */ `@group(0) @binding(0) var<storage, read> a: array<${typeA}>;
@group(0) @binding(1) var<storage, read> b: array<${typeB}>;
${hasBias ? `@group(0) @binding(2) var<storage, read> bias: array<${typeC}>;` : ''}
@group(0) @binding(${hasBias ? 3 : 2}) var<storage, read_write> c: array<${typeC}>;
${sizesStruct(sizes, hasBias ? 4 : 3)}`;
}

export const LENGTH_OF_SEGMENT = /* wgsl */ `fn lengthOf(segment: u32) -> u32 {
  return sizes.segmentLength;
}`;

export const LOAD_ELEMENT = /* wgsl */ `fn loadA(span: Span, k: u32) -> f32 {
  return select(0.0, a[span.start + k], span.inside);
}`;

export const LOAD_QUAD = /* wgsl */ `fn loadA(span: Span, k: u32) -> vec4f {
  return select(vec4f(), a[(span.start + k) / 4u], span.inside);
}`;

/** `loadB`: four columns of a row-major matrix whose rows have `sizes.<stride>` elements. */
export function loadColumns(stride: string, vectors: boolean): string {
  return vectors
    ? /* wgsl */ `fn loadB(start: u32, k: u32, column4: u32) -> vec4f {
  return b[(start + k * sizes.${stride}) / 4u];
}`
    : /* wgsl */ `fn loadB(start: u32, k: u32, column4: u32) -> vec4f {
  let at = start + k * sizes.${stride};
  let last = sizes.columns - 1u - column4 * 4u;
  return vec4f(b[at], b[at + min(1u, last)], b[at + min(2u, last)], b[at + min(3u, last)]);
}`;
}

export function startValue(hasBias: boolean, vectors: boolean): string {
  if (!hasBias)
    return /* wgsl */ `fn startValue(matrix: u32, column4: u32) -> vec4f {
  return vec4f();
}`;
  return /* wgsl */ `fn startValue(matrix: u32, column4: u32) -> vec4f {
  let start = matrix * sizes.groupFilters + column4 * 4u;
  ${
    vectors
      ? 'return bias[start / 4u];'
      : `let last = sizes.columns - 1u - column4 * 4u;
  return vec4f(bias[start], bias[start + min(1u, last)], bias[start + min(2u, last)], bias[start + min(3u, last)]);`
  }
}`;
}

export function storeColumns(vectors: boolean): string {
  return vectors
    ? 'c[start / 4u] = result;'
    : /* wgsl */ `let count = min(4u, sizes.columns - column4 * 4u);
  for (var i = 0u; i < count; i++) {
    c[start + i] = result[i];
  }`;
}
