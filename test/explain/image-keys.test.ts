/**
 * Random numbers follow from the seed and the image, not from its place: a batch of one gives the row of a larger batch, for
 * every method and measure that samples, on every device.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { imageKeys, keysOf } from '../../src/explain/image-keys.ts';
import * as explain from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { expectClose } from './compare.ts';

describe('keys', () => {
  const values = Float64Array.from({ length: 4000 }, (_, i) => Math.sin(i * i));

  test('are those of the values, wherever they stand, in float32 and float64', () => {
    const keys = imageKeys(values, 4);
    expect(imageKeys(values.slice(2000, 3000), 1)[0]).toBe(keys[2]);
    expect(imageKeys(Float32Array.from(values), 4)).toEqual(keys);
    expect(new Set(keys).size).toBe(4);
  });

  test('change with any value, and with the order of values; 0 and -0 are one value', () => {
    const [key] = imageKeys(values, 1);
    const others = new Set<number>([key]);
    for (let i = 0; i < 4000; i += 37) {
      const changed = values.slice();
      changed[i] += 1e-6;
      others.add(imageKeys(changed, 1)[0]);
      const swapped = values.slice();
      [swapped[i], swapped[(i + 1) % 4000]] = [swapped[(i + 1) % 4000], swapped[i]];
      others.add(imageKeys(swapped, 1)[0]);
    }
    expect(others.size).toBe(1 + 2 * Math.ceil(4000 / 37));
    expect(imageKeys(Float64Array.of(0, 1), 1)).toEqual(imageKeys(Float64Array.of(-0, 1), 1));
  });

  test('may be given, one 32-bit number each', () => {
    expect(keysOf([5, 0, 0xffffffff], values, 3)).toEqual(Uint32Array.of(5, 0, 0xffffffff));
    expect(() => keysOf([1], values, 2)).toThrow('1 keys for 2 images');
    for (const key of [-1, 0.5, Number.NaN, 2 ** 32]) expect(() => keysOf([key], values, 1)).toThrow(`not ${key}`);
  });
});

/** A small network of functions, the same on every device. */
function network(on: w.Device): (x: w.Tensor) => w.Tensor {
  const some = (n: number, k: number) => Float64Array.from({ length: n }, (_, i) => Math.sin(k * i * i + i));
  const first = w.tensor(some(64 * 8, 0.3), [64, 8], { device: on });
  const second = w.tensor(some(24, 0.7), [8, 3], { device: on });
  return x => w.matmul(w.relu(w.matmul(w.reshape(x, [x.shape[0], 64]), first)), second);
}

const picture = (on: w.Device, k: number, images = 1): w.Tensor =>
  w.tensor(
    Float64Array.from({ length: 64 * images }, (_, i) => Math.abs(Math.sin(k * i * i + i))),
    [images, 8, 8, 1],
    { device: on },
  );

type Run = (f: (x: w.Tensor) => w.Tensor, x: w.Tensor, o: any) => Promise<{ values: ArrayLike<number> }>;

const METHODS: Record<string, Run> = {
  kernelShap: (f, x, o) => explain.kernelShap(f, x, { ...o, samples: 100 }),
  'kernelShap, repeated': (f, x, o) => explain.kernelShap(f, x, { ...o, samples: 100, repeats: 3 }),
  permutationShapley: (f, x, o) => explain.permutationShapley(f, x, { ...o, permutations: 4 }),
  lime: (f, x, o) => explain.lime(f, x, { ...o, samples: 60 }),
  expectedGradients: (f, x, o) => explain.expectedGradients(f, x, { ...o, samples: 40 }),
  smoothGrad: (f, x, o) => explain.smoothGrad(f, x, { ...o, samples: 10 }),
  'smoothGrad of a method that samples': (f, x, o) =>
    explain.smoothGrad(f, x, {
      ...o,
      samples: 3,
      method: (g, images, rest) => explain.expectedGradients(g, images, { ...o, ...rest, keys: undefined, samples: 5 }),
    }),
};

