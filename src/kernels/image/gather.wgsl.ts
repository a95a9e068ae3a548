/**
 * Batches by index in WGSL. Bytes are read four to a word; where an image is a whole number of words, one invocation turns
 * one word into four pixels.
 */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import type { GatherParams } from './gather.ts';
import { pixelWgsl } from './pixel.wgsl.ts';

const WORKGROUP = 64;

/** The quiet NaN, passed in because WGSL refuses a constant one. */
const NAN_BITS = 0x7fc00000;

const imagesSource = (vectors: boolean): string => /* wgsl */ `
// total: elements of the output; size: elements of one image. Both count in words where pixels come in fours.
struct Params { total: u32, size: u32, images: u32, nan: u32 }
@group(0) @binding(0) var<storage, read> images: array<u32>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<${vectors ? 'vec4f' : 'f32'}>;
@group(0) @binding(3) var<uniform> params: Params;
${pixelWgsl}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.total) { return; }
  let n = i / params.size;
  let index = indices[n];
  if (index >= params.images) {
    y[i] = ${vectors ? 'vec4f' : 'f32'}(bitcast<f32>(params.nan));
    return;
  }
  let place = index * params.size + (i - n * params.size);
  ${
    vectors
      ? /* wgsl */ `let word = images[place];
  y[i] = vec4f(
    pixelFromByte(word & 255u),
    pixelFromByte((word >> 8u) & 255u),
    pixelFromByte((word >> 16u) & 255u),
    pixelFromByte(word >> 24u),
  );`
      : 'y[i] = pixelFromByte((images[place / 4u] >> (8u * (place & 3u))) & 255u);'
  }
}
`;

function imagesVariant(name: string, vectors: boolean): WgslVariant<GatherParams> {
  const source = imagesSource(vectors);
  const per = vectors ? 4 : 1;
  return {
    name,
    applies: ([images]) => sizeOf(images.shape.slice(1)) % per === 0,
    plan([images, indices], _, { maxComputeWorkgroupsPerDimension }) {
      const size = sizeOf(images.shape.slice(1)) / per;
      const total = indices.shape[0] * size;
      return {
        passes: [
          {
            source,
            bindings: [input(0), input(1), output(0)],
            uniforms: uniforms([total, size, images.shape[0], NAN_BITS]),
            workgroups: linearGrid(total, WORKGROUP, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  };
}

export const gatherImagesWgsl: readonly WgslVariant<GatherParams>[] = [
  imagesVariant('words', true),
  imagesVariant('any', false),
];

const labelsSource = /* wgsl */ `
struct Params { total: u32, labels: u32 }
@group(0) @binding(0) var<storage, read> labels: array<u32>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<i32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.total) { return; }
  let index = indices[i];
  if (index >= params.labels) {
    y[i] = -1;
  } else {
    y[i] = i32((labels[index / 4u] >> (8u * (index & 3u))) & 255u);
  }
}
`;

export const gatherLabelsWgsl: readonly WgslVariant<GatherParams>[] = [
  {
    name: 'any',
    applies: () => true,
    plan: ([labels, indices], _, { maxComputeWorkgroupsPerDimension }) => ({
      passes: [
        {
          source: labelsSource,
          bindings: [input(0), input(1), output(0)],
          uniforms: uniforms([indices.shape[0], labels.shape[0]]),
          workgroups: linearGrid(indices.shape[0], WORKGROUP, maxComputeWorkgroupsPerDimension),
        },
      ],
    }),
  },
];
