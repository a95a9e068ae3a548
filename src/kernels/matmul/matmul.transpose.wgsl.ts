/**
 * Copies with the last two axes exchanged, in blocks of 4 x 4, into scratch memory. Register tiles read four rows of A at
 * a time when A is transposed; and rows that lie a multiple of 2 KiB apart fall into the same few sets of a CPU's first
 * cache, where 32 of them push each other out: on lavapipe the copy pays for itself many times over there.
 */
import { type Slot, type Spec, scratch, type WgslPass } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';

const WORKGROUP = 64;

const SOURCE = /* wgsl */ `// [matrices, 4 rows, 4 columns] to [matrices, 4 columns, 4 rows]; every invocation copies a block of 4 x 4.
struct Sizes {
  blocks: u32,
  rows: u32,
  columns: u32,
}
@group(0) @binding(0) var<storage, read> original: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> transposed: array<vec4f>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= sizes.blocks) {
    return;
  }
  let row = i % sizes.rows;
  let column = i / sizes.rows % sizes.columns;
  let matrix = i / (sizes.rows * sizes.columns) * (sizes.rows * sizes.columns * 4u);
  let at = matrix + row * 4u * sizes.columns + column;
  let block = transpose(mat4x4f(
    original[at],
    original[at + sizes.columns],
    original[at + 2u * sizes.columns],
    original[at + 3u * sizes.columns],
  ));
  let to = matrix + column * 4u * sizes.rows + row;
  transposed[to] = block[0];
  transposed[to + sizes.rows] = block[1];
  transposed[to + 2u * sizes.rows] = block[2];
  transposed[to + 3u * sizes.rows] = block[3];
}
`;

/** Whether reading 32 rows of `length` elements side by side wants a transposed copy first, and it can be made. */
export function wantsTransposedCopy(rows: number, length: number): boolean {
  return length % 512 === 0 && length > 0 && rows % 4 === 0 && rows >= 32;
}

/** The pass that copies `from` (of shape [..., rows, columns], both multiples of 4) into scratch array `index`. */
export function transposedCopy(from: Slot, shape: readonly number[], index: number): { pass: WgslPass; spec: Spec } {
  const [rows, columns] = [shape[shape.length - 2] / 4, shape[shape.length - 1] / 4];
  const blocks = sizeOf(shape) / 16;
  return {
    pass: {
      source: SOURCE,
      bindings: [from, scratch(index)],
      uniforms: uniforms([blocks, rows, columns]),
      workgroups: linearGrid(blocks, WORKGROUP),
    },
    spec: { shape: [...shape.slice(0, -2), columns * 4, rows * 4], dtype: 'float32' },
  };
}
