/**
 * What Winograd's transforms may touch. NaN, infinities and huge values change exactly the outputs that see them, as direct
 * sums have it; other images, tiles and channels keep their bits. Ordinary values stay within the bound of the kernel's
 * README. Direct convolution changes no bit outside the footprint. Random shapes, which tiles of 4 x 4 do not divide.
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { openOptionsLike } from '../../src/devices/open.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { openWebGpuDevice } from '../../src/devices/webgpu/open.node.ts';
import * as w from '../../src/index.ts';
import {
  type Conv2dGeometry,
  conv2d,
  conv2dInputGradient,
  conv2dWeightGradient,
} from '../../src/kernels/conv2d/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase } from '../conformance/cases.ts';
import { applicableVariants, checkVariant, type Expectation, expect64 } from '../conformance/suite.ts';
import { ALL_CONFIGURATIONS, openTestDevices } from '../support/devices.ts';

const SEED = Number(process.env.WEFT_SEED ?? Math.floor(Date.now() / 1000));
const stream = new PhiloxStream(SEED);
const between = (least: number, most: number): number => least + stream.below(most - least + 1);
const size = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);
const floats = (shape: readonly number[]) => ({
  spec: { shape, dtype: 'float32' } as const,
  values: Float32Array.from({ length: size(shape) }, () => stream.uniform() - 0.5),
});
type Array4 = ReturnType<typeof floats>;

const BAD = [Number.NaN, Infinity, -Infinity, 3e37, -1e30];

/** A convolution that Winograd's variants take, with arrays for its three kernels. */
function randomConvolution() {
  const [batch, height, width] = [between(1, 3), between(3, 13), between(3, 13)];
  const [inputs, outputs] = [4 * between(1, 6), 4 * between(1, 19)];
  const padding = [between(0, 2), between(0, 2), between(0, 2), between(0, 2)] as const;
  const geometry: Conv2dGeometry = { strides: [1, 1], padding, dilations: [1, 1], groups: 1 };
  const [oh, ow] = [height + padding[0] + padding[1] - 2, width + padding[2] + padding[3] - 2];
  return {
    geometry,
    x: floats([batch, height, width, inputs]),
    filters: floats([3, 3, inputs, outputs]),
    bias: floats([outputs]),
    dy: floats([batch, oh, ow, outputs]),
  };
}

const withValue = ({ spec, values }: Array4, at: number, value: number): Array4 => ({
  spec,
  values: values.with(at, value),
});

/** The three kernels, each with one bad value in one of its inputs. */
function poisoned(): ConformanceCase[] {
  const { geometry, x, filters, bias, dy } = randomConvolution();
  const [batch, height, width, inputs] = x.spec.shape;
  const [, oh, ow, outputs] = dy.spec.shape;
  const relu = stream.below(2) === 1;
  const calls = [
    { kernel: conv2d, arrays: [x, filters, bias], params: { activation: relu ? 'relu' : 'none' }, terms: 9 * inputs },
    { kernel: conv2dInputGradient, arrays: [dy, filters], params: { inputSize: [height, width] }, terms: 9 * outputs },
    { kernel: conv2dWeightGradient, arrays: [x, dy], params: { kernelSize: [3, 3] }, terms: batch * oh * ow },
  ];
  return calls.map(({ kernel, arrays, params, terms }) => {
    const which = stream.below(2);
    const value = BAD[stream.below(BAD.length)];
    const at = stream.below(arrays[which].values.length);
    return {
      title: `${kernel.name}, x [${x.spec.shape}], padding [${geometry.padding}], ${outputs} outputs, input ${which} [${at}] = ${value}`,
      kernel,
      params: { ...geometry, ...params },
      inputs: arrays.map((array, i) => (i === which ? withValue(array, at, value) : array)),
      tolerance: { kind: 'contraction', c: 24, terms },
    } as ConformanceCase;
  });
}

/**
 * A transform rounds to a part of what its whole tile holds: pixels of up to 1/2, whether or not an output at the border
 * or a filter's corner meets as many. Results that see the bad value are judged by their own sums.
 */
