/**
 * What Winograd's passes in WGSL share: how images are cut into tiles, and marks. A transform mixes all pixels of its tile,
 * so NaN, an infinity or a huge value would reach outputs that do not see it. The first of the 36 products of such a tile
 * and channel, or of such a filter, is made NaN: a mark that all sums inherit. What comes of a marked sum is computed anew,
 * directly, by the last pass (winograd.outputs.wgsl.ts).
 */
import type { Slot, WgslPass } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';

/** Outputs and inputs of a tile along one axis, and products of a whole tile. */
export const TILE = 4;
export const INPUTS = 6;
export const PRODUCTS = INPUTS * INPUTS;

export const WORKGROUP = 32;

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

export const tilingStruct = (more = '') => /* wgsl */ `struct Tiling {
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
${more}}`;
export const TILING = tilingStruct();

function tilingUniforms(tiling: Tiling, more: readonly number[] = []): Uint32Array {
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
    ...more,
  ]);
}

export const FIND_TILE = /* wgsl */ `${linearIndex(WORKGROUP)}
  if (i >= tiling.count) {
    return;
  }
  let channel = i % tiling.channels;
  let tile = i / tiling.channels;
  let image = tiling.firstImage + tile / (tiling.tilesDown * tiling.tilesAcross);
  let top = i32(tile / tiling.tilesAcross % tiling.tilesDown * ${TILE}u) - tiling.padTop;
  let left = i32(tile % tiling.tilesAcross * ${TILE}u) - tiling.padLeft;`;

export const MAIN = /* wgsl */ `@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u)`;

export const PIXEL = /* wgsl */ `fn pixel(image: u32, y: i32, x: i32, channel: u32) -> f32 {
  let inside = (y >= 0) & (y < tiling.height) & (x >= 0) & (x < tiling.width);
  let at = ((image * u32(tiling.height) + u32(y)) * u32(tiling.width) + u32(x)) * tiling.channels + channel;
  return select(0.0, images[select(0u, at, inside)], inside);
}`;

export const list = (count: number, item: (index: number) => string, separator = ', '): string =>
  Array.from({ length: count }, (_, index) => item(index)).join(separator);

/** Both dimensions of a transform named `f` from `from` x `from` values d<x> (one array per column) to `to` x `to`. */
export function twice(f: string, from: number, to: number): string {
  return `${list(from, x => `  let column${x} = ${f}(d${x});`, '\n')}
${list(to, y => `  var row${y} = ${f}(array<f32, ${from}>(${list(from, x => `column${x}[${y}]`)}));`, '\n')}`;
}

export const STORE_PRODUCTS = list(
  PRODUCTS,
  e =>
    `  transformed[(${e}u * tiling.tiles + tile) * tiling.channels + channel] = row${Math.floor(e / INPUTS)}[${e % INPUTS}];`,
  '\n',
);

/** Sums of squares from this number's bits on, NaN among them, are marked: 2^80, as in winograd.tiles.wasm.ts. */
const UNSAFE_BITS = '0x67800000u';

/** Marks are made and told by their bits: comparisons of NaN are not the same everywhere. */
export const MARK = /* wgsl */ `fn markIfUnsafe(value: f32, squares: f32) -> f32 {
  let isUnsafe = (bitcast<u32>(squares) & 0x7fffffffu) >= ${UNSAFE_BITS};
  return bitcast<f32>(select(bitcast<u32>(value), 0x7fc00000u, isUnsafe));
}`;
/** The first product marked where the `rows` x `columns` values d<x>[y] are unsafe. */
export const markFirst = (rows: number, columns: number): string => {
  const ofColumn = (x: number): string => list(rows, y => `d${x}[${y}] * d${x}[${y}]`, ' + ');
  return `  row0[0] = markIfUnsafe(row0[0], ${list(columns, x => `(${ofColumn(x)})`, ' + ')});`;
};

/** The filter tap at (y, x) that leads from channel `row` to channel `column`; turned and exchanged when `adjoint`. */
export const weightSource = (
  adjoint: boolean,
  rows: string,
  columns: string,
) => /* wgsl */ `fn weight(y: u32, x: u32, row: u32, column: u32) -> f32 {
  return filters[${
    adjoint
      ? `((8u - y * 3u - x) * ${columns} + column) * ${rows} + row`
      : `((y * 3u + x) * ${rows} + row) * ${columns} + column`
  }];
}`;

/** One invocation for every tile and channel. */
export function tilePass(
  source: string,
  bindings: readonly Slot[],
  tiling: Tiling,
  more: readonly number[] = [],
): WgslPass {
  const workgroups = linearGrid(tilesOf(tiling) * tiling.channels, WORKGROUP);
  return { source, bindings, uniforms: tilingUniforms(tiling, more), workgroups };
}
