/**
 * The auto-tuner: which variant of each kernel is fastest for the shapes that a model's training step has, on this device.
 * A wrong kernel can be very fast, so every candidate is checked before it is timed: against the float64 loops where they
 * take no more than seconds, otherwise against the last variant, which applies to everything and which the conformance
 * suite holds to those loops.
 */
import type { Device, Operand } from '../devices/device.ts';
import type { Kernel, Spec } from '../devices/kernel.ts';
import { formatShape, sizeOf } from '../devices/shape.ts';
import { release } from '../devices/storage.ts';
import { choiceKey, chooseVariant, suits } from '../devices/variants.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { buildModel, type ModelSpec, SGD } from '../nn/index.ts';
import { tensor } from '../tensor/creation.ts';
import { dispose } from '../tensor/lifetime.ts';
import { TrainingStep } from './step.ts';

/** A kernel call of a training step. */
export interface KernelCall {
  readonly kernel: Kernel;
  readonly specs: readonly Spec[];
  readonly params: unknown;
  /** How often a step makes it. */
  calls: number;
}

export interface Candidate {
  readonly variant: string;
  readonly milliseconds?: number;
  /** Why it is out: what it computed instead. */
  readonly wrong?: string;
}

export interface TunedCall extends KernelCall {
  readonly key: string;
  /** What would be taken without measuring. */
  readonly untuned: string;
  readonly candidates: readonly Candidate[];
  /** The fastest right one, if it beats the untuned choice by enough to matter. */
  readonly chosen: string;
}

export interface TunerOptions {
  /** Milliseconds that `work` takes, the device's completion included. Default: the wall clock. */
  readonly measure?: (work: () => Promise<void>) => Promise<number>;
  /** Timed runs of each candidate. Default 5. */
  readonly repeats?: number;
  readonly onTuned?: (call: TunedCall) => void;
}

/** Work that the float64 loops finish in some seconds. */
const REFERENCE_FLOPS = 2e9;
/** Largest difference as a share of the largest value: Winograd in float32 stays below a hundredth of it. */
const AGREEMENT = 2e-3;
/** Another choice than the untuned one must be this much faster: the rest is noise. */
const WORTHWHILE = 1.05;

type Adapter = { readonly adapter: any };
const variantsOf = (kernel: Kernel, device: Device) => (device.kind === 'webgpu' ? kernel.wgsl : kernel.wasm);

/** The kernel calls of a training step, each kind once. */
export async function trainingCalls(spec: ModelSpec, batchSize: number, device: Device): Promise<KernelCall[]> {
  const found = new Map<string, KernelCall>();
  const model = buildModel(spec).initialize({ device, seed: 0 });
  const optimizer = new SGD(model, { learningRate: 0, momentum: 0.9, nesterov: true });
  const step = new TrainingStep(model, optimizer, { smoothing: 0.1 });
  const images = tensor(new Float32Array(batchSize * 784), [batchSize, 28, 28, 1], { device });
  const labels = tensor(new Int32Array(batchSize), [batchSize], { device });
  const run = device.run;
  device.run = function noted(kernel, inputs, outputs, params, options) {
    const specs = inputs.map(({ storage, shape }) => ({ shape: [...shape], dtype: storage.dtype }));
    const key = choiceKey(kernel.name, specs, params);
    const known = found.get(key);
    if (known) known.calls++;
    else found.set(key, { kernel: kernel as Kernel, specs, params, calls: 1 });
    run.call(device, kernel as Kernel, inputs, outputs, params, options);
  };
  try {
    const { loss, hits } = step.enqueue({ images, labels });
    dispose(loss, hits);
    optimizer.prepare();
    step.update();
    await device.sync();
  } finally {
    delete (device as Partial<Device>).run; // the class's own comes back
    dispose(images, labels);
    for (const each of [step, optimizer, model]) each.dispose();
  }
  return [...found.values()];
}

/** Calls that there is something to choose for: several variants apply, and the inputs are plain numbers. */
export function tunable(calls: readonly KernelCall[], device: Device): KernelCall[] {
  const { adapter } = device as Device & Adapter;
  return calls.filter(({ kernel, specs, params }) => {
    const applying = variantsOf(kernel, device).filter(
      variant => suits(variant, adapter) && variant.applies(specs, params, adapter),
    );
    return applying.length > 1 && specs.every(({ dtype }) => dtype === 'float32') && !kernel.updates;
  });
}

/** Checks and times every variant for each of the calls. The device has been opened without choices of its own. */
export async function tuneKernels(
  device: Device,
  calls: readonly KernelCall[],
  { measure = wallClock, repeats = 5, onTuned }: TunerOptions = {},
): Promise<TunedCall[]> {
  const tuned: TunedCall[] = [];
  for (const call of tunable(calls, device)) {
    const result = await tuneCall(device, call, measure, repeats);
    tuned.push(result);
    onTuned?.(result);
  }
  return tuned;
}

