/**
 * No sum is forgotten: every kernel has a form for devices of highest precision on wasm and on webgpu, which every call takes
 * that adds floats up, or stands here with the reason why there is none.
 */
import { describe, expect, test } from 'vitest';
import { OP_NAMES, rowOf } from '../../src/autograd/ops/rows.ts';
import type { Kernel, WasmAdapterInfo, WebGpuAdapterInfo } from '../../src/devices/kernel.ts';
import { chooseVariant } from '../../src/devices/variants.ts';
import { KERNEL_FAMILIES, KERNELS } from '../../src/kernels/by-name.ts';
import type { ConformanceCase } from '../conformance/cases.ts';

/** Kernels without such a form. */
const WITHOUT: Readonly<Record<string, string>> = {
  ...reason('moves elements', [
    ...['broadcastTo', 'cast', 'concat', 'fill', 'gather', 'gatherImages', 'gatherLabels', 'oneHot', 'pad'],
    ...['scatterSlice', 'slice', 'transpose', 'where'],
  ]),
  ...reason('each element is a function of the elements at its place', [
    ...['accumulate', 'affine', 'binary', 'clamp', 'unary', 'unaryGradient', 'rescale'],
    ...['adamStep', 'clipByGlobalNorm', 'emaStep', 'sgdStep'],
  ]),
  ...reason('chooses one of several elements', [
    'argReduce',
    'firstNonFinite',
    'keepNearest',
    'maxPool2d',
    'maxPool2dPick',
  ]),
  ...reason('draws bits', ['advanceState', 'bernoulli', 'dropout', 'randomBits', 'randomUniform']),
  ...reason('weighs at most four pixels; the gradient adds the few outputs between which a pixel lies', [
    ...['affineImages', 'augmentImages', 'resizeBilinear', 'resizeBilinearGradient'],
  ]),
  ...reason('lays points out on a map: neither an operation nor a training runs it', [
    ...[
      'divergenceSums',
      'gaussianSums',
      'gridForces',
      'realFourier2d',
      'tsneAttraction',
      'tsneGather',
      'tsneRepulsion',
      'tsneSpread',
    ],
  ]),
};

function reason(why: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map(name => [name, why]));
}

/** Calls of the other kernels that add up no floats. */
const EXCEPTIONS: readonly ((one: ConformanceCase) => boolean)[] = [
  // Integers are exact; extremes are chosen; a product has no sum, and its relative error is that of its factors.
  ({ kernel, params, inputs }) =>
    kernel.name === 'reduce' && (inputs[0].spec.dtype === 'int32' || /^(max|min|prod)$/.test(params.op)),
  ({ kernel, inputs }) => kernel.name === 'scatterAdd' && inputs[0].spec.dtype === 'int32',
  // Windows side by side: every pixel has one of them.
  ({ kernel, params: { kernel: size, strides, padding } }) =>
    kernel.name === 'maxPool2dGradient' &&
    String(size) === String(strides) &&
    (padding as number[]).every(pad => pad === 0),
];

const DEVICES = ['wgsl', 'wasm'] as const;
const hasHighest = (kernel: Kernel): boolean =>
  DEVICES.every(device => kernel[device].some(({ precision }) => precision === 'highest'));

const ADAPTERS: { wgsl: WebGpuAdapterInfo; wasm: WasmAdapterInfo } = {
  wgsl: {
    ...{ vendor: '', architecture: '', description: '', isSoftware: false, subgroupSize: 32 },
    features: new Set(['subgroups']),
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupStorageSize: 16384,
    maxComputeWorkgroupsPerDimension: 65535,
    maxStorageBufferBindingSize: 2 ** 27,
    precision: 'highest',
    convolution: 'default',
  },
  wasm: { threads: 2, wide: false, relaxedSimd: true, precision: 'highest', convolution: 'default' },
};

test('every kernel has a form of highest precision or a reason to have none', () => {
  expect(
    [...KERNELS.values()]
      .filter(kernel => !hasHighest(kernel))
      .map(({ name }) => name)
      .sort(),
  ).toEqual(Object.keys(WITHOUT).sort());
});

test('every operation that sees more than its own place runs kernels that have one, or that do not add', () => {
  const summing = OP_NAMES.map(rowOf).filter(row => row.reach !== 'same');
  expect(summing.length).toBeGreaterThan(20);
  for (const { kernels } of summing) {
    for (const kernel of kernels) expect(hasHighest(kernel) || kernel.name in WITHOUT, kernel.name).toBe(true);
  }
});

describe('every call that adds floats takes it', () => {
  test.each([...KERNEL_FAMILIES.keys()])('%s', async family => {
    const { cases } = (await import(`../conformance/${family}.cases.ts`)) as { cases: readonly ConformanceCase[] };
    for (const one of cases) {
      const { kernel, inputs, params, title } = one;
      if (!hasHighest(kernel) || EXCEPTIONS.some(isOne => isOne(one))) continue;
      const specs = inputs.map(({ spec }) => spec);
      const wgsl = chooseVariant(kernel.name, kernel.wgsl, specs, params, ADAPTERS.wgsl);
      const wasm = chooseVariant(kernel.name, kernel.wasm, specs, params, ADAPTERS.wasm);
      expect([wgsl.precision, wasm.precision], title).toEqual(['highest', 'highest']);
    }
  });
});
