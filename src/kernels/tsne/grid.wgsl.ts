/**
 * In WGSL: an invocation is a point. As there are no atomic floats, and a sum must not depend on who adds first, charges are
 * added as whole numbers: a share of a point counts to 2^-13 where there are 70,000 of them, to 2^-16 of 10,000.
 */
import { input, output, scratch, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import type { TsneGatherParams, TsneSpreadParams } from './grid.ts';

const WORKGROUP = 64;
const entry = /* wgsl */ `@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}`;

const around = /* wgsl */ `
/** The place of a point in nodes. */
fn placeOf(point: vec2f, nodes: u32) -> vec2f {
  let place = (point - vec2f(placement[0], placement[1])) * placement[2];
  return clamp(place, vec2f(1.0), vec2f(f32(nodes) - 3.0));
}
/** Weights of the three nodes around, by the distance from the middle one. */
fn weightsOf(u: f32) -> vec3f {
  return vec3f(0.5 * (0.5 - u) * (0.5 - u), 0.75 - u * u, 0.5 * (0.5 + u) * (0.5 + u));
}`;

const clear = /* wgsl */ `
struct Sizes { count: u32 }
@group(0) @binding(0) var<storage, read_write> sums: array<i32>;
@group(0) @binding(1) var<uniform> sizes: Sizes;
${entry}
  if (i < sizes.count) { sums[i] = 0; }
}`;

const add = /* wgsl */ `
struct Sizes { points: u32, nodes: u32, scale: f32 }
@group(0) @binding(0) var<storage, read> y: array<vec2f>;
@group(0) @binding(1) var<storage, read> placement: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<atomic<i32>>;
@group(0) @binding(3) var<uniform> sizes: Sizes;
${around}

${entry}
  if (i >= sizes.points) { return; }
  let place = placeOf(y[i], sizes.nodes);
  let node = floor(place + 0.5);
  let wx = weightsOf(place.x - node.x);
  let wy = weightsOf(place.y - node.y);
  let first = (u32(node.y) - 1u) * sizes.nodes + u32(node.x) - 1u;
  for (var row = 0u; row < 3u; row++) {
    for (var column = 0u; column < 3u; column++) {
      atomicAdd(&sums[first + row * sizes.nodes + column], i32(round(sizes.scale * wy[row] * wx[column])));
    }
  }
}`;

const convert = /* wgsl */ `
struct Sizes { count: u32, inverse: f32 }
@group(0) @binding(0) var<storage, read_write> sums: array<i32>;
@group(0) @binding(1) var<storage, read_write> charges: array<f32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;
${entry}
  if (i < sizes.count) { charges[i] = f32(sums[i]) * sizes.inverse; }
}`;

const gather = /* wgsl */ `
struct Sizes { points: u32, nodes: u32 }
@group(0) @binding(0) var<storage, read> y: array<vec2f>;
@group(0) @binding(1) var<storage, read> placement: array<f32>;
@group(0) @binding(2) var<storage, read> field: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> values: array<vec2f>;
@group(0) @binding(4) var<uniform> sizes: Sizes;
${around}

${entry}
  if (i >= sizes.points) { return; }
  let place = placeOf(y[i], sizes.nodes);
  let node = floor(place + 0.5);
  let wx = weightsOf(place.x - node.x);
  let wy = weightsOf(place.y - node.y);
  let first = (u32(node.y) - 1u) * sizes.nodes + u32(node.x) - 1u;
  var sum = vec2f();
  for (var row = 0u; row < 3u; row++) {
    let at = first + row * sizes.nodes;
    sum += wy[row] * (wx.x * field[at] + wx.y * field[at + 1u] + wx.z * field[at + 2u]);
  }
  values[i] = sum;
}`;

/** Units of charge per point: as many as leave all points in one place within 31 bits. */
export function unitsPerPoint(points: number): number {
  return 2 ** Math.min(20, 30 - Math.ceil(Math.log2(Math.max(1, points))));
}

export const tsneSpreadWgsl: readonly WgslVariant<TsneSpreadParams>[] = [
  {
    name: 'atomics',
    applies: () => true,
    plan([{ shape }], { nodes }, { maxComputeWorkgroupsPerDimension: most }) {
      const [points] = shape;
      const count = nodes * nodes;
      const scale = unitsPerPoint(points);
      const [sums, over] = [scratch(0), (threads: number) => linearGrid(threads, WORKGROUP, most)];
      const adds = {
        source: add,
        bindings: [input(0), input(1), sums],
        uniforms: uniforms([points, nodes, f32Bits(scale)]),
        workgroups: over(points),
      };
      return {
        passes: [
          { source: clear, bindings: [sums], uniforms: uniforms([count]), workgroups: over(count) },
          ...(points > 0 ? [adds] : []),
          {
            source: convert,
            bindings: [sums, output(0)],
            uniforms: uniforms([count, f32Bits(1 / scale)]),
            workgroups: over(count),
          },
        ],
        scratch: [{ shape: [count], dtype: 'int32' }],
      };
    },
  },
];

export const tsneGatherWgsl: readonly WgslVariant<TsneGatherParams>[] = [
  {
    name: 'points',
    applies: () => true,
    plan([{ shape }, , { shape: fieldShape }], _, { maxComputeWorkgroupsPerDimension }) {
      const [points] = shape;
      return {
        passes: [
          {
            source: gather,
            bindings: [input(0), input(1), input(2), output(0)],
            uniforms: uniforms([points, fieldShape[0]]),
            workgroups: linearGrid(points, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];
