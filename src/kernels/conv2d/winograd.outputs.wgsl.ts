/**
 * The last passes of Winograd's convolutions in WGSL: 36 products of every tile back to 4 x 4 outputs by A', 36 sums of
 * every filter weight back to 3 x 3 by G' (winograd.transforms.wgsl.ts). What was marked on the way (winograd.tiles.wgsl.ts)
 * is computed directly here, from what the convolution was given.
 */
import type { Slot, WgslPass } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import {
  FIND_TILE,
  INPUTS,
  list,
  MAIN,
  TILE,
  type Tiling,
  tilePass,
  tilingStruct,
  WORKGROUP,
  weightSource,
} from './winograd.tiles.wgsl.ts';

const IS_MARKED = /* wgsl */ `fn isMarked(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
}`;

const SOURCE_IMAGES = /* wgsl */ `  relu: u32,
  sourceHeight: i32,
  sourceWidth: i32,
  sourceChannels: u32,
  sourceTop: i32,
  sourceLeft: i32,
`;

const outputSource = (
  bias: boolean,
  adjoint: boolean,
) => /* wgsl */ `// Winograd: 36 products of every tile to 4 x 4 outputs by A'; marked ones directly.
${tilingStruct(SOURCE_IMAGES)}
@group(0) @binding(0) var<storage, read_write> products: array<f32>;
@group(0) @binding(1) var<storage, read_write> images: array<f32>;
@group(0) @binding(2) var<storage, read> sources: array<f32>;
@group(0) @binding(3) var<storage, read> filters: array<f32>;
${bias ? '@group(0) @binding(4) var<storage, read> bias: array<f32>;' : ''}
@group(0) @binding(${bias ? 5 : 4}) var<uniform> tiling: Tiling;

${IS_MARKED}

${weightSource(adjoint, 'tiling.sourceChannels', 'tiling.channels')}

// One output as the sum over its taps that lie inside the image.
fn directly(image: u32, y: i32, x: i32, channel: u32) -> f32 {
  var sum = 0.0;
  for (var tap = 0; tap < 9; tap++) {
    let row = y + tap / 3 - tiling.sourceTop;
    let column = x + tap % 3 - tiling.sourceLeft;
    if (row < 0 || row >= tiling.sourceHeight || column < 0 || column >= tiling.sourceWidth) {
      continue;
    }
    let pixel = (image * u32(tiling.sourceHeight) + u32(row)) * u32(tiling.sourceWidth) + u32(column);
    for (var c = 0u; c < tiling.sourceChannels; c++) {
      sum += sources[pixel * tiling.sourceChannels + c] * weight(u32(tap / 3), u32(tap % 3), c, channel);
    }
  }
  return sum;
}

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
  let first = ${bias ? 'bias[channel]' : '0.0'};
  if (isMarked(products[i])) {
    for (var e = 0; e < ${TILE * TILE}; e++) {
      let y = top + e / ${TILE};
      let x = left + e % ${TILE};
      put(image, y, x, channel, first + directly(image, y, x, channel));
    }
    return;
  }
${list(INPUTS, x => `  let d${x} = array<f32, 6>(${list(INPUTS, y => `products[(${y * INPUTS + x}u * tiling.tiles + tile) * tiling.channels + channel]`)});`, '\n')}
${list(INPUTS, x => `  let column${x} = transform(d${x});`, '\n')}
${list(TILE, y => `  let row${y} = transform(array<f32, 6>(${list(INPUTS, x => `column${x}[${y}]`)}));`, '\n')}
${list(TILE * TILE, e => `  put(image, top + ${Math.floor(e / TILE)}, left + ${e % TILE}, channel, first + row${Math.floor(e / TILE)}[${e % TILE}]);`, '\n')}
}
`;

