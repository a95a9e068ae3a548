/** In WGSL: one invocation per element. */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import { type RescaleParams, rowLength } from './rescale.ts';

const WORKGROUP = 64;

const source = /* wgsl */ `
struct Params { total: u32, row: u32, group: u32, threshold: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> upstream: array<f32>;
@group(0) @binding(3) var<storage, read> plain: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.total) { return; }
  let own = i - i % params.group + i % params.row;
  let dx = x[i] - x[own];
  if (abs(dx) < params.threshold) {
    m[i] = plain[i];
  } else {
    m[i] = upstream[i] * (y[i] - y[own]) / dx;
  }
}
`;

export const rescaleWgsl: readonly WgslVariant<RescaleParams>[] = [
  {
    name: 'elements',
    applies: () => true,
    plan([x], params, { maxComputeWorkgroupsPerDimension }) {
      const total = sizeOf(x.shape);
      const row = Math.max(1, rowLength(x, params));
      const group = row * (1 + params.backgrounds);
      return {
        passes: [
          {
            source,
            bindings: [input(0), input(1), input(2), input(3), output(0)],
            uniforms: uniforms([total, row, group, f32Bits(params.threshold)]),
            workgroups: linearGrid(total, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];