function withWholeTiles({ kernel, inputs: [, second] }: ConformanceCase, expected: Expectation): Expectation {
  const [, , inputs, outputs] = second.spec.shape;
  // Of the second input, filters or output gradients, the values that meet one channel of the result.
  const channelOf = (i: number): number =>
    kernel === conv2dInputGradient ? Math.floor(i / outputs) % inputs : i % outputs;
  const least = new Float64Array(kernel === conv2dInputGradient ? inputs : outputs);
  for (const [i, value] of second.values.entries())
    if (Math.abs(value) <= 0.5) least[channelOf(i)] += Math.abs(value) / 2;
  const magnitudes = expected
    .magnitudes()
    .map(all => Float64Array.from(all, (own, i) => (own < least[i % least.length] ? least[i % least.length] : own)));
  return { ...expected, magnitudes: () => magnitudes };
}

const CASES = Array.from({ length: 12 }, poisoned).flat();

/** Ordinary calls on a device. */
async function convolve(device: Device, x: Array4, filters: Array4, geometry: Conv2dGeometry): Promise<Float32Array> {
  const [tx, tw] = [x, filters].map(({ spec, values }) => w.tensor(values, [...spec.shape], { device }));
  const y = w.conv2d(tx, tw, { padding: geometry.padding });
  const values = (await y.data()) as Float32Array;
  for (const tensor of [tx, tw, y]) tensor.dispose();
  return values;
}

/** A convolution that every device's preferred variant computes with transforms: enough channels, tiles filled. */
function preferred(batch: number) {
  const [height, width] = [between(6, 14), between(6, 14)];
  const [inputs, outputs] = [4 * between(4, 8), 4 * between(4, 18)];
  const geometry: Conv2dGeometry = { strides: [1, 1], padding: [1, 1, 1, 1], dilations: [1, 1], groups: 1 };
  return { geometry, x: floats([batch, height, width, inputs]), filters: floats([3, 3, inputs, outputs]) };
}

for (const { name, device } of await openTestDevices(ALL_CONFIGURATIONS)) {
  describe.skipIf(!device)(`Winograd on ${name}, seed ${SEED}`, () => {
    afterAll(() => device?.destroy());

    test('NaN, infinities and huge values change what direct sums change', async () => {
      let checked = 0;
      for (const one of CASES) {
        const expected = withWholeTiles(one, expect64(one));
        for (const variant of applicableVariants(one, device!).filter(each => each.includes('winograd'))) {
          await checkVariant(one, device!, variant, expected).catch(error => expect.fail(`${one.title}: ${error}`));
          checked++;
        }
      }
      expect(checked).toBeGreaterThanOrEqual(CASES.length);
    });

    test('images full of huge values, which overflow in the transforms, come out as direct sums', async () => {
      const geometry = { strides: [1, 1], padding: [1, 1, 1, 1], dilations: [1, 1], groups: 1 } as const;
      const x = floats([1, 9, 10, 16]);
      for (const values of [x.values.fill(1e37), x.values.map((_, i) => (Math.floor(i / 16) % 2 ? 1e37 : -1e37))]) {
        const one: ConformanceCase = {
          title: '1e37 everywhere',
          kernel: conv2d,
          params: { ...geometry, activation: 'none' },
          inputs: [{ spec: x.spec, values }, floats([3, 3, 16, 16])],
          tolerance: { kind: 'contraction', c: 24, terms: 144 },
        };
        for (const variant of applicableVariants(one, device!).filter(each => each.includes('winograd')))
          await checkVariant(one, device!, variant, expect64(one));
      }
    });

    test('the other images of a batch keep their bits, and tiles that do not see the pixel', async () => {
      for (let round = 0; round < 4; round++) {
        const { geometry, x, filters } = preferred(3);
        const [, height, width, inputs] = x.spec.shape;
        const [row, column] = [stream.below(height), stream.below(width)];
        const at = ((height + row) * width + column) * inputs + stream.below(inputs);
        const clean = await convolve(device!, x, filters, geometry);
        const dirty = await convolve(device!, withValue(x, at, BAD[round]), filters, geometry);
        const outputs = filters.spec.shape[3];
        for (const [i, value] of dirty.entries()) {
          const pixel = Math.floor(i / outputs);
          const [y, xx] = [Math.floor(pixel / width) % height, pixel % width];
          // The first pixel of the output's tile, whose inputs begin one pixel before it and end five after.
          const [top, left] = [4 * Math.floor(y / 4), 4 * Math.floor(xx / 4)];
          const isSeen = row >= top - 1 && row <= top + 4 && column >= left - 1 && column <= left + 4;
          if (Math.floor(pixel / (height * width)) !== 1 || !isSeen) expect(value, `output ${i}`).toBe(clean[i]);
        }
      }
    });

    test("a filter's NaN stays in its output channel", async () => {
      const { geometry, x, filters } = preferred(2);
      const outputs = filters.spec.shape[3];
      const at = stream.below(filters.values.length);
      const clean = await convolve(device!, x, filters, geometry);
      const dirty = await convolve(device!, x, withValue(filters, at, Number.NaN), geometry);
      const changed = new Set<number>();
      for (const [i, value] of dirty.entries()) if (!Object.is(value, clean[i])) changed.add(i % outputs);
      expect([...changed]).toEqual([at % outputs]);
    });

    test('a large value disturbs its tiles by no more than the stated bound', async () => {
      for (const value of [0.25, 1e4, 1e9]) {
        const { geometry, x, filters } = preferred(1);
        const [, height, width, inputs] = x.spec.shape;
        const at = stream.below(x.values.length);
        const dirty = withValue(x, at, value);
        const [before, after] = [
          await convolve(device!, x, filters, geometry),
          await convolve(device!, dirty, filters, geometry),
        ];
        const outputs = filters.spec.shape[3];
        const [row, column] = [Math.floor(at / inputs / width), Math.floor(at / inputs) % width];
        for (const [i, y] of after.entries()) {
          const [oy, ox] = [Math.floor(i / outputs / width), Math.floor(i / outputs) % width];
          if (Math.abs(oy - row) <= 1 && Math.abs(ox - column) <= 1) continue;
          const magnitude = tileMagnitude(dirty, filters, [oy, ox, i % outputs], [height, width]);
          const bound = 2 * 8 * 2 ** -24 * Math.sqrt(9 * inputs) * magnitude;
          expect(Math.abs(y - before[i]), `output ${i} of [${height}, ${width}, ${outputs}]`).toBeLessThanOrEqual(
            bound,
          );
        }
      }
    });
  });
}

