/**
 * Filters [kh, kw, C / groups, K] with their channel axes exchanged: [kh, kw, K / groups, C]. The input gradient reads
 * filters along C, and this little pass (filters are small) lets it do so in whole vectors like the forward convolution.
 */
import { input, type Spec, scratch, type WgslPass } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';

const WORKGROUP = 64;

const SOURCE = /* wgsl */ `// Filters with exchanged channel axes, group by group.
struct Sizes {
  length: u32,
  groupChannels: u32,
  channels: u32,
  groupFilters: u32,
  filters: u32,
}
@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> transposed: array<f32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= sizes.length) {
    return;
  }
  let channel = i % sizes.channels;
  let filterInGroup = i / sizes.channels % sizes.groupFilters;
  let tap = i / (sizes.channels * sizes.groupFilters);
  let group = channel / sizes.groupChannels;
  let row = tap * sizes.groupChannels + channel % sizes.groupChannels;
  transposed[i] = w[row * sizes.filters + group * sizes.groupFilters + filterInGroup];
}
`;

/** Transposes input 1 into scratch 0. */
export function transposeFilters(
  shape: readonly number[],
  groups: number,
): { passes: readonly WgslPass[]; scratch: readonly Spec[] } {
  const [kernelHeight, kernelWidth, groupChannels, filters] = shape;
  const length = kernelHeight * kernelWidth * groupChannels * filters;
  return {
    passes: [
      {
        source: SOURCE,
        bindings: [input(1), scratch(0)],
        uniforms: uniforms([length, groupChannels, groupChannels * groups, filters / groups, filters]),
        workgroups: linearGrid(length, WORKGROUP),
      },
    ],
    scratch: [{ shape: [kernelHeight, kernelWidth, filters / groups, groupChannels * groups], dtype: 'float32' }],
  };
}
