/** The images that excite a channel: against a loop over everything, on every device, and the window is what counts. */
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset } from '../../src/data/device-dataset.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { excitingImages } from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { Activation, Conv2d, Flatten, Linear, MaxPool2d, type Module, Sequential } from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const reference = new ReferenceDevice();
w.setDevice(reference);

const COUNT = 23;
const [HEIGHT, WIDTH] = [12, 10];
const random = new PhiloxStream(9);
const images = Uint8Array.from({ length: COUNT * HEIGHT * WIDTH }, () => random.below(256));
// Two equal images: the first of them comes first.
images.copyWithin(HEIGHT * WIDTH * 20, HEIGHT * WIDTH * 4, HEIGHT * WIDTH * 5);
const set = { images, labels: new Uint8Array(COUNT), count: COUNT, height: HEIGHT, width: WIDTH, channels: 1 };

const network = (device: w.Device): Sequential =>
  new Sequential({
    conv1: new Conv2d(1, 3, 3, { stride: 2 }),
    relu: new Activation('relu'),
    pool: new MaxPool2d(2, { stride: 1 }),
    conv2: new Conv2d(3, 4, 3, { padding: 'valid' }),
    flatten: new Flatten(),
    dense: new Linear(3 * 2 * 4, 5),
  }).initialize({ device, seed: 6 });

/** Everything about the top images by reading the whole layer and looking at each value. */
async function bruteForce(model: Module, layer: string, top: number) {
  model.eval();
  const x = w.tensor(
    Float32Array.from(images, byte => byte / 255),
    [COUNT, HEIGHT, WIDTH, 1],
    { device: reference },
  );
  const { [layer]: map } = w.noGrad(() => model.trace(x, [layer])).activations;
  const values = await map.data();
  const channels = map.shape.at(-1)!;
  const columns = map.rank === 4 ? map.shape[2] : 1;
  const places = map.size / COUNT / channels;
  return Array.from({ length: channels }, (_, channel) => {
    const peaks = Array.from({ length: COUNT }, (_, index) => {
      let best = 0;
      const at = (place: number): number => values[(index * places + place) * channels + channel];
      for (let place = 1; place < places; place++) if (at(place) > at(best)) best = place;
      return { index, value: at(best), position: [Math.floor(best / columns), best % columns] };
    });
    return peaks.sort((a, b) => b.value - a.value || a.index - b.index).slice(0, top);
  });
}

describe('devices', async () => {
  const devices = await openTestDevices();
  afterAll(() => Promise.all(devices.map(({ device }) => device?.destroy())));
  for (const { name, device } of devices) {
    test.skipIf(!device)(`${name}: as a loop over everything finds them`, async () => {
      const model = network(device!);
      const data = new DeviceDataset(set, device!);
      await settle();
      const before = device!.memory().liveAllocations;
      for (const layer of ['conv1', 'pool', 'conv2', 'dense']) {
        const expected = await bruteForce(network(reference), layer, 5);
        const found = await excitingImages(model, data, layer, { top: 5, batchSize: 7 });
        expect(found.layer).toBe(layer);
        expect(found.channels.map(({ channel }) => channel)).toEqual(expected.map((_, channel) => channel));
        for (const { channel, images: some } of found.channels) {
          expect(some.map(({ index, position }) => ({ index, position }))).toEqual(
            expected[channel].map(({ index, position }) => ({ index, position })),
          );
          for (const [i, { value }] of some.entries()) expect(value).toBeCloseTo(expected[channel][i].value, 4);
        }
      }
      expect(device!.memory().liveAllocations).toBe(before);
      data.dispose();
      model.dispose();
    });
  }
});

describe('on the reference device', () => {
  const model = network(reference);
  const data = new DeviceDataset(set, reference);

  test('the peak depends on its window and on nothing else', async () => {
    const { channels } = await excitingImages(model, data, 'conv2', { top: 1 });
    for (const { channel, images: some } of channels) {
      const { index, value, position, window } = some[0];
      // conv1 3x3 stride 2, pool 2x2, conv2 3x3: 9 x 9 pixels, those outside the image cut off.
      expect(Math.max(window.height, window.width)).toBeLessThanOrEqual(9);
      const at = async (isKept: (y: number, x: number) => boolean): Promise<number> => {
        const pixels = Float32Array.from({ length: HEIGHT * WIDTH }, (_, i) =>
          isKept(Math.floor(i / WIDTH), i % WIDTH) ? images[index * HEIGHT * WIDTH + i] / 255 : 0.5,
        );
        const { conv2 } = model.trace(w.tensor(pixels, [1, HEIGHT, WIDTH, 1]), ['conv2']).activations;
        return (await conv2.data())[(position[0] * conv2.shape[2] + position[1]) * 4 + channel];
      };
      const inside = (y: number, x: number): boolean =>
        y >= window.top && y < window.top + window.height && x >= window.left && x < window.left + window.width;
      expect(await at(inside)).toBeCloseTo(value, 6);
      expect(await at((y, x) => !inside(y, x))).not.toBeCloseTo(value, 2);
    }
  });

  test('some channels, some images, in batches of any size; a dense layer sees everything', async () => {
    const indices = [3, 20, 4, 11];
    const options = { channels: [2, 0], indices, top: 9 };
    const done: number[] = [];
    const found = await excitingImages(model, data, 'dense', {
      ...options,
      batchSize: 3,
      onProgress: n => done.push(n),
    });
    // The reference begins with one image.
    expect(done).toEqual([1, 4]);
    expect(found.channels.map(({ channel }) => channel)).toEqual([2, 0]);
    for (const { images: some } of found.channels) {
      const order = some.map(({ index }) => index);
      expect([...order].sort((a, b) => a - b)).toEqual([3, 4, 11, 20]);
      expect(order.indexOf(20) - order.indexOf(4)).toBe(1);
      expect(some[0]).toMatchObject({ position: [0, 0] });
    }
    expect(await excitingImages(model, data, 'dense', options)).toEqual(found);
    expect(model.isTraining).toBe(true);
  });

  test.each([
    ['no image per channel', 'conv1', { top: 0 }, /at least 1, not 0/],
    ['an unknown layer', 'conv9', {}, /no module is called "conv9"/],
    ['an unknown channel', 'conv1', { channels: [3] }, /no channel 3: it has 3/],
    ['an unknown image', 'conv1', { indices: [23] }, /no image 23 among 23/],
    ['no images', 'conv1', { indices: [] }, /no images/],
    ['half a batch', 'conv1', { batchSize: 0.5 }, /batchSize/],
  ])('%s gets a sentence and leaves nothing behind', async (_, layer, options, message) => {
    await settle();
    const before = reference.memory().liveAllocations;
    await expect(excitingImages(model, data, layer, options)).rejects.toThrow(message);
    expect(reference.memory().liveAllocations).toBe(before);
  });

  test('activations that are not finite get a sentence', async () => {
    const broken = network(reference);
    broken.arena.write('conv1.bias', Float32Array.of(0, Number.NaN, 0));
    await expect(excitingImages(broken, data, 'conv1')).rejects.toThrow(/Channel 1 of conv1 gives NaN for image 0/);
  });
});