const filterGradientSource = (
  accumulate: boolean,
) => /* wgsl */ `// Winograd weight gradient: 36 sums of every filter weight to 3 x 3 by G'; marked ones directly.
struct Filters {
  rows: u32,
  columns: u32,
  firstImage: u32,
  images: u32,
  height: i32,
  width: i32,
  outputHeight: i32,
  outputWidth: i32,
  padTop: i32,
  padLeft: i32,
}
@group(0) @binding(0) var<storage, read_write> products: array<f32>;
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> images: array<f32>;
@group(0) @binding(3) var<storage, read> outputGradients: array<f32>;
@group(0) @binding(4) var<uniform> sizes: Filters;

${IS_MARKED}

// One tap of the channels \`row\` and \`column\`, summed over the run's images.
fn directly(tap: i32, row: u32, column: u32) -> f32 {
  var sum = 0.0;
  for (var n = sizes.firstImage; n < sizes.firstImage + sizes.images; n++) {
    for (var oy = 0; oy < sizes.outputHeight; oy++) {
      let y = oy + tap / 3 - sizes.padTop;
      if (y < 0 || y >= sizes.height) {
        continue;
      }
      var ofRow = 0.0;
      for (var ox = max(0, sizes.padLeft - tap % 3); ox < sizes.outputWidth; ox++) {
        let x = ox + tap % 3 - sizes.padLeft;
        if (x >= sizes.width) {
          break;
        }
        let pixel = (n * u32(sizes.height) + u32(y)) * u32(sizes.width) + u32(x);
        let output = (n * u32(sizes.outputHeight) + u32(oy)) * u32(sizes.outputWidth) + u32(ox);
        ofRow += images[pixel * sizes.rows + row] * outputGradients[output * sizes.columns + column];
      }
      sum += ofRow;
    }
  }
  return sum;
}

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
  if (isMarked(products[i])) {
    for (var tap = 0; tap < 9; tap++) {
      gradient[u32(tap) * size + i] ${accumulate ? '+=' : '='} directly(tap, i / sizes.columns, i % sizes.columns);
    }
    return;
  }
${list(INPUTS, x => `  let d${x} = array<f32, 6>(${list(INPUTS, y => `products[${y * INPUTS + x}u * size + i]`)});`, '\n')}
${list(INPUTS, x => `  let column${x} = transform(d${x});`, '\n')}
${list(3, y => `  let row${y} = transform(array<f32, 6>(${list(INPUTS, x => `column${x}[${y}]`)}));`, '\n')}
${list(9, t => `  gradient[${t}u * size + i] ${accumulate ? '+=' : '='} row${Math.floor(t / 3)}[${t % 3}];`, '\n')}
}
`;

/** What a convolution is computed from: for outputs that are computed directly. */
export interface ConvolutionSources {
  readonly images: Slot;
  readonly filters: Slot;
  readonly bias?: Slot;
  readonly relu: boolean;
  readonly adjoint: boolean;
}

/**
 * M to images, with bias and ReLU.
 * @param from how the images that are read are cut into tiles
 * @param to how those that are written are
 */
export function outputTransform(m: Slot, y: Slot, sources: ConvolutionSources, from: Tiling, to: Tiling): WgslPass {
  const { images, filters, bias, relu, adjoint } = sources;
  const bindings = [m, y, images, filters, ...(bias ? [bias] : [])];
  const { height, width, channels, padTop, padLeft } = from;
  const more = [relu ? 1 : 0, height, width, channels, padTop, padLeft];
  return tilePass(outputSource(bias !== undefined, adjoint), bindings, to, more);
}

/**
 * Gradient of U [36, C, K] to the gradient of the filters, of one run of images; adds to it when `accumulate`.
 * @param sources the images and output gradients, for taps that are computed directly
 */
export function filterGradientTransform(
  du: Slot,
  dw: Slot,
  sources: { readonly images: Slot; readonly outputGradients: Slot },
  x: Tiling,
  dy: Tiling,
  accumulate: boolean,
): WgslPass {
  const { firstImage, images, height, width, channels: rows, padTop, padLeft } = x;
  const { height: outputHeight, width: outputWidth, channels: columns } = dy;
  return {
    source: filterGradientSource(accumulate),
    bindings: [du, dw, sources.images, sources.outputGradients],
    uniforms: uniforms([rows, columns, firstImage, images, height, width, outputHeight, outputWidth, padTop, padLeft]),
    workgroups: linearGrid(rows * columns, WORKGROUP),
  };
}
