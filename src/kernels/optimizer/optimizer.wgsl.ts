/**
 * Optimizer steps in WGSL. They are limited by memory, so where the length is a multiple of four an invocation takes one
 * vector, otherwise one number. The formulas are written once, for the type `T` (f32 or vec4f).
 */
import { input, output, type Slot, type Spec, type WgslVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import { type AdamParams, CLIP_UNIT, type ClipParams, type EmaParams, type SgdParams } from './optimizer.ts';

const WORKGROUP = 64;

interface Form {
  /** Arrays of the full length that are read, and that are changed in place, in the order of inputs and outputs. */
  readonly reads: readonly string[];
  readonly updates: readonly string[];
  /** The small input array: all its numbers are scalars for the whole step. */
  readonly scalars: string;
  /** Names of the f32 members of the uniform block. */
  readonly constants: readonly string[];
  /** What the scalars are combined to, and the step of element i. */
  readonly before: string;
  readonly each: string;
}

function source(form: Form, vectors: boolean): string {
  const names = [...form.reads, form.scalars, ...form.updates];
  const bindings = names.map((name, binding) => {
    const access = form.updates.includes(name) ? 'read_write' : 'read';
    const type = name === form.scalars ? 'f32' : 'T';
    return `@group(0) @binding(${binding}) var<storage, ${access}> ${name}: array<${type}>;`;
  });
  return /* wgsl */ `
alias T = ${vectors ? 'vec4f' : 'f32'};
struct Params { count: u32, ${form.constants.map(name => `${name}: f32`).join(', ')} }
${bindings.join('\n')}
@group(0) @binding(${names.length}) var<uniform> params: Params;

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.count) { return; }
  ${form.before}
  ${form.each}
}
`;
}

/** The passes of a step over `length` elements. */
function plan(form: Form, vectors: boolean, length: number, constants: readonly number[], maxPerDimension: number) {
  const reads = form.reads.map((_, index) => input(index));
  const bindings: Slot[] = [...reads, input(reads.length), ...form.updates.map((_, index) => output(index))];
  const count = vectors ? length / 4 : length;
  return {
    passes: [
      {
        source: source(form, vectors),
        bindings,
        uniforms: uniforms([count, ...constants.map(f32Bits)]),
        workgroups: linearGrid(count, WORKGROUP, maxPerDimension),
      },
    ],
  };
}

function variants<P>(
  lengthOf: (specs: readonly Spec[], params: P) => number,
  formOf: (params: P) => Form,
  constantsOf: (params: P) => readonly number[],
): WgslVariant<P>[] {
  const variant = (name: string, vectors: boolean): WgslVariant<P> => ({
    name,
    applies: (specs, params) => !vectors || lengthOf(specs, params) % 4 === 0,
    plan: (specs, params, { maxComputeWorkgroupsPerDimension }) =>
      plan(formOf(params), vectors, lengthOf(specs, params), constantsOf(params), maxComputeWorkgroupsPerDimension),
  });
  return [variant('vec4', true), variant('any', false)];
}

const ofFirstInput = ([first]: readonly Spec[]): number => sizeOf(first.shape);

function sgdForm({ momentum, nesterov }: SgdParams): Form {
  const direction = nesterov ? 'g + params.momentum * v' : 'v';
  return {
    reads: ['gradient'],
    scalars: 'hyper',
    updates: momentum === 0 ? ['parameter'] : ['parameter', 'velocity'],
    constants: ['momentum', 'weightDecay'],
    before: 'let learningRate = hyper[0];',
    each:
      momentum === 0
        ? /* wgsl */ `
    let p = parameter[i];
    parameter[i] = p - learningRate * (gradient[i] + params.weightDecay * p);`
        : /* wgsl */ `
    let p = parameter[i];
    let g = gradient[i] + params.weightDecay * p;
    let v = params.momentum * velocity[i] + g;
    velocity[i] = v;
    parameter[i] = p - learningRate * (${direction});`,
  };
}

export const sgdStepWgsl: readonly WgslVariant<SgdParams>[] = variants(
  ofFirstInput,
  sgdForm,
  ({ momentum, weightDecay }) => [momentum, weightDecay],
);

const adamForm: Form = {
  reads: ['gradient'],
  scalars: 'hyper',
  updates: ['parameter', 'mean', 'square'],
  constants: ['beta1', 'rest1', 'beta2', 'rest2', 'epsilon', 'penalty', 'shrinkage'],
  before: /* wgsl */ `
  let rate = hyper[0] / hyper[1];
  let rootScale = 1.0 / sqrt(hyper[2]);
  let shrinkage = hyper[0] * params.shrinkage;`,
  each: /* wgsl */ `
    let p = parameter[i];
    let g = gradient[i] + params.penalty * p;
    let m = params.beta1 * mean[i] + params.rest1 * g;
    let v = params.beta2 * square[i] + params.rest2 * (g * g);
    mean[i] = m;
    square[i] = v;
    parameter[i] = p - shrinkage * p - rate * m / (sqrt(v) * rootScale + params.epsilon);`,
};

export const adamStepWgsl: readonly WgslVariant<AdamParams>[] = variants(
  ofFirstInput,
  () => adamForm,
  ({ beta1, beta2, epsilon, weightDecay, decoupled }) => [
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    epsilon,
    decoupled ? 0 : weightDecay,
    decoupled ? weightDecay : 0,
  ],
);

const emaForm: Form = {
  reads: ['parameter'],
  scalars: 'hyper',
  updates: ['average'],
  constants: [],
  before: /* wgsl */ `
  let rest = hyper[0];
  let decay = hyper[1];`,
  each: /* wgsl */ `
    let p = parameter[i];
    let old = average[i];
    average[i] = select(p - decay * (p - old), old + rest * (p - old), rest < 0.5);`,
};

export const emaStepWgsl: readonly WgslVariant<EmaParams>[] = variants(
  ofFirstInput,
  () => emaForm,
  () => [],
);

const clipForm: Form = {
  reads: [],
  scalars: 'sums',
  updates: ['gradient'],
  constants: ['maxNorm', 'maxScaled'],
  // A quiet NaN made of the sum's own bits where its exponent says infinity or NaN: comparisons may be folded away.
  before: /* wgsl */ `
  var scale = min(1.0, params.maxNorm / (sqrt(sums[0]) + 1e-6));
  var unit = 1.0;
  var bits = bitcast<u32>(sums[0]);
  if (bits == 0x7f800000u) {
    bits = bitcast<u32>(sums[1]);
    let root = sqrt(sums[1]);
    scale = 1.0;
    if (root > params.maxScaled) {
      scale = params.maxNorm / root;
      unit = ${CLIP_UNIT};
    }
  }
  if ((bits & 0x7f800000u) == 0x7f800000u) { scale = bitcast<f32>(bits | 0x7fc00000u); }`,
  each: 'gradient[i] = gradient[i] * unit * scale;',
};

export const clipByGlobalNormWgsl: readonly WgslVariant<ClipParams>[] = variants(
  (_, { shape }) => sizeOf(shape),
  () => clipForm,
  ({ maxNorm }) => [maxNorm, maxNorm * CLIP_UNIT],
);
