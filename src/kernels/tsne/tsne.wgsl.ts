/**
 * In WGSL: an invocation is a point. `tiles` reads the others a workgroup's worth at a time into workgroup memory, so that
 * each is fetched from memory once per workgroup; `points` reads them where they lie, which is what a CPU behind a GPU's
 * language does faster: all lanes read the same address, and a barrier is dear there.
 */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import { BLOCK, pointsOf, type TsneRepulsionParams } from './tsne.ts';

const WORKGROUP = 64;
const TILE = 256;

const declarations = /* wgsl */ `
struct Sizes { points: u32 }
@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read_write> repulsion: array<f32>;
@group(0) @binding(2) var<storage, read_write> normalizer: array<f32>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

/** What one other point contributes: its push along both axes, and its similarity. */
fn contribution(own: vec2f, other: vec2f) -> vec3f {
  let d = own - other;
  let q = 1.0 / (1.0 + d.x * d.x + d.y * d.y);
  return vec3f(q * q * d, q);
}`;

const store = /* wgsl */ `
  repulsion[i] = total.x;
  repulsion[i + sizes.points] = total.y;
  normalizer[i] = total.z;`;

const points = /* wgsl */ `${declarations}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * (groups.x * ${WORKGROUP}u);
  if (i >= sizes.points) { return; }
  let own = vec2f(y[i], y[i + sizes.points]);
  var total = vec3f();
  for (var block = 0u; block < sizes.points; block += ${BLOCK}u) {
    var sum = vec3f();
    let end = min(block + ${BLOCK}u, sizes.points);
    for (var j = block; j < end; j++) {
      let met = contribution(own, vec2f(y[j], y[j + sizes.points]));
      sum += select(met, vec3f(), j == i);
    }
    total += sum;
  }
  ${store}
}`;

const tiles = /* wgsl */ `${declarations}

var<workgroup> tile: array<vec2f, ${TILE}>;

@compute @workgroup_size(${TILE})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * ${TILE}u + lane;
  let mine = min(i, sizes.points - 1u);
  let own = vec2f(y[mine], y[mine + sizes.points]);
  var total = vec3f();
  for (var block = 0u; block < sizes.points; block += ${TILE}u) {
    let fetched = min(block + lane, sizes.points - 1u);
    tile[lane] = vec2f(y[fetched], y[fetched + sizes.points]);
    workgroupBarrier();
    var sum = vec3f();
    let count = min(${TILE}u, sizes.points - block);
    for (var j = 0u; j < count; j++) {
      sum += select(contribution(own, tile[j]), vec3f(), block + j == i);
    }
    total += sum;
    workgroupBarrier();
  }
  if (i >= sizes.points) { return; }
  ${store}
}`;

function variant(
  name: string,
  source: string,
  workgroup: number,
  choice: Pick<WgslVariant<TsneRepulsionParams>, 'applies' | 'prefers'>,
): WgslVariant<TsneRepulsionParams> {
  return {
    name,
    ...choice,
    plan(specs, _, { maxComputeWorkgroupsPerDimension }) {
      const n = pointsOf(specs);
      return {
        passes: [
          {
            source,
            bindings: [input(0), output(0), output(1)],
            uniforms: uniforms([n]),
            workgroups: linearGrid(n, workgroup, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  };
}

export const tsneRepulsionWgsl: readonly WgslVariant<TsneRepulsionParams>[] = [
  variant('tiles', tiles, TILE, {
    applies: (_, __, { maxComputeInvocationsPerWorkgroup }) => maxComputeInvocationsPerWorkgroup >= TILE,
    prefers: (_, __, { isSoftware }) => !isSoftware,
  }),
  variant('points', points, WORKGROUP, { applies: () => true }),
];
