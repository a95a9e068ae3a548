/**
 * Tiny kernels for the WebGPU device's tests: each exercises one thing a plan can ask for (uniforms, updates in place,
 * scratch between passes, bytes, a broken source). Only their WGSL runs here; the numbers are checked in closed form.
 */
import type { Kernel, Spec, WgslPlan } from '../../src/devices/kernel.ts';
import { input, output, scratch } from '../../src/devices/kernel.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { linearGrid, linearIndex } from '../../src/devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../src/devices/webgpu/uniforms.ts';

const sameAsFirst = (inputs: readonly Spec[]): Spec[] => [inputs[0]];
const perElement = (inputs: readonly Spec[]) => {
  const size = sizeOf(inputs[0].shape);
  return { flops: 2 * size, bytes: 8 * size };
};

function kernelOf<P>(
  name: string,
  plans: Record<string, (specs: readonly Spec[], params: P) => WgslPlan>,
  rest: Partial<Kernel<P>> = {},
): Kernel<P> {
  return {
    name,
    infer: sameAsFirst,
    cost: perElement,
    reference: () => {
      throw new Error(`${name} is for the WebGPU device only`);
    },
    wasm: [],
    wgsl: Object.entries(plans).map(([variant, plan]) => ({ name: variant, applies: () => true, plan })),
    ...rest,
  };
}

const ENTRY = /* wgsl */ `@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(64)}`;

export interface AffineParams {
  readonly scale: number;
  readonly shift: number;
}

/** y = scale x + shift, scale and shift in a uniform block. */
export const affine = kernelOf<AffineParams>('affine', {
  plain: ([{ shape }], { scale, shift }) => ({
    passes: [
      {
        source: /* wgsl */ `
struct Params { count: u32, scale: f32, shift: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
${ENTRY}
  if (i >= params.count) { return; }
  y[i] = fma(params.scale, x[i], params.shift);
}`,
        bindings: [input(0), output(0)],
        uniforms: uniforms([sizeOf(shape), f32Bits(scale), f32Bits(shift)]),
        workgroups: linearGrid(sizeOf(shape), 64),
      },
    ],
  }),
});

/** state += x in place. */
export const accumulate = kernelOf<null>(
  'accumulate',
  {
    plain: ([{ shape }]) => ({
      passes: [
        {
          source: /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
${ENTRY}
  if (i >= ${sizeOf(shape)}u) { return; }
  state[i] += x[i];
}`,
          bindings: [input(0), output(0)],
          workgroups: linearGrid(sizeOf(shape), 64),
        },
      ],
    }),
  },
  { updates: [0] },
);

/** y = (x + 1)^2, the sum in a scratch array between two passes. */
export const throughScratch = kernelOf<null>('throughScratch', {
  plain: ([{ shape, dtype }]) => ({
    scratch: [{ shape, dtype }],
    passes: [
      {
        source: /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> between: array<f32>;
${ENTRY}
  if (i < ${sizeOf(shape)}u) { between[i] = x[i] + 1; }
}`,
        bindings: [input(0), scratch(0)],
        workgroups: linearGrid(sizeOf(shape), 64),
      },
      {
        source: /* wgsl */ `
@group(0) @binding(0) var<storage, read> between: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
${ENTRY}
  if (i < ${sizeOf(shape)}u) { y[i] = between[i] * between[i]; }
}`,
        bindings: [scratch(0), output(0)],
        workgroups: linearGrid(sizeOf(shape), 64),
      },
    ],
  }),
});

/** Spends time: `rounds` dependent multiply-adds per element that leave x as it is. */
export const spin = kernelOf<{ rounds: number }>('spin', {
  plain: ([{ shape }], { rounds }) => ({
    passes: [
      {
        source: /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> rounds: u32;
${ENTRY}
  if (i >= ${sizeOf(shape)}u) { return; }
  var sum = 0.0;
  for (var round = 0u; round < rounds; round++) { sum = fma(sum, 0.5, 1.0); }
  y[i] = select(x[i], 0.0, sum < 0);
}`,
        bindings: [input(0), output(0)],
        uniforms: uniforms([rounds]),
        workgroups: linearGrid(sizeOf(shape), 64),
      },
    ],
  }),
});

/** Does not compile: line 4 adds a vector to a number of another type. */
export const broken = kernelOf<null>('broken', {
  typo: ([{ shape }]) => ({
    passes: [
      {
        source: /* wgsl */ `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  y[id.x] = x[id.x] + id.x;
}`,
        bindings: [input(0), output(0)],
        workgroups: linearGrid(sizeOf(shape), 64),
      },
    ],
  }),
});

/** Its struct is larger than its uniform block, which WebGPU finds out only when the dispatch is encoded. */
export const shortUniforms = kernelOf<null>('shortUniforms', {
  invalid: ([{ shape }]) => ({
    passes: [
      {
        source: /* wgsl */ `
struct Params { many: array<vec4u, 8> }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  y[id.x] = x[id.x] + f32(params.many[7].x);
}`,
        bindings: [input(0), output(0)],
        uniforms: uniforms([1]),
        workgroups: linearGrid(sizeOf(shape), 64),
      },
    ],
  }),
});

/** Sums the bytes of an image: uint8 storage is an array of words in WGSL. */
export const byteSum = kernelOf<null>(
  'byteSum',
  {
    plain: ([{ shape }]) => ({
      passes: [
        {
          source: /* wgsl */ `
@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> total: array<u32>;
@compute @workgroup_size(1) fn main() {
  var sum = 0u;
  for (var i = 0u; i < ${sizeOf(shape)}u; i++) { sum += (words[i / 4] >> (8 * (i % 4))) & 255u; }
  total[0] = sum;
}`,
          bindings: [input(0), output(0)],
          workgroups: [1, 1, 1],
        },
      ],
    }),
  },
  { infer: () => [{ shape: [], dtype: 'uint32' }] },
);
