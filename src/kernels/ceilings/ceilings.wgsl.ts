/**
 * The measuring loops in WGSL. A compiler that sees that a loop does the same again, or that two chains are equal, does it
 * once: so the chains start at different values, of each lane others, and a walk takes another page in each round.
 */
import { input, output, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import { CHAINS, type ChainParams, LANES, LINKS, PAGE_FLOATS, TRIAD_FACTOR, type WalkParams } from './ceilings.ts';

const chains = (line: (chain: number) => string): string => Array.from({ length: CHAINS }, (_, i) => line(i)).join(' ');

function chainsSource(fused: boolean): string {
  const links = chains(i => (fused ? `s${i} = fma(s${i}, x, y);` : `s${i} = s${i} * x + y;`));
  return /* wgsl */ `
struct Params { invocations: u32, rounds: u32 }
@group(0) @binding(0) var<storage, read> start: array<f32>;
@group(0) @binding(1) var<storage, read> factors: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(${LANES})
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  ${linearIndex(LANES)}
  if (i >= params.invocations) { return; }
  let x = factors[0];
  let y = factors[1];
  let scale = f32(lane + 1u) / ${LANES}.0;
  ${chains(i => `var s${i} = start[${i}] * scale;`)}
  for (var round = 0u; round < params.rounds; round++) {
    ${Array.from({ length: LINKS }, () => links).join('\n    ')}
  }
  result[i] = ${Array.from({ length: CHAINS }, (_, i) => `s${i}`).join(' + ')};
}
`;
}

export const multiplyAddChainsWgsl: readonly WgslVariant<ChainParams>[] = [
  {
    name: 'registers',
    applies: () => true,
    plan: (_, { fused, rounds, invocations }, { maxComputeWorkgroupsPerDimension }) => ({
      passes: [
        {
          source: chainsSource(fused),
          bindings: [input(0), input(1), output(0)],
          uniforms: uniforms([invocations, rounds]),
          workgroups: linearGrid(invocations, LANES, maxComputeWorkgroupsPerDimension),
        },
      ],
    }),
  },
];

const WALKERS = 64;
/** How far on the next round's page lies, as a share of all: not where a neighbour has just been. */
const SHIFT = 0.38;

function walkSource(isTriad: boolean): string {
  return /* wgsl */ `
struct Params { vectors: u32, shift: u32, rounds: u32 }
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
${isTriad ? '@group(0) @binding(1) var<storage, read> b: array<vec4f>;' : ''}
@group(0) @binding(${isTriad ? 2 : 1}) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(${isTriad ? 3 : 2}) var<uniform> params: Params;

@compute @workgroup_size(${WALKERS})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WALKERS)}
  if (i >= params.vectors) { return; }
  var at = i;
  for (var round = 0u; round < params.rounds; round++) {
    result[at] = a[at]${isTriad ? ` + ${TRIAD_FACTOR} * b[at]` : ''};
    at += params.shift;
    if (at >= params.vectors) { at -= params.vectors; }
  }
}
`;
}

export const memoryWalkWgsl: readonly WgslVariant<WalkParams>[] = [
  {
    name: 'vec4',
    applies: (_, { walk }) => walk !== 'read',
    plan([a], { walk, rounds }, { maxComputeWorkgroupsPerDimension }) {
      const pages = a.shape[0] / PAGE_FLOATS;
      const vectors = a.shape[0] / 4;
      const shift = Math.max(1, Math.round(SHIFT * pages)) * (PAGE_FLOATS / 4);
      const isTriad = walk === 'triad';
      return {
        passes: [
          {
            source: walkSource(isTriad),
            bindings: isTriad ? [input(0), input(1), output(0)] : [input(0), output(0)],
            uniforms: uniforms([vectors, shift, rounds]),
            workgroups: linearGrid(vectors, WALKERS, maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];
