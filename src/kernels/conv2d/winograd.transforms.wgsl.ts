/**
 * The transforms of Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv:1509.09308) as WGSL passes. In one dimension
 *
 *     y = A'[(G g) * (B' d)]       four outputs from six inputs d and three filter weights g, in 6 products instead of 12
 *
 * and twice in two dimensions: 36 products per 4 x 4 outputs instead of 144. The gradient of that formula with respect to
 * g is G'[(A dy) * (B' d)], so the weight gradient needs the same three matrices, transposed. Invocations
 * take one channel each: a load costs software adapters the same per word whatever its width, and hundreds of words in a
 * row would cost them seconds of compilation.
 *
 * Arrays between the passes: V [36, tiles, C], U [36, C, K] and M [36, tiles, K], where a tile is 4 x 4 outputs.
 */
import type { Slot, WgslPass } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import {
  FIND_TILE,
  INPUTS,
  list,
  MAIN,
  MARK,
  markFirst,
  PIXEL,
  PRODUCTS,
  STORE_PRODUCTS,
  TILE,
  TILING,
  type Tiling,
  tilePass,
  twice,
  WORKGROUP,
  weightSource,
} from './winograd.tiles.wgsl.ts';

const INPUT_SOURCE = /* wgsl */ `// Winograd: 6 x 6 inputs of every tile, transformed by B'.
${TILING}
@group(0) @binding(0) var<storage, read> images: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<f32>;
@group(0) @binding(2) var<uniform> tiling: Tiling;

${PIXEL}

${MARK}

fn transform(d: array<f32, 6>) -> array<f32, 6> {
  let even = d[4] - 4.0 * d[2];
  let odd = d[3] - 4.0 * d[1];
  let near = d[4] - d[2];
  let far = 2.0 * (d[3] - d[1]);
  return array<f32, 6>(
    4.0 * d[0] - 5.0 * d[2] + d[4],
    even + odd,
    even - odd,
    near + far,
    near - far,
    4.0 * d[1] - 5.0 * d[3] + d[5],
  );
}

${MAIN} {
  ${FIND_TILE}
${list(INPUTS, x => `  let d${x} = array<f32, 6>(${list(INPUTS, y => `pixel(image, top + ${y}, left + ${x}, channel)`)});`, '\n')}
${twice('transform', INPUTS, INPUTS)}
${markFirst(INPUTS, INPUTS)}
${STORE_PRODUCTS}
}
`;

const OUTPUT_GRADIENT_SOURCE = /* wgsl */ `// Winograd weight gradient: 4 x 4 output gradients of every tile, transformed by A.
${TILING}
@group(0) @binding(0) var<storage, read> images: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<f32>;
@group(0) @binding(2) var<uniform> tiling: Tiling;

${PIXEL}

${MARK}

fn transform(d: array<f32, 4>) -> array<f32, 6> {
  let even = d[0] + d[2];
  let odd = d[1] + d[3];
  let farEven = d[0] + 4.0 * d[2];
  let farOdd = 2.0 * d[1] + 8.0 * d[3];
  return array<f32, 6>(d[0], even + odd, even - odd, farEven + farOdd, farEven - farOdd, d[3]);
}

${MAIN} {
  ${FIND_TILE}
${list(TILE, x => `  let d${x} = array<f32, 4>(${list(TILE, y => `pixel(image, top + ${y}, left + ${x}, channel)`)});`, '\n')}
${list(TILE, x => `  let column${x} = transform(d${x});`, '\n')}
${list(INPUTS, y => `  var row${y} = transform(array<f32, 4>(${list(TILE, x => `column${x}[${y}]`)}));`, '\n')}
${markFirst(TILE, TILE)}
${STORE_PRODUCTS}
}
`;

const FILTERS = /* wgsl */ `struct Filters {
  rows: u32,
  columns: u32,
}`;

const filterSource = (
  adjoint: boolean,
) => /* wgsl */ `// Winograd: filters transformed by G${adjoint ? ', turned and with exchanged channels' : ''}.
${FILTERS}
@group(0) @binding(0) var<storage, read> filters: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<f32>;
@group(0) @binding(2) var<uniform> sizes: Filters;

${weightSource(adjoint, 'sizes.rows', 'sizes.columns')}

${MARK}

fn transform(g: array<f32, 3>) -> array<f32, 6> {
  let outer = (g[0] + g[2]) / 6.0;
  let far = g[0] / 24.0 + g[2] / 6.0;
  return array<f32, 6>(
    g[0] / 4.0,
    -outer - g[1] / 6.0,
    -outer + g[1] / 6.0,
    far + g[1] / 12.0,
    far - g[1] / 12.0,
    g[2],
  );
}

${MAIN} {
  ${linearIndex(WORKGROUP)}
  if (i >= sizes.rows * sizes.columns) {
    return;
  }
  let row = i / sizes.columns;
  let column = i % sizes.columns;
${list(3, x => `  let d${x} = array<f32, 3>(${list(3, y => `weight(${y}u, ${x}u, row, column)`)});`, '\n')}
${list(3, x => `  let column${x} = transform(d${x});`, '\n')}
${list(INPUTS, y => `  var row${y} = transform(array<f32, 3>(${list(3, x => `column${x}[${y}]`)}));`, '\n')}
${markFirst(3, 3)}
${list(PRODUCTS, e => `  transformed[${e}u * sizes.rows * sizes.columns + i] = row${Math.floor(e / INPUTS)}[${e % INPUTS}];`, '\n')}
}
`;

/** Images to V. */
export const inputTransform = (images: Slot, v: Slot, tiling: Tiling): WgslPass =>
  tilePass(INPUT_SOURCE, [images, v], tiling);

/** Output gradients to M, for the weight gradient. */
export const outputGradientTransform = (dy: Slot, m: Slot, tiling: Tiling): WgslPass =>
  tilePass(OUTPUT_GRADIENT_SOURCE, [dy, m], tiling);

/** Filters [3, 3, C, K] to U [36, C, K], or adjoint to U [36, K, C] (rows and columns as in U). */
export const filterTransform = (w: Slot, u: Slot, rows: number, columns: number, adjoint: boolean): WgslPass => ({
  source: filterSource(adjoint),
  bindings: [w, u],
  uniforms: uniforms([rows, columns]),
  workgroups: linearGrid(rows * columns, WORKGROUP),
});