/** Sum of |products| of one output, were every pixel of its tile as large as the largest of its channel there. */
function tileMagnitude(
  x: Array4,
  filters: Array4,
  [oy, ox, k]: readonly [number, number, number],
  [height, width]: readonly [number, number],
): number {
  const [, , inputs, outputs] = filters.spec.shape;
  const [top, left] = [4 * Math.floor(oy / 4) - 1, 4 * Math.floor(ox / 4) - 1];
  let sum = 0;
  for (let c = 0; c < inputs; c++) {
    let largest = 0;
    for (let y = Math.max(0, top); y < Math.min(height, top + 6); y++) {
      for (let xx = Math.max(0, left); xx < Math.min(width, left + 6); xx++)
        largest = Math.max(largest, Math.abs(x.values[(y * width + xx) * inputs + c]));
    }
    for (let tap = 0; tap < 9; tap++) sum += largest * Math.abs(filters.values[(tap * inputs + c) * outputs + k]);
  }
  return sum;
}

const DIRECT: Record<string, () => Promise<Device>> = {
  reference: async () => new ReferenceDevice(),
  wasm: () => openWasmDevice({ convolution: 'direct', relaxedSimd: false }),
  'wasm, fused multiply-add': () => openWasmDevice({ convolution: 'direct', relaxedSimd: true }),
  webgpu: () => openWebGpuDevice({ convolution: 'direct' }),
};

/** Outputs of a convolution and its gradients with respect to images and filters, for a given gradient of the outputs. */
async function everything(device: Device, x: Array4, filters: Array4, dy: Array4, scoped: boolean) {
  const [tx, tw, upstream] = [x, filters, dy].map(({ spec, values }) => w.tensor(values, [...spec.shape], { device }));
  const convolution = () => w.conv2d(tx, tw, { padding: 1 });
  const f = () => (scoped ? w.withConvolution('direct', convolution) : convolution());
  const { value, grads } = w.valueAndGrad(f, [tx, tw], { upstream });
  const [y, dx, dw] = await Promise.all([value, ...grads].map(async tensor => Array.from(await tensor.data())));
  for (const tensor of [tx, tw, upstream, value, ...grads]) tensor.dispose();
  return { y, dx, dw };
}

const changedAt = (a: readonly number[], b: readonly number[]): number[] =>
  [...a.keys()].filter(i => !Object.is(a[i], b[i]));

