/** In WGSL: one invocation per element. */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import { type RescaleParams, ROUNDING, rowLength } from './rescale.ts';

const WORKGROUP = 64;

const source = /* wgsl */ `
struct Params { total: u32, row: u32, group: u32, threshold: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> upstream: array<f32>;
@group(0) @binding(3) var<storage, read> plain: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

const rounding = ${ROUNDING};

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.total) { return; }
  let own = i - i % params.group + i % params.row;
  let dx = x[i] - x[own];
  let dy = y[i] - y[own];
  let close = abs(dx) < params.threshold || abs(dx) <= rounding * max(abs(x[i]), abs(x[own]));
  let agrees = dx == 0.0 || (close && abs(dy) <= rounding * max(abs(y[i]), abs(y[own])));
  // By its bits: a compiler may take every number for finite.
  let finite = (bitcast<u32>(plain[i]) & 0x7f800000u) != 0x7f800000u;
  if (agrees && finite) {
    m[i] = plain[i];
  } else if (dx == 0.0) {
    m[i] = 0.0;
  } else {
    m[i] = upstream[i] * dy / dx;
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
