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

/** Outputs and inputs of a tile along one axis, and products of a whole tile. */
export const TILE = 4;
const INPUTS = 6;
export const PRODUCTS = INPUTS * INPUTS;

const WORKGROUP = 32;

/** A run of images cut into tiles: [images, tilesDown, tilesAcross] tiles over images of height x width pixels. */
export interface Tiling {
  readonly firstImage: number;
  readonly images: number;
  readonly tilesDown: number;
  readonly tilesAcross: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Rows and columns by which the first tile begins before the image. */
  readonly padTop: number;
  readonly padLeft: number;
}

export const tilesOf = ({ images, tilesDown, tilesAcross }: Tiling): number => images * tilesDown * tilesAcross;

const TILING = /* wgsl */ `struct Tiling {
  count: u32,
  tiles: u32,
  firstImage: u32,
  tilesDown: u32,
  tilesAcross: u32,
  height: i32,
  width: i32,
  channels: u32,
  padTop: i32,
  padLeft: i32,
  relu: u32,
}`;

function tilingUniforms(tiling: Tiling, relu = false): Uint32Array {
  const { firstImage, tilesDown, tilesAcross, height, width, channels, padTop, padLeft } = tiling;
  const tiles = tilesOf(tiling);
  return uniforms([
    tiles * channels,
    tiles,
    firstImage,
    tilesDown,
    tilesAcross,
    height,
    width,
    channels,
    padTop,
    padLeft,
    relu ? 1 : 0,
  ]);
}

const FIND_TILE = /* wgsl */ `${linearIndex(WORKGROUP)}
  if (i >= tiling.count) {
    return;
  }
  let channel = i % tiling.channels;
  let tile = i / tiling.channels;
  let image = tiling.firstImage + tile / (tiling.tilesDown * tiling.tilesAcross);
  let top = i32(tile / tiling.tilesAcross % tiling.tilesDown * ${TILE}u) - tiling.padTop;
  let left = i32(tile % tiling.tilesAcross * ${TILE}u) - tiling.padLeft;`;

const MAIN = /* wgsl */ `@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u)`;

const PIXEL = /* wgsl */ `fn pixel(image: u32, y: i32, x: i32, channel: u32) -> f32 {
  let inside = (y >= 0) & (y < tiling.height) & (x >= 0) & (x < tiling.width);
  let at = ((image * u32(tiling.height) + u32(y)) * u32(tiling.width) + u32(x)) * tiling.channels + channel;
  return select(0.0, images[select(0u, at, inside)], inside);
}`;

const list = (count: number, item: (index: number) => string, separator = ', '): string =>
  Array.from({ length: count }, (_, index) => item(index)).join(separator);

/** Both dimensions of a transform named `f` from `from` x `from` values d<x> (one array per column) to `to` x `to`. */
function twice(f: string, from: number, to: number): string {
  return `${list(from, x => `  let column${x} = ${f}(d${x});`, '\n')}
${list(to, y => `  let row${y} = ${f}(array<f32, ${from}>(${list(from, x => `column${x}[${y}]`)}));`, '\n')}`;
}

const STORE_PRODUCTS = list(
  PRODUCTS,
  e =>
    `  transformed[(${e}u * tiling.tiles + tile) * tiling.channels + channel] = row${Math.floor(e / INPUTS)}[${e % INPUTS}];`,
  '\n',
);

const INPUT_SOURCE = /* wgsl */ `// Winograd: 6 x 6 inputs of every tile, transformed by B'.
${TILING}
@group(0) @binding(0) var<storage, read> images: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<f32>;
@group(0) @binding(2) var<uniform> tiling: Tiling;

${PIXEL}

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
${STORE_PRODUCTS}
}
`;

const OUTPUT_GRADIENT_SOURCE = /* wgsl */ `// Winograd weight gradient: 4 x 4 output gradients of every tile, transformed by A.
${TILING}
@group(0) @binding(0) var<storage, read> images: array<f32>;
@group(0) @binding(1) var<storage, read_write> transformed: array<f32>;
@group(0) @binding(2) var<uniform> tiling: Tiling;

${PIXEL}

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
${list(INPUTS, y => `  let row${y} = transform(array<f32, 4>(${list(TILE, x => `column${x}[${y}]`)}));`, '\n')}
${STORE_PRODUCTS}
}
`;

