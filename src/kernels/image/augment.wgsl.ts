/**
 * Augmentation in WGSL, in two passes: one invocation per image decides (three Philox blocks), then one invocation per
 * pixel value, or per four where images are a multiple of four values, fetches. Decisions are eight words per image: the
 * image (2^32 - 1 where the index names none), shift down, shift right, mirrored, and top, left, height, width of the
 * erased rectangle, of height 0 where there is none.
 */
import { input, output, type Spec, scratch, type WgslVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import { philoxWgsl } from '../random/philox.wgsl.ts';
import { thresholdOf } from '../random/random.ts';
import { type AugmentParams, eraseRectangles, RECTANGLES } from './augment.ts';
import { pixelWgsl } from './pixel.wgsl.ts';

const WORKGROUP = 64;
const NO_RECTANGLES = new Uint32Array(RECTANGLES);

const decideSource = /* wgsl */ `
struct Params {
  batch: u32, images: u32, height: u32, width: u32,
  crop: u32, flip: u32, threshold: u32, always: u32,
  rectangles: array<vec4u, ${RECTANGLES / 4}>,
}
@group(0) @binding(0) var<storage, read> indices: array<u32>;
@group(0) @binding(1) var<storage, read> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> decisions: array<u32>;
@group(0) @binding(3) var<uniform> params: Params;
${philoxWgsl}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.batch) { return; }
  let index = indices[i];
  let key = vec2u(state[0], state[1]);
  let a = philox(vec4u(i, 1u, state[2], state[3]), key);
  let b = philox(vec4u(i, 2u, state[2], state[3]), key);
  let own = philox(vec4u(index, 0u, 0u, 0u), key);

  let shift = multiplyHigh(a.xy, vec2u(2u * params.crop + 1u)) - vec2u(params.crop);
  var mirrored = 0u;
  if (params.flip == 1u) { mirrored = a.z & 1u; }
  if (params.flip == 2u) { mirrored = (own.x ^ state[3]) & 1u; }

  let choice = b.x >> 24u;
  let rectangle = params.rectangles[choice >> 2u][choice & 3u];
  let size = vec2u(rectangle >> 16u, rectangle & 0xffffu);
  let corner = multiplyHigh(b.yz, vec2u(params.height, params.width) - size + vec2u(1u));
  let erased = a.w < params.threshold || params.always != 0u;

  let at = 8u * i;
  decisions[at] = select(0xffffffffu, index, index < params.images);
  decisions[at + 1u] = shift.x;
  decisions[at + 2u] = shift.y;
  decisions[at + 3u] = mirrored;
  decisions[at + 4u] = corner.x;
  decisions[at + 5u] = corner.y;
  decisions[at + 6u] = select(0u, size.x, erased);
  decisions[at + 7u] = size.y;
}
`;

const fetchSource = (vectors: boolean): string => /* wgsl */ `
struct Params { total: u32, height: u32, width: u32, channels: u32, noise: u32, nan: u32 }
@group(0) @binding(0) var<storage, read> images: array<u32>;
@group(0) @binding(1) var<storage, read> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> decisions: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<${vectors ? 'vec4f' : 'f32'}>;
@group(0) @binding(4) var<uniform> params: Params;
${philoxWgsl}
${pixelWgsl}
fn reflectIndex(i: i32, extent: i32) -> i32 {
  return select(select(i, -i, i < 0), 2 * (extent - 1) - i, i >= extent);
}

/** Value number \`element\` of output image n. */
fn value(n: u32, element: u32) -> f32 {
  let image = decisions[8u * n];
  if (image == -1) { return bitcast<f32>(params.nan); }
  let width = i32(params.width);
  let pixel = element / params.channels;
  let channel = element - pixel * params.channels;
  let row = i32(pixel / params.width);
  let column = i32(pixel) - row * width;

  let top = decisions[8u * n + 4u];
  let left = decisions[8u * n + 5u];
  let bottom = top + decisions[8u * n + 6u];
  let right = left + decisions[8u * n + 7u];
  if (row >= top && row < bottom && column >= left && column < right) {
    if (params.noise == 0u) { return 0.0; }
    let words = philox(vec4u(n, 3u + element / 4u, state[2], state[3]), vec2u(state[0], state[1]));
    return uniformFromBits(words)[element & 3u];
  }
  let sourceRow = reflectIndex(row + decisions[8u * n + 1u], i32(params.height));
  var sourceColumn = reflectIndex(column + decisions[8u * n + 2u], width);
  if (decisions[8u * n + 3u] != 0) { sourceColumn = width - 1 - sourceColumn; }
  let place = ((u32(image) * params.height + u32(sourceRow)) * params.width + u32(sourceColumn)) * params.channels + channel;
  return pixelFromByte((images[place / 4u] >> (8u * (place & 3u))) & 255u);
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.total) { return; }
  let size = params.height * params.width * params.channels;
  ${
    vectors
      ? /* wgsl */ `let n = (4u * i) / size;
  let first = 4u * i - n * size;
  var four: vec4f;
  for (var j = 0u; j < 4u; j++) { four[j] = value(n, first + j); }
  y[i] = four;`
      : /* wgsl */ `let n = i / size;
  y[i] = value(n, i - n * size);`
  }
}
`;

const FLIPS = { none: 0, random: 1, alternating: 2 } as const;

function decideUniforms([images, indices]: readonly Spec[], { crop, flip, erase }: AugmentParams): Uint32Array {
  const [count, height, width] = images.shape;
  const { threshold, always } = thresholdOf(erase?.probability ?? 0);
  const rectangles = erase ? eraseRectangles(erase, height, width) : NO_RECTANGLES;
  const numbers = [indices.shape[0], count, height, width, crop, FLIPS[flip], threshold, always ? 1 : 0];
  return uniforms([...numbers, ...rectangles]);
}

function variant(name: string, vectors: boolean): WgslVariant<AugmentParams> {
  const source = fetchSource(vectors);
  const per = vectors ? 4 : 1;
  return {
    name,
    applies: ([images]) => sizeOf(images.shape.slice(1)) % per === 0,
    plan(specs, params, { maxComputeWorkgroupsPerDimension }) {
      const [images, indices] = specs;
      const [, height, width, channels] = images.shape;
      const batch = indices.shape[0];
      const total = (batch * height * width * channels) / per;
      const noise = params.erase?.fill === 'random' ? 1 : 0;
      return {
        scratch: [{ shape: [batch, 8], dtype: 'int32' }],
        passes: [
          {
            source: decideSource,
            bindings: [input(1), input(2), scratch(0)],
            uniforms: decideUniforms(specs, params),
            workgroups: linearGrid(batch, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
          {
            source,
            bindings: [input(0), input(2), scratch(0), output(0)],
            uniforms: uniforms([total, height, width, channels, noise, 0x7fc00000]),
            workgroups: linearGrid(total, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  };
}

export const augmentImagesWgsl: readonly WgslVariant<AugmentParams>[] = [variant('vec4', true), variant('any', false)];
