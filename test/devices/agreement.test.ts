/**
 * The same seed gives the same initial weights, the same batches, the same augmentation and the same dropout masks on
 * every device, bit for bit. The float64 reference is rounded to float32 once, where the others hold float32 anyway.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { epochBatches, shuffledIndices } from '../../src/data/batches.ts';
import { DeviceDataset } from '../../src/data/device-dataset.ts';
import type { FashionMnist } from '../../src/data/fashion-mnist.ts';
import { readSample } from '../../src/data/index.node.ts';
import type { Device } from '../../src/devices/device.ts';
import type { TypedArray } from '../../src/devices/dtype.ts';
import { noGrad, type Tensor } from '../../src/index.ts';
import type { AugmentParams } from '../../src/kernels/image/index.ts';
import { cnn, Dropout, type Module, miniResNet } from '../../src/nn/index.ts';
import { openTestDevices, type TestDevice } from '../support/devices.ts';

const opened = await openTestDevices();
const missing = opened.filter(({ device }) => !device).map(({ name }) => name);
const devices = opened.filter((one): one is TestDevice & { device: Device } => one.device !== undefined);
const where = `on ${devices.map(({ name }) => name).join(', ')}${missing.map(name => `; ${name}`).join('')}`;

/** The bits of values as float32 (integers as they are). */
function bitsOf(values: TypedArray): Uint32Array {
  if (!(values instanceof Float32Array || values instanceof Float64Array)) return Uint32Array.from(values);
  return new Uint32Array(Float32Array.from(values).buffer);
}

/** What `make` gives on every device, after checking that it is the same everywhere. */
async function sameEverywhere(what: string, make: (device: Device) => Promise<TypedArray>): Promise<Uint32Array> {
  let first: Uint32Array | undefined;
  for (const { name, device } of devices) {
    const bits = bitsOf(await make(device));
    first ??= bits;
    const different = bits.findIndex((word, i) => word !== first![i]);
    if (bits.length !== first.length || different >= 0) {
      expect.fail(
        `${what}, element ${different}: ${devices[0].name} has bits 0x${first[different]?.toString(16)}, ` +
          `${name} has 0x${bits[different]?.toString(16)}`,
      );
    }
  }
  return first!;
}

async function read(tensor: Tensor): Promise<TypedArray> {
  const values = await tensor.data();
  tensor.dispose();
  return values;
}

/** Every parameter and statistic of a freshly initialised model. */
async function initialValues(build: () => Module, device: Device, seed: number): Promise<TypedArray> {
  const model = build().initialize({ device, seed });
  const [values, state] = [await device.read(model.arena.values), await device.read(model.arena.state)];
  const all = new Float64Array(values.length + state.length);
  all.set(values);
  all.set(state, values.length);
  model.dispose();
  return all;
}

const AUGMENTATIONS: Record<string, AugmentParams> = {
  'flip and shift': { crop: 2, flip: 'random', erase: null },
  'alternating flip': { crop: 0, flip: 'alternating', erase: null },
  'erasing with noise': {
    crop: 4,
    flip: 'random',
    erase: { probability: 0.5, minArea: 0.02, maxArea: 0.4, minAspect: 0.3, maxAspect: 3.3, fill: 'random' },
  },
  'erasing with black': {
    crop: 1,
    flip: 'none',
    erase: { probability: 1, minArea: 0.1, maxArea: 0.2, minAspect: 0.5, maxAspect: 2, fill: 'zero' },
  },
};

