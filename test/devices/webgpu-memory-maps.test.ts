/** Software drivers map memory for every kernel: compilation stops with a sentence before the process has no maps left. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DeviceError } from '../../src/devices/errors.ts';
import { memoryMapGuard } from '../../src/devices/webgpu/memory-maps.node.ts';
import { bindingKinds, PipelineCache } from '../../src/devices/webgpu/pipelines.ts';
import { describeWebGpu, withWebGpu } from './webgpu-open.ts';

const source = (factor: number) => `
  @group(0) @binding(0) var<storage, read_write> y: array<f32>;
  @compute @workgroup_size(1) fn main() { y[0] = f32(${factor}); }`;

test('it looks now and then, and stops near the limit', () => {
  let looks = 0;
  const guard = memoryMapGuard({
    maps: () => {
      looks++;
      return 80_001;
    },
    most: () => 100_000,
  });
  for (const compiled of [0, 1, 7, 9]) guard(compiled);
  expect(looks).toBe(0);
  expect(() => guard(32)).toThrow(DeviceError);
  expect(() => guard(32)).toThrow(/compiled 32 kernels .* holds 80001 of 100000 memory maps; close the device/);
  memoryMapGuard({ maps: () => 80_000, most: () => 100_000 })(32);
});

test('a system that does not count maps is no obstacle', () => {
  const guard = memoryMapGuard({
    maps: () => {
      throw new Error('ENOENT');
    },
    most: () => 1,
  });
  expect(() => guard(16)).not.toThrow();
});

test.skipIf(!existsSync('/proc/self/maps'))('Linux says how many there are (skipped elsewhere)', () => {
  expect(() => memoryMapGuard()(16)).not.toThrow();
});

describeWebGpu('a device', () => {
  test('refuses a kernel before it is compiled, and keeps those that it has', () =>
    withWebGpu(async device => {
      expect(bindingKinds(source(1), 'test')).toEqual(['read_write']);
      const cache = new PipelineCache(
        device.gpu,
        () => {},
        compiled => {
          if (compiled === 2) throw new DeviceError('no room');
        },
      );
      const [one, two] = [1, 2].map(factor => cache.get(source(factor), 'test'));
      expect(() => cache.get(source(3), 'test')).toThrow('no room');
      expect([1, 2].map(factor => cache.get(source(factor), 'test'))).toEqual([one, two]);
      expect(cache.size).toBe(2);
    }));
});
