/**
 * Every variant of every kernel, on every device, against the float64 reference: `runConformance` turns a family's cases
 * into tests. What a device may differ by is stated per case (`cases.ts`) and checked per element.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { allocateHost, type TypedArray } from '../../src/devices/dtype.ts';
import type { Kernel, Spec } from '../../src/devices/kernel.ts';
import { formatShape, sizeOf } from '../../src/devices/shape.ts';
import { release } from '../../src/devices/storage.ts';
import { KERNEL_FAMILIES } from '../../src/kernels/by-name.ts';
import { ALL_CONFIGURATIONS, openTestDevices } from '../support/devices.ts';
import type { ConformanceCase, Tolerance } from './cases.ts';

const EPSILON = 2 ** -24;

/** Registers the tests of one kernel family, a folder of src/kernels. Await it at the top level of a test file. */
export async function runConformance(family: string, cases: readonly ConformanceCase[]): Promise<void> {
  const kernels = KERNEL_FAMILIES.get(family) ?? [];
  test(`${family}: every kernel has a case`, () => {
    expect(kernels.length).toBeGreaterThan(0);
    expect(kernels.filter(kernel => !cases.some(one => one.kernel === kernel)).map(({ name }) => name)).toEqual([]);
  });
  const devices = await openTestDevices(ALL_CONFIGURATIONS);
  const expected = new Map<ConformanceCase, Expectation>();
  const expectation = (one: ConformanceCase): Expectation => {
    if (!expected.has(one)) expected.set(one, expect64(one));
    return expected.get(one)!;
  };
  for (const { name, device } of devices) {
    describe.skipIf(!device)(`${family} on ${name}`, () => {
      if (device) afterAll(() => device.destroy());
      test('every variant has a case', () => expect(variantsWithoutCase(kernels, cases, device!)).toEqual([]));
      for (const one of cases) {
        test(one.title, async () => {
          const variants = applicableVariants(one, device!);
          expect(variants.length, 'no variant applies').toBeGreaterThan(0);
          for (const variant of variants) await checkVariant(one, device!, variant, expectation(one));
        });
      }
    });
  }
}

/** Names of the variants that can run a case on a device. */
export function applicableVariants({ kernel, inputs, params }: ConformanceCase, device: Device): string[] {
  const specs = inputs.map(({ spec }) => spec);
  const { adapter } = device as Device & { adapter: any };
  return kernel[device.kind === 'webgpu' ? 'wgsl' : 'wasm']
    .filter(variant => variant.applies(specs, params, adapter))
    .map(({ name }) => name);
}

/**
 * Variants of a device that no case of their kernel can run. On a GPU those count that need subgroups, though this one may
 * have none.
 */
function variantsWithoutCase(kernels: readonly Kernel[], cases: readonly ConformanceCase[], device: Device): string[] {
  const { adapter } = device as Device & { adapter: any };
  const adapters = [adapter];
  if (device.kind === 'webgpu') {
    const features = new Set([...adapter.features, 'subgroups']);
    for (const subgroupSize of [8, 32]) adapters.push({ ...adapter, features, subgroupSize });
  }
  return kernels.flatMap(kernel =>
    kernel[device.kind === 'webgpu' ? 'wgsl' : 'wasm']
      .filter(
        variant =>
          !cases.some(
            ({ kernel: its, inputs, params }) =>
              its === kernel &&
              adapters.some(one =>
                variant.applies(
                  inputs.map(({ spec }) => spec),
                  params,
                  one,
                ),
              ),
          ),
      )
      .map(({ name }) => `${kernel.name}/${name}`),
  );
}

export interface Expectation {
  readonly specs: readonly Spec[];
  readonly outputs: readonly TypedArray[];
  /** The same kernel on absolute values: the size of what was summed. */
  magnitudes(): readonly TypedArray[];
}

/** Reference arrays hold float32 tensors in float64. */
function toReference(values: TypedArray, spec: Spec): TypedArray {
  return spec.dtype === 'float32' ? Float64Array.from(values) : (values.slice() as TypedArray);
}