async function tuneCall(
  device: Device,
  call: KernelCall,
  measure: (work: () => Promise<void>) => Promise<number>,
  repeats: number,
): Promise<TunedCall> {
  const { kernel, specs, params } = call;
  const { adapter } = device as Device & Adapter;
  const variants = variantsOf(kernel, device);
  const applying = variants
    .filter(variant => suits(variant, adapter) && variant.applies(specs, params, adapter))
    .map(({ name }) => name);
  const untuned = chooseVariant<any, any>(kernel.name, variants, specs, params, adapter).name as string;
  const outputSpecs = kernel.infer(specs, params);
  const place = (spec: Spec): Operand => ({
    storage: device.allocate(sizeOf(spec.shape), spec.dtype),
    shape: spec.shape,
  });
  const inputs = specs.map(place);
  const outputs = outputSpecs.map(place);
  const values = specs.map((spec, i) => randomValues(sizeOf(spec.shape), `${kernel.name} ${i}`));
  inputs.forEach(({ storage }, i) => {
    device.write(storage, values[i]);
  });
  const run = async (variant: string): Promise<void> => {
    device.run(kernel, inputs, outputs, params, { variant });
    await device.sync();
  };
  const results = async (): Promise<ArrayLike<number>[]> => {
    const all: ArrayLike<number>[] = [];
    for (const { storage } of outputs) all.push(await device.read(storage));
    return all;
  };
  try {
    const expected = await expectedOutputs(call, outputSpecs, values, async () => {
      await run(applying.at(-1)!);
      return results();
    });
    const wrong = new Map<string, string>();
    for (const variant of applying) {
      const why = await faultOf(expected, async () => {
        for (const { storage } of outputs) {
          if (storage.dtype === 'float32') device.write(storage, new Float32Array(storage.length).fill(Number.NaN));
        }
        await run(variant);
        return results();
      });
      if (why !== undefined) wrong.set(variant, why);
    }
    const right = applying.filter(variant => !wrong.has(variant));
    const times = await timesOf(right, repeats, variant => measure(() => run(variant)));
    return {
      ...call,
      key: choiceKey(kernel.name, specs, params),
      untuned,
      chosen: fastestOf(right, times, untuned),
      candidates: applying.map(variant => ({
        variant,
        ...(wrong.has(variant) ? { wrong: wrong.get(variant)! } : { milliseconds: times.get(variant)! }),
      })),
    };
  } finally {
    for (const { storage } of [...inputs, ...outputs]) release(storage);
  }
}

/** What a call should give: by the float64 loops where they take no more than seconds, otherwise by the last variant. */
async function expectedOutputs(
  { kernel, specs, params }: KernelCall,
  outputSpecs: readonly Spec[],
  values: readonly Float32Array[],
  byLastVariant: () => Promise<ArrayLike<number>[]>,
): Promise<ArrayLike<number>[]> {
  if (kernel.cost(specs, params).flops > REFERENCE_FLOPS) return byLastVariant();
  const expected = outputSpecs.map(({ shape }) => new Float64Array(sizeOf(shape)));
  const exact = values.map(array => Float64Array.from(array));
  kernel.reference(exact, expected, specs, params);
  return expected;
}

/** What is wrong with what a variant computes; a strategy that fails to compile is out, and the others go on. */
async function faultOf(
  expected: readonly ArrayLike<number>[],
  compute: () => Promise<ArrayLike<number>[]>,
): Promise<string | undefined> {
  try {
    const difference = largestDifference(await compute(), expected);
    const isWrong = difference > AGREEMENT || Number.isNaN(difference);
    return isWrong ? `differs by ${difference.toExponential(1)} of the largest value` : undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The least time of each variant; measured in turns, so that a neighbour who gets busy hits all. */
async function timesOf(
  variants: readonly string[],
  repeats: number,
  measure: (variant: string) => Promise<number>,
): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for (let round = 0; round < repeats; round++) {
    for (const variant of variants) {
      times.set(variant, Math.min(await measure(variant), times.get(variant) ?? Number.POSITIVE_INFINITY));
    }
  }
  return times;
}

/** The fastest variant where it beats the untuned choice by enough to matter. */
function fastestOf(right: readonly string[], times: ReadonlyMap<string, number>, untuned: string): string {
  const fastest = right.reduce((best, one) => (times.get(one)! < times.get(best)! ? one : best), right[0] ?? untuned);
  const gain = (times.get(untuned) ?? Number.POSITIVE_INFINITY) / (times.get(fastest) ?? 1);
  return gain >= WORTHWHILE ? fastest : untuned;
}

async function wallClock(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Away from zero on average nowhere, and positive where a variance is taken: uniform in [-0.5, 0.5). */
function randomValues(length: number, name: string): Float32Array {
  const random = new PhiloxStream(0, streamNamed(name));
  return Float32Array.from({ length }, () => random.uniform() - 0.5);
}

/** As a share of the largest expected value of each output. */
function largestDifference(actual: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]): number {
  let worst = 0;
  expected.forEach((values, output) => {
    let [largest, difference] = [1e-30, 0];
    for (let i = 0; i < values.length; i++) {
      largest = Math.max(largest, Math.abs(values[i]));
      const off = Math.abs(actual[output][i] - values[i]);
      if (!(off <= difference)) difference = off;
    }
    if (!(difference / largest <= worst)) worst = difference / largest;
  });
  return worst;
}

/** `conv2d [128, 28, 28, 32] [3, 3, 32, 64]`, for people. */
export const describeCall = ({ kernel, specs }: KernelCall): string =>
  `${kernel.name} ${specs.map(({ shape }) => formatShape(shape)).join(' ')}`;
