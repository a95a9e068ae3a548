/**
 * Plans made ready to run: a kernel's variant is chosen and planned once for given shapes and parameters, its pipelines
 * fetched, its uniform blocks interned and its grids checked. The key is text made of shapes, element types and
 * parameters (about a microsecond), never object identity, so parameters written inline at every call hit as well.
 */
import type { Operand } from '../device.ts';
import { bytesPerElement } from '../dtype.ts';
import { DeviceError, ShapeError } from '../errors.ts';
import type { Kernel, Slot, Spec, WebGpuAdapterInfo, WgslPass } from '../kernel.ts';
import { formatShape, sameShape, sizeOf } from '../shape.ts';
import { chooseVariant, type VariantChoices } from '../variants.ts';
import { paddedBytes } from './buffers.ts';
import type { Pipeline, PipelineCache } from './pipelines.ts';
import type { UniformArena, UniformSlot } from './uniform-arena.ts';

export interface PreparedPass {
  readonly id: number;
  readonly plan: PreparedPlan;
  /** Position among the plan's passes. */
  readonly index: number;
  readonly pipeline: Pipeline;
  readonly bindings: readonly Slot[];
  readonly uniform: UniformSlot | undefined;
  readonly workgroups: readonly [number, number, number];
}

export interface PreparedPlan {
  readonly kernel: Kernel;
  readonly variant: string;
  readonly params: unknown;
  readonly inputs: readonly Spec[];
  readonly outputs: readonly Spec[];
  readonly passes: readonly PreparedPass[];
  /** Bytes of each scratch array. */
  readonly scratch: readonly number[];
}

/** `conv2d/direct (float32 [1, 28, 28, 1], float32 [3, 3, 1, 8])`, for messages. */
export function describePlan(plan: Pick<PreparedPlan, 'kernel' | 'variant' | 'inputs'>): string {
  const inputs = plan.inputs.map(({ dtype, shape }) => `${dtype} ${formatShape(shape)}`);
  return `${plan.kernel.name}/${plan.variant} (${inputs.join(', ')})`;
}

/** Text that is equal for equal parameters; unlike JSON it tells NaN, infinities and -0 apart. */
export function parametersKey(value: unknown): string {
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : `${typeof value}${value}`;
  let key = Array.isArray(value) ? '[' : '{';
  for (const name in value) key += `${name}:${parametersKey((value as Record<string, unknown>)[name])},`;
  return key;
}

function operandsKey(operands: readonly Operand[]): string {
  let key = '';
  for (const { storage, shape } of operands) key += `${storage.dtype}:${shape.join()};`;
  return key;
}

let nextPassId = 0;

export class PlanCache {
  readonly #adapter: WebGpuAdapterInfo;
  readonly #pipelines: PipelineCache;
  readonly #uniforms: UniformArena;
  readonly #choices: VariantChoices | undefined;
  readonly #plans = new Map<Kernel, Map<string, PreparedPlan>>();

  constructor(
    adapter: WebGpuAdapterInfo,
    pipelines: PipelineCache,
    uniforms: UniformArena,
    choices: VariantChoices | undefined,
  ) {
    this.#choices = choices;
    this.#adapter = adapter;
    this.#pipelines = pipelines;
    this.#uniforms = uniforms;
  }

  /** The prepared plan of a call. Throws what `infer` throws, and DeviceError where a plan cannot run. */
  get(
    kernel: Kernel,
    inputs: readonly Operand[],
    outputs: readonly Operand[],
    params: unknown,
    variant: string | undefined,
  ): PreparedPlan {
    let plans = this.#plans.get(kernel);
    if (!plans) this.#plans.set(kernel, (plans = new Map()));
    const key = `${variant ?? ''}|${operandsKey(inputs)}|${operandsKey(outputs)}|${parametersKey(params)}`;
    let plan = plans.get(key);
    if (!plan) {
      plan = this.#prepare(kernel, specsOf(inputs), specsOf(outputs), params, variant);
      plans.set(key, plan);
    }
    return plan;
  }