/** What the float64 loops make of a case. */
export function expect64(one: ConformanceCase): Expectation {
  const { kernel, params, inputs, updates } = one;
  const inputSpecs = inputs.map(({ spec }) => spec);
  const specs = kernel.infer(inputSpecs, params);
  const compute = (absolute: boolean): TypedArray[] => {
    const outputs = specs.map((spec, i) => {
      const before = updates?.[i];
      if (before) return toReference(before, spec);
      return spec.dtype === 'float32'
        ? new Float64Array(sizeOf(spec.shape))
        : allocateHost(spec.dtype, sizeOf(spec.shape));
    });
    const values = inputs.map(({ spec, values }) => {
      const array = toReference(values, spec);
      return absolute && spec.dtype === 'float32' ? (array.map(Math.abs) as TypedArray) : array;
    });
    kernel.reference(values, outputs, inputSpecs, params);
    return outputs;
  };
  let magnitudes: TypedArray[] | undefined;
  return { specs, outputs: compute(false), magnitudes: () => (magnitudes ??= compute(true)) };
}

/** Runs one variant; gives the outputs, of shapes and types `specs`. */
export async function runVariant(
  one: ConformanceCase,
  device: Device,
  variant: string,
  specs: readonly Spec[],
): Promise<TypedArray[]> {
  const inputs = one.inputs.map(({ spec, values }) => {
    const storage = device.allocate(values.length, spec.dtype);
    device.write(storage, values);
    return { storage, shape: spec.shape };
  });
  const outputs = specs.map(({ shape, dtype }, i) => {
    const storage = device.allocate(sizeOf(shape), dtype);
    // A kernel must write every element: what it leaves alone shows up as this pattern.
    device.write(storage, one.updates?.[i] ?? allocateHost(dtype, storage.length).fill(77));
    return { storage, shape };
  });
  device.run(one.kernel, inputs, outputs, one.params, { variant });
  const values = await Promise.all(outputs.map(({ storage }) => device.read(storage)));
  for (const { storage } of [...inputs, ...outputs]) release(storage);
  return values;
}

/** Runs one variant and compares every element of every output. */
export async function checkVariant(
  one: ConformanceCase,
  device: Device,
  variant: string,
  expected: Expectation,
): Promise<void> {
  const outputs = await runVariant(one, device, variant, expected.specs);
  const tolerances = typeof one.tolerance === 'function' ? one.tolerance(variant) : one.tolerance;
  for (const [i, actual] of outputs.entries()) {
    const tolerance = Array.isArray(tolerances) ? tolerances[i] : (tolerances as Tolerance);
    const magnitude = tolerance.kind === 'contraction' ? expected.magnitudes()[i] : undefined;
    const failure = firstDifference(actual, expected.outputs[i], tolerance, magnitude);
    if (failure) {
      const { shape, dtype } = expected.specs[i];
      expect.fail(`${one.kernel.name}/${variant}, output ${i} ${formatShape(shape)} ${dtype}: ${failure}`);
    }
  }
}

/** Describes the worst element outside its bound, or undefined when all are within. */
export function firstDifference(
  actual: TypedArray,
  expected: TypedArray,
  tolerance: Tolerance,
  magnitude?: TypedArray,
): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} elements instead of ${expected.length}`;
  let worst = 0;
  let message: string | undefined;
  for (let i = 0; i < expected.length; i++) {
    const wanted = expected[i];
    const rounded = expected instanceof Float64Array ? Math.fround(wanted) : wanted;
    const got = actual[i];
    if (got === rounded || (Number.isNaN(got) && Number.isNaN(wanted))) continue;
    const bound =
      tolerance.kind === 'exact'
        ? 0
        : tolerance.kind === 'contraction'
          ? tolerance.c * EPSILON * Math.sqrt(Math.max(1, tolerance.terms)) * Math.abs(magnitude![i]) + 1e-38
          : tolerance.absolute + tolerance.relative * Math.abs(wanted);
    const excess = Math.abs(got - wanted) / bound;
    if (excess <= 1) continue;
    if (!message || excess > worst) {
      worst = excess;
      message = `element ${i} is ${got}, expected ${wanted} (${bound === 0 ? 'must be equal' : `${excess.toPrecision(3)} times its bound ${bound.toExponential(2)}`})`;
    }
  }
  return message;
}
