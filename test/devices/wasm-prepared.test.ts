/** Captures that make what follows from constant memory once: packed and transformed filters, of every kernel that has them. */
import { afterAll, describe, expect, test } from 'vitest';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { keep, randomUniform, type Tensor, tidy } from '../../src/index.ts';
import { conv2d } from '../../src/kernels/conv2d/index.ts';
import { matmul } from '../../src/kernels/matmul/index.ts';

const devices = {
  default: await openWasmDevice({ threads: 2 }),
  'highest precision': await openWasmDevice({ threads: 2, precision: 'highest' }),
};
type Name = keyof typeof devices;
afterAll(() => Promise.all(Object.values(devices).map(device => device.destroy())));

const geometry = { strides: [1, 1], padding: [1, 1, 1, 1], dilations: [1, 1], groups: 1, activation: 'none' };
const CASES = [
  ['conv2d', 'winograd', [3, 8, 8, 16], [3, 3, 16, 20], geometry],
  ['conv2d', 'direct', [3, 8, 8, 16], [3, 3, 16, 20], { ...geometry, strides: [2, 2] }],
  ['conv2d', 'direct-float64', [2, 8, 8, 4], [3, 3, 4, 8], geometry],
  ['conv2d', 'patches', [3, 8, 8, 1], [3, 3, 1, 12], geometry],
  ['conv2d', 'pointwise', [3, 8, 8, 16], [1, 1, 16, 20], { ...geometry, padding: [0, 0, 0, 0] }],
  ['conv2d', 'depthwise', [3, 8, 8, 8], [3, 3, 1, 8], { ...geometry, groups: 8 }],
  ['matmul', 'packed', [40, 33], [33, 20], { transposeA: false, transposeB: false, activation: 'relu' }],
  ['matmul', 'thin', [1, 33], [33, 20], { transposeA: false, transposeB: false, activation: 'relu' }],
] as const;
const kernels = { conv2d, matmul };

describe.each(CASES)('%s, variant %s', (kernelName, variant, xShape, wShape, params) => {
  const name: Name = variant.endsWith('float64') ? 'highest precision' : 'default';
  const device = devices[name];
  const kernel = kernels[kernelName];
  const random = (shape: readonly number[], seed: number): Tensor =>
    keep(randomUniform(shape, { seed, device, low: -1 }));
  const w = random(wShape, 1);
  const bias = random([wShape.at(-1)!], 2);
  const run = (x: Tensor, y: Tensor): void => device.run<any>(kernel, [x, w, bias], [y], params, { variant });
  const outputs = (): Tensor => {
    const [{ shape }] = kernel.infer([{ shape: [...xShape], dtype: 'float32' }, w, bias], params as never);
    return random(shape, 4);
  };

  test('replays give the bits of the call itself, and all memory goes back', async () => {
    const [x, y, expected] = [random(xShape, 3), outputs(), outputs()];
    const capture = device.capture(() => run(x, y), { constant: [w.storage, bias.storage] });
    expect(capture.preparedBytes > 0).toBe(!['depthwise', 'thin'].includes(variant));
    for (const seed of [5, 6, 7]) {
      const other = tidy(() => randomUniform(xShape, { seed, device, low: -1 }));
      device.copy(other.storage, x.storage);
      run(x, expected);
      capture.replay();
      expect(await y.data()).toEqual(await expected.data());
      other.dispose();
    }
    // A profile, which looks at what the passes read, knows of the one that is left out.
    const [{ calls }] = await device.profile(() => capture.replay());
    expect(calls).toBe(1);
    capture.dispose();
    const reserved = (): number => device.memory().pooledBytes + device.memory().liveBytes;
    const before = reserved();
    for (let i = 0; i < 2000; i++) device.capture(() => run(x, y), { constant: [w.storage, bias.storage] }).dispose();
    expect(reserved()).toBe(before);
    for (const one of [x, y, expected]) one.dispose();
  });

  test('what is not called constant is read anew', async () => {
    const [x, y, expected] = [random(xShape, 3), outputs(), outputs()];
    const kept = await w.data();
    for (const constant of [undefined, [], [bias.storage], [x.storage]]) {
      const capture = device.capture(() => run(x, y), { constant });
      expect(capture.preparedBytes).toBe(0);
      device.write(w.storage, Float32Array.from(kept, value => -value) as never);
      run(x, expected);
      capture.replay();
      expect(await y.data()).toEqual(await expected.data());
      device.write(w.storage, kept);
      capture.dispose();
    }
    for (const one of [x, y, expected]) one.dispose();
  });
});