const outputSource = (bias: boolean) => /* wgsl */ `// Winograd: 36 products of every tile to 4 x 4 outputs by A'.
${TILING}
@group(0) @binding(0) var<storage, read_write> products: array<f32>;
@group(0) @binding(1) var<storage, read_write> images: array<f32>;
${bias ? '@group(0) @binding(2) var<storage, read> bias: array<f32>;' : ''}
@group(0) @binding(${bias ? 3 : 2}) var<uniform> tiling: Tiling;

fn transform(m: array<f32, 6>) -> array<f32, 4> {
  let even = m[1] + m[2];
  let odd = m[1] - m[2];
  let farEven = m[3] + m[4];
  let farOdd = m[3] - m[4];
  return array<f32, 4>(m[0] + even + farEven, odd + 2.0 * farOdd, even + 4.0 * farEven, odd + 8.0 * farOdd + m[5]);
}

// With ReLU negative values become zero; NaN, told by its bits, stays.
fn put(image: u32, y: i32, x: i32, channel: u32, value: f32) {
  let bits = bitcast<u32>(value);
  let negative = (bits > 0x80000000u) & (bits <= 0xff800000u);
  if (y < tiling.height && x < tiling.width) {
    let at = ((image * u32(tiling.height) + u32(y)) * u32(tiling.width) + u32(x)) * tiling.channels + channel;
    images[at] = select(value, 0.0, negative & (tiling.relu != 0u));
  }
}

${MAIN} {
  ${FIND_TILE}
${list(INPUTS, x => `  let d${x} = array<f32, 6>(${list(INPUTS, y => `products[(${y * INPUTS + x}u * tiling.tiles + tile) * tiling.channels + channel]`)});`, '\n')}
${list(INPUTS, x => `  let column${x} = transform(d${x});`, '\n')}
${list(TILE, y => `  let row${y} = transform(array<f32, 6>(${list(INPUTS, x => `column${x}[${y}]`)}));`, '\n')}
  let first = ${bias ? 'bias[channel]' : '0.0'};
${list(TILE * TILE, e => `  put(image, top + ${Math.floor(e / TILE)}, left + ${e % TILE}, channel, first + row${Math.floor(e / TILE)}[${e % TILE}]);`, '\n')}
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

fn weight(y: u32, x: u32, row: u32, column: u32) -> f32 {
  return filters[${
    adjoint
      ? '((8u - y * 3u - x) * sizes.columns + column) * sizes.rows + row'
      : '((y * 3u + x) * sizes.rows + row) * sizes.columns + column'
  }];
}

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
${list(INPUTS, y => `  let row${y} = transform(array<f32, 3>(${list(3, x => `column${x}[${y}]`)}));`, '\n')}
${list(PRODUCTS, e => `  transformed[${e}u * sizes.rows * sizes.columns + i] = row${Math.floor(e / INPUTS)}[${e % INPUTS}];`, '\n')}
}
`;

const filterGradientSource = (
  accumulate: boolean,
) => /* wgsl */ `// Winograd weight gradient: 36 sums of every filter weight to 3 x 3 by G'.
${FILTERS}
@group(0) @binding(0) var<storage, read_write> products: array<f32>;
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(2) var<uniform> sizes: Filters;

fn transform(m: array<f32, 6>) -> array<f32, 3> {
  let near = (m[1] + m[2]) / 6.0;
  let far = m[3] + m[4];
  return array<f32, 3>(
    m[0] / 4.0 - near + far / 24.0,
    (m[2] - m[1]) / 6.0 + (m[3] - m[4]) / 12.0,
    far / 6.0 - near + m[5],
  );
}

${MAIN} {
  ${linearIndex(WORKGROUP)}
  let size = sizes.rows * sizes.columns;
  if (i >= size) {
    return;
  }
${list(INPUTS, x => `  let d${x} = array<f32, 6>(${list(INPUTS, y => `products[${y * INPUTS + x}u * size + i]`)});`, '\n')}
${list(INPUTS, x => `  let column${x} = transform(d${x});`, '\n')}
${list(3, y => `  let row${y} = transform(array<f32, 6>(${list(INPUTS, x => `column${x}[${y}]`)}));`, '\n')}
${list(9, t => `  gradient[${t}u * size + i] ${accumulate ? '+=' : '='} row${Math.floor(t / 3)}[${t % 3}];`, '\n')}
}
`;

function tilePass(source: string, bindings: readonly Slot[], tiling: Tiling, relu = false): WgslPass {
  const workgroups = linearGrid(tilesOf(tiling) * tiling.channels, WORKGROUP);
  return { source, bindings, uniforms: tilingUniforms(tiling, relu), workgroups };
}

function filterPass(source: string, bindings: readonly Slot[], rows: number, columns: number): WgslPass {
  const workgroups = linearGrid(rows * columns, WORKGROUP);
  return { source, bindings, uniforms: uniforms([rows, columns]), workgroups };
}

/** Images to V. */
export const inputTransform = (images: Slot, v: Slot, tiling: Tiling): WgslPass =>
  tilePass(INPUT_SOURCE, [images, v], tiling);

/** Output gradients to M, for the weight gradient. */
export const outputGradientTransform = (dy: Slot, m: Slot, tiling: Tiling): WgslPass =>
  tilePass(OUTPUT_GRADIENT_SOURCE, [dy, m], tiling);

/** M to images, with bias and ReLU. */
export const outputTransform = (m: Slot, y: Slot, bias: Slot | undefined, relu: boolean, tiling: Tiling): WgslPass =>
  tilePass(outputSource(bias !== undefined), bias ? [m, y, bias] : [m, y], tiling, relu);

/** Filters [3, 3, C, K] to U [36, C, K], or adjoint to U [36, K, C] (rows and columns as in U). */
export const filterTransform = (w: Slot, u: Slot, rows: number, columns: number, adjoint: boolean): WgslPass =>
  filterPass(filterSource(adjoint), [w, u], rows, columns);

/** Gradient of U [36, C, K] to the gradient of the filters; adds to it when `accumulate`. */
export const filterGradientTransform = (
  du: Slot,
  dw: Slot,
  rows: number,
  columns: number,
  accumulate: boolean,
): WgslPass => filterPass(filterGradientSource(accumulate), [du, dw], rows, columns);
