/** Which WGSL strategy runs where, and how sums are cut: decided from shapes and the adapter alone, so no GPU is needed. */
import { expect, test } from 'vitest';
import type { Kernel, WebGpuAdapterInfo } from '../../src/devices/kernel.ts';
import { chooseVariant } from '../../src/devices/variants.ts';
import {
  type Conv2dGeometry,
  conv2d,
  conv2dInputGradient,
  conv2dWeightGradient,
} from '../../src/kernels/conv2d/index.ts';
import { matmul } from '../../src/kernels/matmul/index.ts';

const base: WebGpuAdapterInfo = {
  vendor: 'any',
  architecture: '',
  description: '',
  isSoftware: false,
  precision: 'default',
  convolution: 'default',
  subgroupSize: 32,
  features: new Set(['subgroups']),
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeWorkgroupsPerDimension: 65535,
  maxStorageBufferBindingSize: 128 << 20,
};
const software = { ...base, isSoftware: true, subgroupSize: 8 };
const withoutSubgroups = { ...software, subgroupSize: 0, features: new Set<string>() };
const smallMemory = { ...base, maxComputeWorkgroupStorageSize: 8192 };

const float = (shape: readonly number[]) => ({ shape, dtype: 'float32' as const });
const chosen = (kernel: Kernel, shapes: readonly number[][], params: unknown, adapter: WebGpuAdapterInfo) =>
  chooseVariant(kernel.name, kernel.wgsl, shapes.map(float), params, adapter);

const plain = { transposeA: false, transposeB: false, activation: 'none' };
const same: Conv2dGeometry = { strides: [1, 1], padding: [1, 1, 1, 1], dilations: [1, 1], groups: 1 };
const images = [128, 28, 28, 32];
const filters = [3, 3, 32, 64];
const outputs = [128, 28, 28, 64];

test('real GPUs share tiles in workgroup memory, software adapters in subgroups, others keep them private', () => {
  const square = [
    [256, 256],
    [256, 256],
  ];
  expect(chosen(matmul, square, plain, base).name).toBe('workgroup-tiles');
  expect(chosen(matmul, square, plain, software).name).toBe('subgroup-registers');
  expect(chosen(matmul, square, plain, withoutSubgroups).name).toBe('registers');
  expect(chosen(matmul, square, plain, smallMemory).name).toBe('registers');
});

test('Winograd where it was measured to win', () => {
  const forward = { ...same, activation: 'none' };
  expect(chosen(conv2d, [images, filters], forward, software).name).toBe('winograd-subgroup-registers');
  expect(chosen(conv2d, [images, filters], forward, base).name).toBe('workgroup-tiles');
  expect(chosen(conv2d, [images, filters], { ...forward, strides: [2, 2] }, software).name).toBe('subgroup-registers');
  const few = [
    [128, 28, 28, 8],
    [3, 3, 8, 64],
  ];
  expect(chosen(conv2d, few, forward, software).name).toBe('subgroup-registers');
  const gradient = chosen(conv2dInputGradient, [outputs, filters], { ...same, inputSize: [28, 28] }, software);
  expect(gradient.name).toBe('winograd-subgroup-registers');
});

test('long sums over few outputs are cut into parts, the same ones whatever the adapter', () => {
  const shapes = [images, outputs].map(float);
  const params = { ...same, kernelSize: [3, 3] as const };
  const plan = (adapter: WebGpuAdapterInfo) =>
    conv2dWeightGradient.wgsl.find(({ name }) => name === 'workgroup-tiles')!.plan(shapes, params, adapter);
  const { passes, scratch } = plan(base);
  expect(passes).toHaveLength(2);
  const [parts, length] = scratch![0].shape;
  expect(length).toBe(9 * 32 * 64);
  expect(parts).toBeGreaterThan(16);
  expect(plan({ ...software, maxComputeInvocationsPerWorkgroup: 1024 })).toEqual(plan(base));
});

test('grids stay within 65,535 workgroups along each axis', () => {
  const shapes = [
    [3_000_000, 2, 3],
    [1, 3, 2],
  ];
  for (const variant of matmul.wgsl) {
    for (const { workgroups } of variant.plan(shapes.map(float), plain as never, software).passes) {
      for (const count of workgroups) expect(count).toBeLessThanOrEqual(65535);
    }
  }
});
