/**
 * Strided copies in WGSL. Elements are words of four bytes whatever their type; where every stride allows, a word becomes
 * a vector of four. Bytes are only ever written as whole words: an invocation collects the four bytes of one.
 */
import { input, output, type Slot, type WebGpuAdapterInfo, type WgslPass } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import type { Copy } from './copies.ts';

const WORKGROUP = 64;
const MAX_RANK = 8;

/** Axis: extent, stride in the source, stride in the output. */
const PARAMETERS = /* wgsl */ `struct Params { count: u32, rank: u32, fromBase: i32, toBase: i32, axes: array<vec4i, ${MAX_RANK}> }

// Where element i of the index space lies in the source and in the output.
fn locate(i: u32) -> vec2i {
  var at = vec2i(params.fromBase, params.toBase);
  var rest = i;
  for (var axis = params.rank; axis > 0u; axis--) {
    let extent = u32(params.axes[axis - 1u].x);
    at += i32(rest % extent) * params.axes[axis - 1u].yz;
    rest /= extent;
  }
  return at;
}`;

const MAIN = /* wgsl */ `@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}`;

/** Words or vectors of words; `inPlace` copies within the output. */
function wordsSource(element: 'u32' | 'vec4u', inPlace: boolean): string {
  const declarations = inPlace
    ? /* wgsl */ `@group(0) @binding(0) var<storage, read_write> result: array<${element}>;
@group(0) @binding(1) var<uniform> params: Params;`
    : /* wgsl */ `@group(0) @binding(0) var<storage, read> source: array<${element}>;
@group(0) @binding(1) var<storage, read_write> result: array<${element}>;
@group(0) @binding(2) var<uniform> params: Params;`;
  return /* wgsl */ `${declarations}
${PARAMETERS}

${MAIN}
  if (i >= params.count) { return; }
  let at = locate(i);
  result[at.y] = ${inPlace ? 'result' : 'source'}[at.x];
}
`;
}

/** Bytes into an output that the copy fills from first to last. */
const bytesSource = /* wgsl */ `@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;
${PARAMETERS}

${MAIN}
  if (i * 4u >= params.count) { return; }
  var word = 0u;
  for (var k = 0u; k < 4u; k++) {
    if (i * 4u + k < params.count) {
      let at = u32(locate(i * 4u + k).x);
      word |= ((source[at / 4u] >> (8u * (at % 4u))) & 255u) << (8u * k);
    }
  }
  result[i] = word;
}
`;

/** Bytes into columns [base, base + length) of every row; other bytes of a word stay what earlier passes made them. */
const byteColumnsSource = /* wgsl */ `struct Params { count: u32, rowLength: u32, base: u32, length: u32 }
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

${MAIN}
  if (i * 4u >= params.count) { return; }
  var word = result[i];
  for (var k = 0u; k < 4u; k++) {
    let column = (i * 4u + k) % params.rowLength - params.base; // wraps to a large number left of the base
    if (i * 4u + k < params.count && column < params.length) {
      let at = (i * 4u + k) / params.rowLength * params.length + column;
      let byte = (source[at / 4u] >> (8u * (at % 4u))) & 255u;
      word = (word & ~(255u << (8u * k))) | (byte << (8u * k));
    }
  }
  result[i] = word;
}
`;

const elementsOf = ({ extents }: Copy): number => extents.reduce((product, extent) => product * extent, 1);

/** The copy in units of four elements, if it can be done so. */
export function inVectors(copy: Copy): Copy | undefined {
  const last = copy.extents.length - 1;
  const side = ({ base, strides }: Copy['from']): Copy['from'] | undefined => {
    const outer = strides.slice(0, last);
    if (strides[last] !== 1 || base % 4 !== 0 || outer.some(stride => stride % 4 !== 0)) return undefined;
    return { base: base / 4, strides: [...outer.map(stride => stride / 4), 1] };
  };
  const [from, to] = [side(copy.from), side(copy.to)];
  if (!from || !to || copy.extents[last] % 4 !== 0) return undefined;
  return { source: copy.source, extents: [...copy.extents.slice(0, last), copy.extents[last] / 4], from, to };
}

function parameters({ extents, from, to }: Copy, count: number): Uint32Array {
  const words = [count, extents.length, from.base, to.base];
  for (let axis = 0; axis < MAX_RANK; axis++) {
    words.push(extents[axis] ?? 1, from.strides[axis] ?? 0, to.strides[axis] ?? 0, 0);
  }
  return uniforms(words);
}

/** The pass that performs a copy of four-byte elements; of vectors if `wide`. */
export function wordsPass(copy: Copy, wide: boolean, adapter: WebGpuAdapterInfo): WgslPass {
  const inPlace = copy.source === 'output';
  const count = elementsOf(copy);
  const bindings: Slot[] = copy.source === 'output' ? [output(0)] : [input(copy.source), output(0)];
  return {
    source: wordsSource(wide ? 'vec4u' : 'u32', inPlace),
    bindings,
    uniforms: parameters(copy, count),
    workgroups: linearGrid(count, WORKGROUP, adapter.maxComputeWorkgroupsPerDimension),
  };
}

/** The pass that copies bytes into the whole output, in order. */
export function bytesPass(copy: Copy, adapter: WebGpuAdapterInfo): WgslPass {
  const count = elementsOf(copy);
  return {
    source: bytesSource,
    bindings: [input(copy.source as number), output(0)],
    uniforms: parameters(copy, count),
    workgroups: linearGrid(Math.ceil(count / 4), WORKGROUP, adapter.maxComputeWorkgroupsPerDimension),
  };
}

/** The pass that copies bytes into columns of an output of `count` bytes in rows of `rowLength`. */
export function byteColumnsPass(
  source: number,
  { count, rowLength, base, length }: { count: number; rowLength: number; base: number; length: number },
  adapter: WebGpuAdapterInfo,
): WgslPass {
  return {
    source: byteColumnsSource,
    bindings: [input(source), output(0)],
    uniforms: uniforms([count, rowLength, base, length]),
    workgroups: linearGrid(Math.ceil(count / 4), WORKGROUP, adapter.maxComputeWorkgroupsPerDimension),
  };
}
