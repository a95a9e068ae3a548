/**
 * Compiled models against the models themselves: every model and random networks on every device, the bound of a folded
 * layer, and everything that must not be folded or that must be noticed.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../../src/devices/wasm/device.ts';
import { openWebGpuDevice } from '../../../src/devices/webgpu/open.node.ts';
import { conv2d, randomUniform, tensor } from '../../../src/index.ts';
import {
  BatchNorm2d,
  buildModel,
  Conv2d,
  compileForInference,
  type ModelSpec,
  Sequential,
} from '../../../src/nn/index.ts';
import { openTestDevices } from '../../support/devices.ts';
import { settle } from '../../support/garbage.ts';
import { compiledDifference, difference, imagesOf, plainly, randomNetwork, unsettle, valuesOf } from './networks.ts';

const SEED = Number(process.env.WEFT_TEST_SEED ?? Date.now() % 2 ** 31);
console.log(`compiled models: seed ${SEED} (repeat with WEFT_TEST_SEED=${SEED})`);

const devices = await openTestDevices({
  reference: async () => new ReferenceDevice(),
  'wasm, separate multiply and add': () => openWasmDevice({ threads: 2, relaxedSimd: false }),
  wasm: () => openWasmDevice({ threads: 2 }),
  'wasm, highest precision': () => openWasmDevice({ threads: 2, precision: 'highest' }),
  webgpu: () => openWebGpuDevice(),
  'webgpu, highest precision': () => openWebGpuDevice({ precision: 'highest' }),
});
afterAll(async () => {
  for (const { device } of devices) await device?.destroy();
});

/** Of the largest logit. Winograd's larger rounding errors are in it; see the README for what is measured. */
const allowed = (name: string): number =>
  name.startsWith('reference') ? 1e-12 : name.includes('highest') ? 5e-6 : 5e-5;

const MODELS: readonly ModelSpec[] = [
  { name: 'cnn', options: { widths: [16, 24], depth: 2, hidden: 12, dropout: 0.3, imageShape: [12, 12, 1] } },
  { name: 'cnn', options: { widths: [3], depth: 1, hidden: 5, activation: 'gelu', imageShape: [12, 12, 1] } },
  { name: 'mini-resnet', options: { widths: [16, 20, 4] } },
  { name: 'mini-resnet', options: { widths: [4, 8], blocks: [1, 2], block: 'pre-activation', stem: 'imagenet' } },
  { name: 'mini-resnet', options: { widths: [4, 8], blocks: [2, 1], activation: 'elu', stem: 'strided' } },
  { name: 'mini-resnet', options: { widths: [4, 8], blocks: [1, 1], residual: false } },
  { name: 'mini-resnet', options: { widths: [4], blocks: [1], residual: false, block: 'pre-activation' } },
  { name: 'resnet20', options: {} },
  { name: 'lenet5', options: {} },
  { name: 'mcnn15', options: {} },
];

for (const { name, device } of devices) {
  describe.skipIf(!device)(name, () => {
    const dev = device!;

    test.each(MODELS.map(spec => [`${spec.name} ${JSON.stringify(spec.options)}`, spec] as const))(
      '%s gives what the model gives in evaluation mode',
      async (_, spec) => {
        const model = unsettle(buildModel(spec).initialize({ device: dev, seed: 2 })).eval();
        const size = spec.name === 'lenet5' || spec.name === 'mcnn15' ? 28 : 12;
        // The reference's loops take a second for an image of the deepest.
        const images = imagesOf([dev.kind === 'reference' ? 1 : 3, size, size, 1], dev);
        expect(await compiledDifference(model, images)).toBeLessThan(allowed(name));
        images.dispose();
        model.dispose();
      },
    );

    test('random networks give what they give in evaluation mode, in full and smaller batches, and leave nothing', async () => {
      const property = async (seed: number, rows: number): Promise<void> => {
        const { model, size, channels } = randomNetwork(seed);
        unsettle(model.initialize({ device: dev, seed }), seed).eval();
        const images = imagesOf([rows, size, size, channels], dev, seed);
        await settle();
        const before = dev.memory().liveBytes;
        expect(await compiledDifference(model, images, 4), String(seed)).toBeLessThan(allowed(name));
        expect(dev.memory().liveBytes).toBe(before);
        images.dispose();
        model.dispose();
      };
      const random = fc.asyncProperty(
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.integer({ min: 1, max: 4 }),
        property,
      );
      await fc.assert(random, { numRuns: dev.kind === 'wasm' ? 30 : 10, seed: SEED });
    });
  });
}

