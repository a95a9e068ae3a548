/** In WGSL: an invocation is a row, whose heap it keeps where it lies. */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import type { KeepNearestParams } from './nearest.ts';

const WORKGROUP = 64;

const source = /* wgsl */ `
struct Sizes { rows: u32, columns: u32, kept: u32 }
@group(0) @binding(0) var<storage, read> products: array<f32>;
@group(0) @binding(1) var<storage, read> rowLengths: array<f32>;
@group(0) @binding(2) var<storage, read> columnLengths: array<f32>;
@group(0) @binding(3) var<storage, read> places: array<i32>;
@group(0) @binding(4) var<storage, read_write> bounds: array<f32>;
@group(0) @binding(5) var<storage, read_write> indices: array<i32>;
@group(0) @binding(6) var<uniform> sizes: Sizes;

/** Puts a bound in the place of the worst: larger entries move up until it has its own. */
fn replaceWorst(heap: u32, bound: f32, index: i32) {
  var hole = 0u;
  var child = 1u;
  while (child < sizes.kept) {
    if (child + 1u < sizes.kept && bounds[heap + child + 1u] > bounds[heap + child]) { child++; }
    if (!(bounds[heap + child] > bound)) { break; }
    bounds[heap + hole] = bounds[heap + child];
    indices[heap + hole] = indices[heap + child];
    hole = child;
    child = 2u * hole + 1u;
  }
  bounds[heap + hole] = bound;
  indices[heap + hole] = index;
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= sizes.rows) { return; }
  let heap = i * sizes.kept;
  let length = rowLengths[i];
  let own = select(-1, places[1] + i32(i), places[1] >= 0);
  var worst = bounds[heap];
  for (var j = 0u; j < sizes.columns; j++) {
    let bound = length + columnLengths[j] - 2.0 * products[i * sizes.columns + j];
    let index = places[0] + i32(j);
    if (bound < worst && index != own) {
      replaceWorst(heap, bound, index);
      worst = bounds[heap];
    }
  }
}`;

export const keepNearestWgsl: readonly WgslVariant<KeepNearestParams>[] = [
  {
    name: 'rows',
    applies: () => true,
    plan([{ shape }], { kept }, { maxComputeWorkgroupsPerDimension }) {
      const [rows, columns] = shape;
      return {
        passes: [
          {
            source,
            bindings: [input(0), input(1), input(2), input(3), output(0), output(1)],
            uniforms: uniforms([rows, columns, kept]),
            workgroups: linearGrid(rows, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];
