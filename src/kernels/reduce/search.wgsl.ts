/**
 * argMax and argMin in WGSL: an invocation per output for the short rows of class scores, a workgroup per output where
 * rows are long. Both compare integer keys that order like the floats they come from (NaN above everything, -0 equal to
 * 0); the largest key that comes first wins.
 */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { normalizeAxes, sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import type { ArgReduceParams } from './reduce.ts';

const WORKGROUP = 64;
const LONG = 128;

function prelude(op: ArgReduceParams['op'], isInteger: boolean): string {
  const flip = op === 'argMax' ? '' : '~';
  const key = isInteger
    ? /* wgsl */ `return ${flip}x[i];`
    : /* wgsl */ `let bits = x[i];
  let magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) { return 0x7fffffff; }
  return ${flip}select(magnitude, -magnitude, bits < 0);`;
  return /* wgsl */ `struct Params { count: u32, extent: u32, inner: u32 }
@group(0) @binding(0) var<storage, read> x: array<i32>;
@group(0) @binding(1) var<storage, read_write> result: array<i32>;
@group(0) @binding(2) var<uniform> params: Params;

fn keyOf(i: u32) -> i32 {
  ${key}
}
`;
}

function serialSource(op: ArgReduceParams['op'], isInteger: boolean): string {
  return /* wgsl */ `${prelude(op, isInteger)}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.count) { return; }
  let first = (i / params.inner) * params.extent * params.inner + i % params.inner;
  var best = keyOf(first);
  var position = 0u;
  for (var k = 1u; k < params.extent; k++) {
    let key = keyOf(first + k * params.inner);
    if (key > best) { best = key; position = k; }
  }
  result[i] = i32(position);
}
`;
}

function treeSource(op: ArgReduceParams['op'], isInteger: boolean): string {
  return /* wgsl */ `${prelude(op, isInteger)}
var<workgroup> keys: array<i32, ${WORKGROUP}>;
var<workgroup> positions: array<u32, ${WORKGROUP}>;

@compute @workgroup_size(${WORKGROUP})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= params.count) { return; }
  var best = keyOf(row * params.extent + lane);
  var position = lane;
  for (var k = lane + ${WORKGROUP}u; k < params.extent; k += ${WORKGROUP}u) {
    let key = keyOf(row * params.extent + k);
    if (key > best) { best = key; position = k; }
  }
  keys[lane] = best;
  positions[lane] = position;
  for (var half = ${WORKGROUP / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let other = keys[lane + half];
      let isEarlier = other == keys[lane] && positions[lane + half] < positions[lane];
      if (other > keys[lane] || isEarlier) {
        keys[lane] = other;
        positions[lane] = positions[lane + half];
      }
    }
  }
  if (lane == 0u) { result[row] = i32(positions[0]); }
}
`;
}

function sizes(shape: readonly number[], { op, axis }: ArgReduceParams) {
  const [normal] = normalizeAxes(axis, shape.length, op);
  return { outer: sizeOf(shape.slice(0, normal)), extent: shape[normal], inner: sizeOf(shape.slice(normal + 1)) };
}

export const argReduceWgsl: readonly WgslVariant<ArgReduceParams>[] = [
  {
    name: 'tree',
    applies([{ shape }], params) {
      const { extent, inner } = sizes(shape, params);
      return inner === 1 && extent >= LONG;
    },
    plan([{ shape, dtype }], params, adapter) {
      const { outer, extent } = sizes(shape, params);
      return {
        passes: [
          {
            source: treeSource(params.op, dtype === 'int32'),
            bindings: [input(0), output(0)],
            uniforms: uniforms([outer, extent, 1]),
            workgroups: linearGrid(outer, 1, adapter.maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
  {
    name: 'serial',
    applies: () => true,
    plan([{ shape, dtype }], params, adapter) {
      const { outer, extent, inner } = sizes(shape, params);
      return {
        passes: [
          {
            source: serialSource(params.op, dtype === 'int32'),
            bindings: [input(0), output(0)],
            uniforms: uniforms([outer * inner, extent, inner]),
            workgroups: linearGrid(outer * inner, WORKGROUP, adapter.maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];
