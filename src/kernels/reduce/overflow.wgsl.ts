/** The pass that repairs overflowed sums (`overflow.ts`) in WGSL: an invocation looks at a few results. */
import { input, output, type WebGpuAdapterInfo, type WgslPass } from '../../devices/kernel.ts';
import { linearGrid } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import type { Walk } from '../elementwise/broadcast.ts';
import { pairSumsAndArithmetic } from '../pairs.wgsl.ts';
import { type OverflowRepair, REPAIR_CHAIN } from './overflow.ts';

const WORKGROUP = 64;
const PER_INVOCATION = 16;

/** How a sum is computed from `x`, one after the other: in float32, or on devices of highest precision in pairs. */
const SUMS = {
  float32: {
    library: '',
    add: /* wgsl */ `chain += x * params.scale;
    if (j % ${REPAIR_CHAIN}u == ${REPAIR_CHAIN - 1}u) {
      total += chain;
      chain = 0.0;
    }`,
    result: '(total + chain) * params.factor',
  },
  pairs: {
    library: pairSumsAndArithmetic('f32', 'params.outputs >> 31u'),
    add: 'accumulate(&total, &chain, x * params.scale);',
    result: 'quotient(total, chain, params.divisor) * params.power',
  },
};

const sourceFor = (axes: number, { library, add, result }: (typeof SUMS)['pairs']): string => /* wgsl */ `
struct Params {
  outputs: u32, elements: u32, outputRank: u32, elementRank: u32,
  scale: f32, factor: f32, divisor: f32, power: f32,
  axes: array<vec4u, ${axes}>, // extent and stride
}
@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

${library}
fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

// The offset of element i of the axes first, first + 1, ...
fn offsetOf(i: u32, first: u32, rank: u32) -> u32 {
  var offset = 0u;
  var rest = i;
  for (var axis = first + rank; axis > first; axis--) {
    let extent = params.axes[axis - 1u].x;
    offset += (rest % extent) * params.axes[axis - 1u].y;
    rest /= extent;
  }
  return offset;
}

fn repair(i: u32) {
  let base = offsetOf(i, 0u, params.outputRank);
  var total = 0.0;
  var chain = 0.0;
  for (var j = 0u; j < params.elements; j++) {
    let x = source[base + offsetOf(j, params.outputRank, params.elementRank)];
    if (!isFinite(x)) { return; }
    ${add}
  }
  result[i] = ${result};
}

@compute @workgroup_size(${WORKGROUP})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.x + group.y * groups.x) * ${WORKGROUP * PER_INVOCATION}u + lane;
  for (var k = 0u; k < ${PER_INVOCATION}u; k++) {
    let i = first + k * ${WORKGROUP}u;
    if (i < params.outputs && !isFinite(result[i])) { repair(i); }
  }
}
`;

const axesOf = ({ extents, strides }: Walk): number[] => extents.flatMap((extent, i) => [extent, strides[0][i], 0, 0]);

export function repairPass(
  repair: OverflowRepair,
  adapter: WebGpuAdapterInfo,
  sums: keyof typeof SUMS = 'float32',
): WgslPass {
  const { outputs, elements, outputCount, elementCount, scale, factor } = repair;
  const power = 1 / scale;
  const axes = [...axesOf(outputs), ...axesOf(elements)];
  const ranks = [outputs.extents.length, elements.extents.length];
  const words = [outputCount, elementCount, ...ranks, ...[scale, factor, power / factor, power].map(f32Bits), ...axes];
  return {
    source: sourceFor(axes.length / 4, SUMS[sums]),
    bindings: [input(0), output(0)],
    uniforms: uniforms(words),
    workgroups: linearGrid(
      Math.ceil(outputCount / PER_INVOCATION),
      WORKGROUP,
      adapter.maxComputeWorkgroupsPerDimension,
    ),
  };
}
