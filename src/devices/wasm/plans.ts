/**
 * From a kernel call to something that runs: picks the variant, asks it for its plan, compiles the programs, and keeps
 * the result under (kernel, parameters, shapes, requested variant). Looking a plan up costs under a microsecond:
 * parameters are recognised by object identity first and by content second, shapes by a numeric hash.
 */
import type { Operand } from '../device.ts';
import type { DType } from '../dtype.ts';
import { DeviceError } from '../errors.ts';
import type { Cost, Kernel, Spec, WasmAdapterInfo, WasmPass } from '../kernel.ts';
import { sameShape } from '../shape.ts';
import { chooseVariant, type VariantChoices } from '../variants.ts';
import { roundToGranule } from './heap.ts';
import { MAX_ARGUMENTS, partsFor } from './pool.ts';
import type { LoadedEntry, Programs } from './programs.ts';

/** Where an argument of a pass comes from. */
export const SOURCE = { number: 0, input: 1, output: 2, scratch: 3 } as const;

export interface PlannedPass {
  readonly entry: LoadedEntry;
  readonly tasks: number;
  readonly parts: number;
  /** Per argument: its source, and its value or index; the first two are the task range. */
  readonly sources: readonly number[];
  readonly values: readonly number[];
  /** Bytes to add per thread, for scratch of each thread's own. */
  readonly strides: readonly number[] | undefined;
  /** See WasmPass. */
  readonly prepares: boolean;
  /** Filled in anew by each run. */
  readonly args: number[];
}

export interface Plan {
  readonly kernel: string;
  readonly variant: string;
  readonly inputs: readonly Spec[];
  readonly outputs: readonly Spec[];
  readonly passes: readonly PlannedPass[];
  /** Bytes of each scratch array, all threads together. */
  readonly scratch: readonly number[];
  readonly cost: Cost;
}

interface Entry {
  readonly requested: string | undefined;
  readonly plan: Plan;
}

/** Plans for one kernel and one set of parameters, by shapes. */
type PlansByShapes = Map<number, Entry[]>;

interface KernelPlans {
  readonly byParams: WeakMap<object, PlansByShapes>;
  readonly byContent: Map<string, PlansByShapes>;
}

const DTYPE_CODE: Record<DType, number> = { float32: 1, int32: 2, uint32: 3, uint8: 4 };

export class Plans {
  readonly #kernels = new WeakMap<object, KernelPlans>();
  readonly #programs: Programs;
  readonly #adapter: WasmAdapterInfo;
  readonly #choices: VariantChoices | undefined;

  constructor(programs: Programs, adapter: WasmAdapterInfo, choices: VariantChoices | undefined) {
    this.#choices = choices;
    this.#programs = programs;
    this.#adapter = adapter;
  }

  /** The plan for a call; made now if it is the first of its kind. Throws what `kernel.infer` throws, and DeviceError. */
  find<P>(kernel: Kernel<P>, inputs: readonly Operand[], params: P, requested: string | undefined): Plan {
    const byShapes = this.#plansFor(kernel, params);
    const hash = hashShapes(inputs);
    const entries = byShapes.get(hash);
    if (entries) {
      for (const entry of entries) {
        if (entry.requested === requested && matches(entry.plan.inputs, inputs)) return entry.plan;
      }
    }
    const specs = inputs.map(({ storage, shape }) => ({ shape: [...shape], dtype: storage.dtype }));
    const plan = this.#make(kernel, specs, params, requested);
    if (entries) entries.push({ requested, plan });
    else byShapes.set(hash, [{ requested, plan }]);
    return plan;
  }