describe(`one seed, the same bits ${where}`, () => {
  let sample: FashionMnist;
  const sets = new Map<Device, DeviceDataset>();
  beforeAll(async () => {
    sample = await readSample();
    for (const { device } of devices) sets.set(device, new DeviceDataset(sample.train, device));
  });
  afterAll(async () => {
    for (const set of sets.values()) set.dispose();
    await Promise.all(devices.map(({ device }) => device.destroy()));
  });

  test('there are devices to compare', () => {
    expect(devices.map(({ name }) => name)).toEqual(expect.arrayContaining(['reference', 'wasm']));
  });

  const models: Record<string, () => Module> = {
    cnn: () => cnn(),
    'mini-resnet': () => miniResNet({ widths: [8, 16, 32] }),
  };
  for (const [name, build] of Object.entries(models)) {
    test(`initial weights of ${name}`, async () => {
      const zero = await sameEverywhere('weights of seed 0', device => initialValues(build, device, 0));
      const one = await sameEverywhere('weights of seed 1', device => initialValues(build, device, 1));
      expect(one).not.toEqual(zero);
      // He's scale says that these are weights: no constant, nothing huge.
      const values = new Float32Array(zero.buffer);
      expect(new Set(values).size).toBeGreaterThan(values.length / 4);
      expect(Math.max(...values.subarray(0, 1000).map(Math.abs))).toBeLessThan(3);
    });
  }

  test('batches of an epoch: pixels and labels', async () => {
    const order = shuffledIndices(sample.train.count, 7, 3);
    for (const indices of [order.subarray(0, 64), order.subarray(order.length - 5), Uint32Array.of(0, 0)]) {
      const pixels = await sameEverywhere('pixels', device => {
        const { images, labels } = sets.get(device)!.batch(indices);
        labels.dispose();
        return read(images);
      });
      const { images, height, width } = sample.train;
      const size = height * width;
      const expected = Float32Array.from(
        { length: indices.length * size },
        (_, i) => images[indices[Math.floor(i / size)] * size + (i % size)] / 255,
      );
      expect(Buffer.compare(Buffer.from(pixels.buffer), Buffer.from(expected.buffer))).toBe(0);
      const labels = await sameEverywhere('labels', device => {
        const batch = sets.get(device)!.batch(indices);
        batch.images.dispose();
        return read(batch.labels);
      });
      expect([...labels]).toEqual(Array.from(indices, index => sample.train.labels[index]));
    }
  });

  test('the order of an epoch is one permutation per (seed, epoch)', () => {
    const count = sample.train.count;
    const order = shuffledIndices(count, 7, 3);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(shuffledIndices(count, 7, 3)).toEqual(order);
    expect(shuffledIndices(count, 7, 4)).not.toEqual(order);
    expect(shuffledIndices(count, 8, 3)).not.toEqual(order);
    expect(epochBatches(order, 128).reduce((total, batch) => total + batch.length, 0)).toBe(count);
  });

  for (const [name, augmentation] of Object.entries(AUGMENTATIONS)) {
    test(`augmentation: ${name}`, async () => {
      const indices = shuffledIndices(sample.train.count, 0, 0).subarray(0, 48);
      const augmented = (seed: number, epoch: number, step: number) =>
        sameEverywhere(`seed ${seed}, epoch ${epoch}, step ${step}`, device => {
          const { images, labels } = sets.get(device)!.augmentedBatch(indices, augmentation, { seed, epoch, step });
          labels.dispose();
          return read(images);
        });
      const first = await augmented(0, 0, 0);
      expect(await augmented(0, 0, 0)).toEqual(first);
      // Another epoch shows other pictures; so does another step, except where only the epoch's parity counts.
      expect(await augmented(0, 1, 0)).not.toEqual(first);
      if (augmentation.flip !== 'alternating') expect(await augmented(0, 0, 1)).not.toEqual(first);
      if (augmentation.flip !== 'alternating') expect(await augmented(4_000_000_000, 0, 0)).not.toEqual(first);
      const values = new Float32Array(first.buffer);
      expect(values.every(value => value >= 0 && value <= 1)).toBe(true);
    });
  }

  test('dropout draws the same masks in every step', async () => {
    const indices = [0, 1, 2, 3];
    const masksOf = async (device: Device): Promise<TypedArray> => {
      const layer = new Dropout(0.3, { seed: 5 });
      const { images } = sets.get(device)!.batch(indices);
      const steps = await Promise.all([0, 1, 2].map(() => read(noGrad(() => layer.call(images)))));
      layer.state(device).dispose();
      images.dispose();
      return Float64Array.from(steps.flatMap(values => Array.from(values, value => (value === 0 ? 0 : 1))));
    };
    const masks = await sameEverywhere('masks', masksOf);
    const third = masks.length / 3;
    expect(masks.subarray(0, third)).not.toEqual(masks.subarray(third, 2 * third));
  });
});