async function checkFootprint(device: Device, scoped: boolean): Promise<void> {
  for (const value of [0.25, 1e4, Number.NaN, Infinity]) {
    const { x, filters } = preferred(2);
    const [batch, height, width, inputs] = x.spec.shape;
    const outputs = filters.spec.shape[3];
    const dy = floats([batch, height, width, outputs]);
    const clean = await everything(device, x, filters, dy, scoped);
    const sees = (i: number, channels: number, at: number, channelsAt: number): boolean => {
      const [a, b] = [Math.floor(i / channels), Math.floor(at / channelsAt)];
      const isSame = Math.floor(a / (height * width)) === Math.floor(b / (height * width));
      const down = Math.abs((Math.floor(a / width) % height) - (Math.floor(b / width) % height));
      return isSame && down <= 1 && Math.abs((a % width) - (b % width)) <= 1;
    };
    const pixel = stream.below(x.values.length);
    const image = await everything(device, withValue(x, pixel, value), filters, dy, scoped);
    expect(changedAt(image.y, clean.y).filter(i => !sees(i, outputs, pixel, inputs))).toEqual([]);
    expect(changedAt(image.y, clean.y).length).toBeGreaterThan(0);
    expect(changedAt(image.dw, clean.dw).filter(i => Math.floor(i / outputs) % inputs !== pixel % inputs)).toEqual([]);
    const gradient = stream.below(dy.values.length);
    const upstream = await everything(device, x, filters, withValue(dy, gradient, value), scoped);
    expect(changedAt(upstream.dx, clean.dx).filter(i => !sees(i, inputs, gradient, outputs))).toEqual([]);
    expect(changedAt(upstream.dw, clean.dw).filter(i => i % outputs !== gradient % outputs)).toEqual([]);
  }
}

for (const { name, device } of await openTestDevices(DIRECT)) {
  describe.skipIf(!device)(`direct convolution on ${name}, seed ${SEED}`, () => {
    afterAll(() => device?.destroy());

    test('one value changes no bit of what does not see it: outputs and both gradients', () =>
      checkFootprint(device!, false));

    test.skipIf(device?.kind === 'reference')('says so in its identity, which opens the like of it again', () => {
      expect(device!.info.adapter).toMatch(/ \/ direct convolution$/);
      expect(device!.info.description).toContain('direct convolution');
      expect(openOptionsLike(device!.info.adapter).convolution).toBe('direct');
    });
  });
}

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`withConvolution on ${name}, seed ${SEED}`, () => {
    afterAll(() => device?.destroy());

    test('holds for gradients taken after it', () => checkFootprint(device!, true));

    test('ends with its function, also where that throws, and refuses promises and other words', async () => {
      const { x, filters, geometry } = preferred(1);
      const before = await convolve(device!, x, filters, geometry);
      expect(() => w.withConvolution('direct', () => expect.fail('on purpose'))).toThrow('on purpose');
      expect(() => w.withConvolution('direct', async () => 1)).toThrow(
        new w.UsageError('withConvolution: the function returned a promise; it must be synchronous.'),
      );
      expect(() => w.withConvolution('Direct' as 'direct', () => 1)).toThrow(
        new w.UsageError('withConvolution: convolution must be one of default, direct, not "Direct".'),
      );
      expect(await convolve(device!, x, filters, geometry)).toEqual(before);
    });

    test('a captured step keeps the way in which it was recorded', async () => {
      const { x, filters } = preferred(1);
      const [tx, tw] = [x, filters].map(({ spec, values }) => w.tensor(values, [...spec.shape], { device }));
      const convolution = () => w.conv2d(tx, tw, { padding: 1 });
      const wanted = await w.withConvolution('direct', convolution).data();
      let y: w.Tensor | undefined;
      const capture = device!.capture(() => {
        y = w.withConvolution('direct', convolution);
      });
      capture.replay();
      expect(await y!.data()).toEqual(wanted);
      capture.dispose();
    });
  });
}

test('openDevice refuses ways of convolution that there are not', async () => {
  for (const kind of ['reference', 'wasm', 'webgpu'] as const) {
    await expect(w.openDevice(kind, { convolution: 'fft' as 'direct' })).rejects.toThrow(
      new w.UsageError('openDevice: convolution must be one of default, direct, not "fft".'),
    );
  }
});
