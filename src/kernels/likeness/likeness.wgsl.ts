/** In WGSL: an invocation is a row. */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import { libraryFor } from '../elementwise/math.wgsl.ts';
import { LEAST_LIKENESS, type LikenessParams } from './likeness.ts';

const WORKGROUP = 64;

/** A kernel that adds `terms`, a vector of `count` made of i, j and square, over the columns of a row. */
function source(count: 2 | 3, terms: string): string {
  const vector = `vec${count}f`;
  return /* wgsl */ `
alias T = f32;
alias U = u32;
alias I = i32;
alias B = bool;
struct Sizes { height: u32, width: u32 }
@group(0) @binding(0) var<storage, read> products: array<f32>;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read> columns: array<f32>;
@group(0) @binding(3) var<storage, read> places: array<i32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;
@group(0) @binding(5) var<uniform> sizes: Sizes;
${libraryFor(terms, 'f32')}

fn own(part: u32, i: u32) -> f32 { return rows[part * sizes.height + i]; }
fn other(part: u32, j: u32) -> f32 { return columns[part * sizes.width + j]; }
${terms}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= sizes.height) { return; }
  var total = ${vector}();
  for (var j = 0u; j < sizes.width; j++) {
    let isOwn = places[1] >= 0 && places[1] + i32(i) == places[0] + i32(j);
    let square = max(0.0, own(0u, i) + other(0u, j) - 2.0 * products[i * sizes.width + j]);
    if (!isOwn) { total += termsOf(i, j, square); }
  }
  for (var part = 0u; part < ${count}u; part++) { sums[${count}u * i + part] += total[part]; }
}`;
}

const gaussianSums = source(
  3,
  /* wgsl */ `fn termsOf(i: u32, j: u32, square: f32) -> vec3f {
  let x = square - own(2u, i);
  let e = exponential(-own(1u, i) * x);
  return vec3f(e, e * x, e * x * x);
}`,
);

const divergenceSums = source(
  2,
  /* wgsl */ `fn termsOf(i: u32, j: u32, square: f32) -> vec2f {
  let p = exponential(own(2u, i) - own(1u, i) * square) + exponential(other(2u, j) - other(1u, j) * square);
  let d = vec2f(own(3u, i) - other(3u, j), own(4u, i) - other(4u, j));
  return vec2f(p * logarithm(max(p, ${LEAST_LIKENESS}) * (1.0 + dot(d, d))), p);
}`,
);

const variantOf = (text: string): readonly WgslVariant<LikenessParams>[] => [
  {
    name: 'rows',
    applies: () => true,
    plan([{ shape }], _, { maxComputeWorkgroupsPerDimension }) {
      const [height, width] = shape;
      return {
        passes: [
          {
            source: text,
            bindings: [input(0), input(1), input(2), input(3), output(0)],
            uniforms: uniforms([height, width]),
            workgroups: linearGrid(height, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];

export const gaussianSumsWgsl = variantOf(gaussianSums);
export const divergenceSumsWgsl = variantOf(divergenceSums);