  #prepare(
    kernel: Kernel,
    inputs: readonly Spec[],
    outputs: readonly Spec[],
    params: unknown,
    wanted: string | undefined,
  ): PreparedPlan {
    checkOutputs(kernel, kernel.infer(inputs, params), outputs);
    const passes: PreparedPass[] = [];
    if (outputs.every(({ shape }) => sizeOf(shape) === 0)) {
      return { kernel, variant: wanted ?? 'none', params, inputs, outputs, passes, scratch: [] };
    }
    const variant = chooseVariant(kernel.name, kernel.wgsl, inputs, params, this.#adapter, wanted, this.#choices);
    const planned = variant.plan(inputs, params, this.#adapter);
    const scratch = (planned.scratch ?? []).map(({ dtype, shape }) => sizeOf(shape) * bytesPerElement(dtype));
    const plan: PreparedPlan = { kernel, variant: variant.name, params, inputs, outputs, passes, scratch };
    planned.passes.forEach((pass, index) => {
      passes.push(this.#preparePass(plan, pass, index));
    });
    return plan;
  }

  #preparePass(plan: PreparedPlan, pass: WgslPass, index: number): PreparedPass {
    const what = `${describePlan(plan)} pass ${index}`;
    const pipeline = this.#pipelines.get(pass.source, what);
    checkBindings(what, pass, pipeline, plan);
    const { maxComputeWorkgroupsPerDimension, maxStorageBufferBindingSize } = this.#adapter;
    for (const count of pass.workgroups) {
      if (!Number.isInteger(count) || count < 0 || count > maxComputeWorkgroupsPerDimension) {
        throw new DeviceError(
          `${what}: the grid of ${formatShape(pass.workgroups)} workgroups has a size outside 0..${maxComputeWorkgroupsPerDimension}.`,
        );
      }
    }
    for (const slot of pass.bindings) {
      const bytes = slotBytes(plan, slot);
      if (bytes > maxStorageBufferBindingSize) {
        throw new DeviceError(
          `${what}: ${slot.kind} ${slot.index} takes ${bytes} bytes, but this adapter binds at most ` +
            `${maxStorageBufferBindingSize}; use a smaller batch.`,
        );
      }
    }
    return {
      id: nextPassId++,
      plan,
      index,
      pipeline,
      bindings: pass.bindings,
      uniform: pass.uniforms && this.#uniforms.intern(pass.uniforms),
      workgroups: pass.workgroups,
    };
  }
}

/** Bytes that are bound for a slot. */
function slotBytes(plan: PreparedPlan, slot: Slot): number {
  if (slot.kind === 'scratch') return paddedBytes(plan.scratch[slot.index]);
  const { dtype, shape } = (slot.kind === 'input' ? plan.inputs : plan.outputs)[slot.index];
  return paddedBytes(sizeOf(shape) * bytesPerElement(dtype));
}

function specsOf(operands: readonly Operand[]): Spec[] {
  return operands.map(({ storage, shape }) => {
    if (sizeOf(shape) !== storage.length) {
      throw new ShapeError(`A storage of ${storage.length} elements cannot be seen as ${formatShape(shape)}.`);
    }
    return { shape: [...shape], dtype: storage.dtype };
  });
}

function checkOutputs(kernel: Kernel, expected: readonly Spec[], actual: readonly Spec[]): void {
  const text = (specs: readonly Spec[]) => specs.map(({ dtype, shape }) => `${dtype} ${formatShape(shape)}`).join(', ');
  const fits =
    expected.length === actual.length &&
    expected.every(({ shape, dtype }, i) => dtype === actual[i].dtype && sameShape(shape, actual[i].shape));
  if (!fits) {
    throw new ShapeError(`${kernel.name}: the outputs are ${text(actual)} but must be ${text(expected)}.`);
  }
}

const MAX_STORAGE_BINDINGS = 8;

function checkBindings(what: string, pass: WgslPass, { kinds }: Pipeline, plan: PreparedPlan): void {
  const { bindings } = pass;
  const counts = { input: plan.inputs.length, output: plan.outputs.length, scratch: plan.scratch.length };
  if (bindings.length > MAX_STORAGE_BINDINGS) {
    throw new DeviceError(
      `${what}: the pass binds ${bindings.length} storage buffers, but some devices allow no more than ${MAX_STORAGE_BINDINGS}.`,
    );
  }
  if (kinds.length !== bindings.length + (pass.uniforms ? 1 : 0)) {
    throw new DeviceError(
      `${what}: the source declares ${kinds.length} bindings, the plan has ${bindings.length} arrays` +
        `${pass.uniforms ? ' and a uniform block' : ''}.`,
    );
  }
  bindings.forEach(({ kind, index }, i) => {
    if (index >= counts[kind])
      throw new DeviceError(`${what}: binding ${i} is ${kind} ${index}, which does not exist.`);
    if (kinds[i] === 'uniform' || (kind === 'input' && kinds[i] !== 'read')) {
      throw new DeviceError(`${what}: binding ${i} is ${kind} ${index} but the source declares it ${kinds[i]}.`);
    }
  });
  if (pass.uniforms && kinds[bindings.length] !== 'uniform') {
    throw new DeviceError(`${what}: binding ${bindings.length} must be the uniform block.`);
  }
}