/** Measures of a fixed map, with a number per image. */
const maps = (images: number) => ({
  // Large equal parts, so that ties have to be broken.
  values: Float64Array.from({ length: 64 * images }, (_, i) => Math.floor((i % 64) / 16)),
  shape: [images, 8, 8],
});
const MEASURES: Record<string, Run> = {
  deletion: async (f, x) => ({ values: (await explain.deletion(f, x, maps(x.shape[0]), { target: 1 })).auc }),
  insertion: async (f, x) => ({ values: (await explain.insertion(f, x, maps(x.shape[0]), { target: 1 })).auc }),
  road: async (f, x) => ({ values: (await explain.road(f, x, maps(x.shape[0]), { target: 1 })).combined }),
  infidelity: async (f, x) => ({
    values: (await explain.infidelity(f, x, maps(x.shape[0]), { target: 1, samples: 20 })).infidelity,
  }),
  sensitivity: async (f, x, o) => ({
    values: await explain.sensitivityMax(
      (images, target, keys) => explain.expectedGradients(f, images, { ...o, target, keys, samples: 20 }),
      x,
      { target: 1, samples: 2 },
    ),
  }),
  agreement: async (_, x) => {
    const { images } = await explain.attributionAgreement(
      x,
      maps(x.shape[0]),
      { ...maps(x.shape[0]), values: maps(x.shape[0]).values.map((value, i) => value + ((i % 64) % 3)) },
      { segments: 'grid', segmentCount: 16, randomMaps: 10 },
    );
    return { values: images.flatMap(image => [image!.iou, image!.random.iou, image!.random.spearman]) };
  },
  'random map': async (_, x) => ({
    values: (await explain.BASELINE_METHODS['random-map'].run(network(x.device) as never, x, { background: x })).values,
  }),
};

for (const { name, device: one } of await openTestDevices()) {
  describe.skipIf(!one)(`alone and in company, on ${name}`, () => {
    if (one) afterAll(() => one.destroy());
    test.each(Object.entries({ ...METHODS, ...MEASURES }))('%s', async (_, run) => {
      const f = network(one!);
      const [image, other] = [picture(one!, 0.11), picture(one!, 0.5)];
      const background = picture(one!, 0.2, 5);
      const company = w.concat([other, image, other, image], 0);
      const options = { seed: 3, background, segments: 'grid', segmentCount: 16, target: 1 };
      const [alone, together] = [await run(f, image, options), await run(f, company, options)];
      const { values } = together;
      const size = values.length / 4;
      const row = (i: number) => Array.prototype.slice.call(values, i * size, (i + 1) * size) as number[];
      const scale = Math.max(...Array.from(alone.values, Math.abs));
      // Rows of a matrix product are rounded alike in any company on the reference; elsewhere nearly so.
      const bound = one!.kind === 'reference' ? 1e-12 : 2e-5;
      expect(alone.values.length).toBe(size);
      expectClose(row(1), alone.values, bound * scale);
      expectClose(row(3), alone.values, bound * scale);
    });
  });
}

describe('given keys', () => {
  const device = new ReferenceDevice();
  const f = network(device);
  const [image, other] = [picture(device, 0.11), picture(device, 0.5)];
  const background = picture(device, 0.2, 5);
  const options = { seed: 3, background, segments: 'grid', segmentCount: 16, target: 1 } as const;
  const sampled = Object.entries(METHODS).filter(([name]) => name !== 'lime' && !name.includes('of a method'));

  test.each(sampled)('%s: other keys, other numbers; the same keys, the same', async (_, run) => {
    const usual = await run(f, image, options);
    const [key] = imageKeys((await image.data()) as Float64Array, 1);
    expect((await run(f, image, { ...options, keys: [key] })).values).toEqual(usual.values);
    expect((await run(f, image, { ...options, keys: [key ^ 1] })).values).not.toEqual(usual.values);
    expect((await run(f, image, { ...options, seed: 4 })).values).not.toEqual(usual.values);
    await expect(run(f, image, { ...options, keys: [1, 2] })).rejects.toThrow('2 keys for 1 images');
  });

  test('a method that samples is as sensitive as its map, not as its sample', async () => {
    const scores = await explain.sensitivityMax(
      (x, target, keys) => explain.expectedGradients(f, x, { ...options, target, keys, samples: 20 }),
      w.concat([image, other], 0),
      { target: 1, samples: 3, radius: 1e-6 },
    );
    expect(Math.max(...scores)).toBeLessThan(1e-3);
  });
});
