/**
 * Random numbers in WGSL: an invocation computes one Philox block and uses its four words. Where the length is a multiple
 * of four the block is stored as one vector; otherwise word by word, as far as the array goes.
 */
import { input, output, type Slot, type WgslVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import { philoxWgsl } from './philox.wgsl.ts';
import {
  type AdvanceParams,
  type BernoulliParams,
  type DropoutParams,
  dropoutScale,
  type RandomParams,
  thresholdOf,
} from './random.ts';

const WORKGROUP = 64;

/** What a kernel does with four random words. */
interface Use<P> {
  /** Element type of the output. */
  readonly type: 'u32' | 'f32';
  /** WGSL expression of four elements, from `words` (and, if it reads an array, `x`, the four elements of x). */
  readonly value: string;
  readonly readsX: boolean;
  readonly length: (shape: readonly number[], params: P) => number;
  readonly numbers: (params: P) => readonly number[];
}

function source({ type, value, readsX }: Use<never>, vectors: boolean): string {
  const element = vectors ? `vec4<${type}>` : type;
  const x = readsX ? [`@group(0) @binding(0) var<storage, read> xs: array<${vectors ? 'vec4f' : 'f32'}>;`] : [];
  const first = x.length;
  const load = vectors
    ? 'let x = xs[i];'
    : 'let x = vec4f(xs[4u * i], xs[4u * i + 1u], xs[4u * i + 2u], xs[4u * i + 3u]);';
  const store = vectors
    ? 'y[i] = value;'
    : 'for (var j = 0u; j < min(4u, params.length - 4u * i); j++) { y[4u * i + j] = value[j]; }';
  return /* wgsl */ `
struct Params { length: u32, threshold: u32, always: u32, scale: f32 }
${x.join('\n')}
@group(0) @binding(${first}) var<storage, read> state: array<u32>;
@group(0) @binding(${first + 1}) var<storage, read_write> y: array<${element}>;
@group(0) @binding(${first + 2}) var<uniform> params: Params;
${philoxWgsl}
fn hits(words: vec4u) -> vec4<bool> {
  return (words < vec4u(params.threshold)) | vec4<bool>(params.always != 0u);
}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= (params.length + 3u) / 4u) { return; }
  let words = philox(vec4u(i, 0u, state[2], state[3]), vec2u(state[0], state[1]));
  ${readsX ? load : ''}
  let value = ${value};
  ${store}
}
`;
}

function variants<P>(use: Use<P>): WgslVariant<P>[] {
  const bindings: Slot[] = use.readsX ? [input(0), input(1), output(0)] : [input(0), output(0)];
  const variant = (name: string, vectors: boolean): WgslVariant<P> => {
    const text = source(use, vectors);
    return {
      name,
      applies: (specs, params) => !vectors || use.length(specs[0].shape, params) % 4 === 0,
      plan(specs, params, adapter) {
        const length = use.length(specs[0].shape, params);
        const workgroups = linearGrid(Math.ceil(length / 4), WORKGROUP, adapter.maxComputeWorkgroupsPerDimension);
        const block = uniforms([length, ...use.numbers(params)]);
        return { passes: [{ source: text, bindings, uniforms: block, workgroups }] };
      },
    };
  };
  return [variant('vec4', true), variant('any', false)];
}

const ofShape = (_: readonly number[], { shape }: RandomParams): number => sizeOf(shape);
const odds = (probability: number): number[] => {
  const { threshold, always } = thresholdOf(probability);
  return [threshold, always ? 1 : 0];
};

export const randomBitsWgsl: readonly WgslVariant<RandomParams>[] = variants({
  type: 'u32',
  value: 'words',
  readsX: false,
  length: ofShape,
  numbers: () => [],
});

export const randomUniformWgsl: readonly WgslVariant<RandomParams>[] = variants({
  type: 'f32',
  value: 'uniformFromBits(words)',
  readsX: false,
  length: ofShape,
  numbers: () => [],
});

export const bernoulliWgsl: readonly WgslVariant<BernoulliParams>[] = variants<BernoulliParams>({
  type: 'f32',
  value: 'select(vec4f(0.0), vec4f(1.0), hits(words))',
  readsX: false,
  length: ofShape,
  numbers: ({ probability }) => odds(probability),
});

export const dropoutWgsl: readonly WgslVariant<DropoutParams>[] = variants({
  type: 'f32',
  value: 'x * select(vec4f(0.0), vec4f(params.scale), hits(words))',
  readsX: true,
  length: sizeOf,
  numbers: ({ rate }) => [...odds(1 - rate), f32Bits(dropoutScale(rate))],
});

const advanceSource = /* wgsl */ `
struct Params { low: u32, high: u32 }
@group(0) @binding(0) var<storage, read_write> state: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
  let sum = state[2] + params.low;
  state[2] = sum;
  state[3] += params.high + select(0u, 1u, sum < params.low);
}
`;

export const advanceStateWgsl: readonly WgslVariant<AdvanceParams>[] = [
  {
    name: 'scalar',
    applies: () => true,
    plan: (_, { by }) => ({
      passes: [
        {
          source: advanceSource,
          bindings: [output(0)],
          uniforms: uniforms([by % 2 ** 32, Math.floor(by / 2 ** 32) >>> 0]),
          workgroups: [1, 1, 1],
        },
      ],
    }),
  },
];
