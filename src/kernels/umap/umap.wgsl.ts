/** In WGSL: an invocation is a point. */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import { philoxWgsl } from '../random/philox.wgsl.ts';
import { LEAST_SQUARE, LONGEST_FORCE, SOFTENING, type UmapEpochParams, umapSizes } from './umap.ts';

const WORKGROUP = 64;

const source = /* wgsl */ `
struct Sizes { points: u32, others: u32, negatives: u32 }
struct Settings { a: f32, b: f32, step: f32, repulsion: f32, pulls: f32 }
@group(0) @binding(0) var<storage, read> y: array<vec2f>;
@group(0) @binding(1) var<storage, read> starts: array<i32>;
@group(0) @binding(2) var<storage, read> columns: array<i32>;
@group(0) @binding(3) var<storage, read> rates: array<f32>;
@group(0) @binding(4) var<storage, read> others: array<vec2f>;
@group(0) @binding(5) var<storage, read> settings: Settings;
@group(0) @binding(6) var<storage, read> state: array<u32>;
@group(0) @binding(7) var<storage, read_write> moved: array<vec2f>;
@group(0) @binding(8) var<uniform> sizes: Sizes;
${philoxWgsl}
fn limited(force: vec2f) -> vec2f {
  return clamp(force, vec2f(-${LONGEST_FORCE}.0), vec2f(${LONGEST_FORCE}.0));
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= sizes.points) { return; }
  let epoch = state[2];
  let a = settings.a;
  let b = settings.b;
  var own = y[i];
  var due = 0u;
  for (var entry = starts[i]; entry < starts[i + 1u]; entry++) {
    let rate = rates[entry];
    if (floor(f32(epoch + 1u) * rate) <= floor(f32(epoch) * rate)) { continue; }
    due++;
    let other = others[columns[entry]];
    for (var pull = 0.0; pull < settings.pulls; pull += 1.0) {
      let d = own - other;
      let square = max(dot(d, d), ${LEAST_SQUARE}f);
      let power = pow(square, b);
      own += settings.step * limited(-2.0 * a * b * power / (square * (1.0 + a * power)) * d);
    }
  }
  let samples = due * sizes.negatives;
  for (var first = 0u; first < samples; first += 16u) {
    var words: array<vec4u, 4>;
    for (var lane = 0u; lane < 4u; lane++) {
      words[lane] = philox(vec4u(first / 4u + lane, i, epoch, 0u), vec2u(state[0], state[1]));
    }
    for (var word = 0u; word < 4u; word++) {
      var force = vec2f();
      for (var lane = 0u; lane < 4u; lane++) {
        if (first + 4u * word + lane >= samples) { break; }
        let d = own - others[multiplyHigh(vec2u(words[lane][word]), vec2u(sizes.others)).x];
        let square = max(dot(d, d), ${LEAST_SQUARE}f);
        let push = 2.0 * settings.repulsion * b / ((${SOFTENING}f + square) * (1.0 + a * pow(square, b)));
        force += limited(push * d);
      }
      own += settings.step * force;
    }
  }
  moved[i] = own;
}`;

export const umapEpochWgsl: readonly WgslVariant<UmapEpochParams>[] = [
  {
    name: 'points',
    applies: () => true,
    plan(specs, { negatives }, { maxComputeWorkgroupsPerDimension }) {
      const { points, others } = umapSizes(specs);
      return {
        passes: [
          {
            source,
            bindings: [...specs.map((_, k) => input(k)), output(0)],
            uniforms: uniforms([points, others, negatives]),
            workgroups: linearGrid(points, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];
