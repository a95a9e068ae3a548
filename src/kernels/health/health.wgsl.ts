/**
 * In WGSL: up to 256 workgroups walk over the array with the whole grid's stride; each keeps the smallest index it met
 * and reduces it over the workgroup; a second dispatch of one workgroup takes the smallest of theirs.
 */
import { input, output, scratch, type WgslVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import { EXPONENT_BITS } from './health.ts';

const WORKGROUP = 256;
const MOST_WORKGROUPS = 256;

/** The smallest index that each workgroup meets, reduced over its invocations. */
const shader = (candidate: string, store: string): string => /* wgsl */ `
  struct Sizes { length: u32, stride: u32 }

  @group(0) @binding(0) var<storage, read> x: array<u32>;
  @group(0) @binding(1) var<storage, read_write> first: array<i32>;
  @group(0) @binding(2) var<uniform> sizes: Sizes;

  const NONE = 0x7fffffffu;
  var<workgroup> smallest: array<u32, ${WORKGROUP}>;

  @compute @workgroup_size(${WORKGROUP})
  fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32,
          @builtin(workgroup_id) group: vec3u) {
    var mine = NONE;
    for (var i = id.x; i < sizes.length; i += sizes.stride) {
      mine = min(mine, ${candidate});
    }
    smallest[lane] = mine;
    workgroupBarrier();
    for (var half = ${WORKGROUP / 2}u; half > 0u; half /= 2u) {
      if (lane < half) {
        smallest[lane] = min(smallest[lane], smallest[lane + half]);
      }
      workgroupBarrier();
    }
    if (lane == 0u) {
      let found = smallest[0];
      ${store}
    }
  }`;

const findPass = shader(
  `select(NONE, i, (x[i] & ${EXPONENT_BITS}u) == ${EXPONENT_BITS}u)`,
  'first[group.x] = i32(found);',
);
const choosePass = shader('x[i]', 'first[0] = select(i32(found), -1, found == NONE);');

export const firstNonFiniteWgsl: readonly WgslVariant[] = [
  {
    name: 'workgroup-tree',
    applies: () => true,
    plan([x]) {
      const length = sizeOf(x.shape);
      const groups = Math.max(1, Math.min(MOST_WORKGROUPS, Math.ceil(length / (WORKGROUP * 4))));
      return {
        scratch: [{ shape: [groups], dtype: 'int32' }],
        passes: [
          {
            source: findPass,
            bindings: [input(0), scratch(0)],
            uniforms: uniforms([length, groups * WORKGROUP]),
            workgroups: [groups, 1, 1],
          },
          {
            source: choosePass,
            bindings: [scratch(0), output(0)],
            uniforms: uniforms([groups, WORKGROUP]),
            workgroups: [1, 1, 1],
          },
        ],
      };
    },
  },
];
