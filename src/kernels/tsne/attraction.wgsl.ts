/** In WGSL: an invocation is a point. */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import { attractionSizes, type TsneAttractionParams } from './attraction.ts';

const WORKGROUP = 64;

const source = /* wgsl */ `
struct Sizes { points: u32 }
@group(0) @binding(0) var<storage, read> y: array<vec2f>;
@group(0) @binding(1) var<storage, read> starts: array<i32>;
@group(0) @binding(2) var<storage, read> columns: array<i32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> others: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> attraction: array<vec2f>;
@group(0) @binding(6) var<uniform> sizes: Sizes;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= sizes.points) { return; }
  let own = y[i];
  var force = vec2f();
  for (var entry = starts[i]; entry < starts[i + 1u]; entry++) {
    let d = own - others[columns[entry]];
    force += values[entry] / (1.0 + dot(d, d)) * d;
  }
  attraction[i] = force;
}`;

export const tsneAttractionWgsl: readonly WgslVariant<TsneAttractionParams>[] = [
  {
    name: 'points',
    applies: () => true,
    plan(specs, _, { maxComputeWorkgroupsPerDimension }) {
      const { points } = attractionSizes(specs);
      return {
        passes: [
          {
            source,
            bindings: [input(0), input(1), input(2), input(3), input(4), output(0)],
            uniforms: uniforms([points]),
            workgroups: linearGrid(points, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];