  #plansFor(kernel: Kernel, params: unknown): PlansByShapes {
    let plans = this.#kernels.get(kernel);
    if (!plans) {
      plans = { byParams: new WeakMap(), byContent: new Map() };
      this.#kernels.set(kernel, plans);
    }
    const isObject = typeof params === 'object' && params !== null;
    if (isObject) {
      const known = plans.byParams.get(params);
      if (known) return known;
    }
    const content = contentKey(params);
    let byShapes = plans.byContent.get(content);
    if (!byShapes) {
      byShapes = new Map();
      plans.byContent.set(content, byShapes);
    }
    if (isObject) plans.byParams.set(params, byShapes);
    return byShapes;
  }

  #make<P>(kernel: Kernel<P>, specs: readonly Spec[], params: P, requested: string | undefined): Plan {
    const outputs = kernel.infer(specs, params);
    const cost = kernel.cost(specs, params);
    const base = { kernel: kernel.name, inputs: specs, outputs, cost };
    if (outputs.every(({ shape }) => shape.includes(0))) return { ...base, variant: 'empty', passes: [], scratch: [] };
    const variant = chooseVariant(kernel.name, kernel.wasm, specs, params, this.#adapter, requested, this.#choices);
    const { passes, scratch = [] } = variant.plan(specs, params, this.#adapter);
    const what = `kernel "${kernel.name}" (variant "${variant.name}")`;
    // Rounded, so that no two threads write to one cache line.
    const strides = scratch.map(({ bytes, perThread }) => (perThread ? roundToGranule(bytes) : 0));
    return {
      ...base,
      variant: variant.name,
      passes: passes.filter(({ tasks }) => tasks > 0).map(pass => this.#preparePass(pass, strides, what)),
      scratch: scratch.map(({ bytes, perThread }) =>
        perThread ? roundToGranule(bytes) * this.#adapter.threads : bytes,
      ),
    };
  }

  #preparePass(pass: WasmPass, scratchStrides: readonly number[], what: string): PlannedPass {
    const entry = this.#programs.entry(pass.program, pass.entry);
    if (entry.call.length !== pass.args.length + 2 || pass.args.length > MAX_ARGUMENTS) {
      throw new DeviceError(
        `wasm: ${what} passes a task range and ${pass.args.length} arguments (at most ${MAX_ARGUMENTS}) to ` +
          `"${pass.entry}" of program "${pass.program.key}", which takes ${entry.call.length} in all.`,
      );
    }
    const sources: number[] = [SOURCE.number, SOURCE.number];
    const values = [0, pass.tasks];
    const strides = [0, 0];
    for (const arg of pass.args) {
      sources.push(typeof arg === 'number' ? SOURCE.number : SOURCE[arg.kind]);
      values.push(typeof arg === 'number' ? arg : arg.index);
      strides.push(typeof arg !== 'number' && arg.kind === 'scratch' ? scratchStrides[arg.index] : 0);
    }
    return {
      entry,
      tasks: pass.tasks,
      parts: partsFor(pass.tasks, pass.grain ?? 1, this.#adapter.threads),
      sources,
      values,
      strides: strides.some(stride => stride !== 0) ? strides : undefined,
      prepares: pass.prepares ?? false,
      args: [...values],
    };
  }
}

function hashShapes(operands: readonly Operand[]): number {
  let hash = operands.length;
  for (let i = 0; i < operands.length; i++) {
    const { shape, storage } = operands[i];
    hash = (Math.imul(hash, 31) + DTYPE_CODE[storage.dtype] + 8 * shape.length) | 0;
    for (let axis = 0; axis < shape.length; axis++) hash = (Math.imul(hash, 31) + shape[axis]) | 0;
  }
  return hash;
}

function matches(specs: readonly Spec[], operands: readonly Operand[]): boolean {
  if (specs.length !== operands.length) return false;
  for (let i = 0; i < specs.length; i++) {
    const { storage, shape } = operands[i];
    if (specs[i].dtype !== storage.dtype || !sameShape(specs[i].shape, shape)) return false;
  }
  return true;
}

/** Parameters as a string, equal exactly when they are; unlike JSON it tells infinities, NaN and -0 apart. */
export function contentKey(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value === 'string') return `${value.length}"${value}"`;
  if (Array.isArray(value)) {
    let key = '[';
    for (const item of value) key += `${contentKey(item)},`;
    return `${key}]`;
  }
  if (typeof value === 'object' && value !== null) {
    let key = '{';
    for (const name of Object.keys(value).sort()) key += `${name}:${contentKey((value as any)[name])},`;
    return `${key}}`;
  }
  return String(value);
}