describe('a folded layer', () => {
  const reference = new ReferenceDevice();
  /** In units of 2^-24 sqrt(terms) sum |products|: what conformance allows of any convolution. */
  const CONVOLUTION = 24;

  test.each([
    ['3x3 by Winograd', 16, 16, 3],
    ['3x3 of one channel', 1, 8, 3],
    ['1x1', 24, 8, 1],
  ])('%s stays within the bound of the README', async (_, inputs, outputs, kernel) => {
    const { device } = devices.find(({ name }) => name === 'wasm')!;
    const build = (on: typeof reference) =>
      unsettle(
        new Sequential([new Conv2d(inputs, outputs, kernel), new BatchNorm2d(outputs)]).initialize({ device: on }),
      );
    const model = build(device as never).eval();
    const images = randomUniform([2, 9, 9, inputs], { seed: 1, device, low: -1 });
    const compiled = await compileForInference(model, images.shape);
    expect(compiled.facts.folded).toHaveLength(1);
    const folded = await valuesOf(compiled.run(images));
    const plain = await valuesOf(plainly(model, images));

    const [conv, norm] = model.children().map(([, layer]) => layer) as [Conv2d, BatchNorm2d];
    const host = async (x: { value: { data(): Promise<ArrayLike<number>> } }) => Array.from(await x.value.data());
    const [gamma, beta, mean] = [await host(norm.gamma), await host(norm.beta), await host(norm.runningMean)];
    const variance = await host(norm.runningVariance);
    const bias = await host(conv.bias!);
    const s = gamma.map((value, c) => Math.abs(value) / Math.sqrt(variance[c] + norm.epsilon));
    const absolute = async (x: { data(): Promise<ArrayLike<number>>; shape: readonly number[] }) =>
      tensor(Float64Array.from(await x.data(), Math.abs), x.shape, { device: reference, dtype: 'float32' });
    const products = conv2d(await absolute(images), await absolute(conv.weight.value), { padding: 'same' });
    const sums = await valuesOf(products);
    const terms = kernel * kernel * inputs;
    const largest = folded.reduce((worst, value, i) => {
      const c = i % outputs;
      const magnitude = sums[i] * s[c] + (Math.abs(bias[c]) + Math.abs(mean[c])) * s[c] + Math.abs(beta[c]);
      const bound = 2 ** -24 * (2 * CONVOLUTION * Math.sqrt(terms) + 16) * magnitude;
      return Math.max(worst, Math.abs(value - plain[i]) / bound);
    }, 0);
    expect(largest).toBeLessThan(1);
    expect(largest).toBeGreaterThan(0);
    compiled.dispose();
    model.dispose();
  });
});

describe('bits', () => {
  const { device } = devices.find(({ name }) => name === 'wasm')!;
  const dev = device!;
  const make = () =>
    unsettle(
      buildModel({ name: 'mini-resnet', options: { widths: [16, 16], blocks: [1, 1] } }).initialize({ device: dev }),
    ).eval();

  test('are the same however the model is compiled and the images are cut, from 16 rows on', async () => {
    const model = make();
    const [images, others] = [imagesOf([48, 12, 12, 1], dev), imagesOf([48, 12, 12, 1], dev, 9)];
    const rowsOf = async (rows: number): Promise<number[]> => {
      const compiled = await compileForInference(model, [rows, 12, 12, 1]);
      const values = await images.data();
      const logits: number[] = [];
      for (let start = 0; start < 48; start += rows) {
        const some = values.slice(start * 144, Math.min(48, start + rows) * 144);
        const batch = tensor(some, [some.length / 144, 12, 12, 1], { device: dev });
        logits.push(...(await valuesOf(compiled.run(batch))));
        batch.dispose();
      }
      compiled.dispose();
      return logits;
    };
    const whole = await rowsOf(48);
    expect(await rowsOf(16)).toEqual(whole);
    expect(await rowsOf(32)).toEqual(whole);
    // A replay computes what the first run computed.
    const compiled = await compileForInference(model, images.shape);
    for (const batch of [images, others, images]) await valuesOf(compiled.run(batch));
    expect([...(await valuesOf(compiled.run(images)))]).toEqual(whole);
    expect(difference(await valuesOf(compiled.run(others)), whole)).toBeGreaterThan(0.01);
    compiled.dispose();
    model.dispose();
  });

  test('of what nothing is folded in are the model’s own', async () => {
    const model = unsettle(buildModel({ name: 'lenet5', options: {} }).initialize({ device: dev })).eval();
    const images = imagesOf([20, 28, 28, 1], dev);
    expect(await compiledDifference(model, images)).toBe(0);
    model.dispose();
  });
});
