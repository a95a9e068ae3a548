/**
 * Geometry that cannot mean anything is refused where it comes in, in the same words on every device, before anything is
 * allocated: by convolution, transposed convolution and pooling, by the kernels behind them, and when layers are made.
 */
import { afterAll, describe, expect, test } from 'vitest';
import * as w from '../../src/index.ts';
import { conv2d, conv2dInputGradient, conv2dWeightGradient } from '../../src/kernels/conv2d/index.ts';
import { avgPool2dGradient, maxPool2d } from '../../src/kernels/pool/index.ts';
import * as nn from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';

const NOT_ONE = 'a whole number of at least 1';
const LIMIT = 'at most 2147483647';
const PADDINGS = "'same', 'valid', a whole number of at least 0, or an array of 2 or 4 of them";

/** Options that are refused, and the whole message after the name of what was called. */
const STEPS: [value: unknown, message: (name: string) => string][] = [
  [0, name => `${name} must be ${NOT_ONE}, not 0.`],
  [-1, name => `${name} must be ${NOT_ONE}, not -1.`],
  [1.5, name => `${name} must be ${NOT_ONE}, not 1.5.`],
  [Number.NaN, name => `${name} must be ${NOT_ONE}, not NaN.`],
  [Infinity, name => `${name} must be ${NOT_ONE} and ${LIMIT}, not Infinity.`],
  [2 ** 31, name => `${name} must be ${NOT_ONE} and ${LIMIT}, not 2147483648.`],
  ['2', name => `${name} must be ${NOT_ONE}, not "2".`],
  [null, name => `${name} must be ${NOT_ONE}, not null.`],
];
const PAIRS: typeof STEPS = [
  ...STEPS,
  [[1], name => `${name} must be one value or an array of two, not [1].`],
  [[1, 2, 3], name => `${name} must be one value or an array of two, not [1, 2, 3].`],
  [[1, 0], name => `${name}[1] must be ${NOT_ONE}, not 0.`],
];
const PADDING: [value: unknown, message: string][] = [
  ['SAME', `padding must be ${PADDINGS}, not "SAME".`],
  ['', `padding must be ${PADDINGS}, not "".`],
  [null, `padding must be ${PADDINGS}, not null.`],
  [[1], `padding must be ${PADDINGS}, not [1].`],
  [-1, 'padding must be a whole number of at least 0, not -1.'],
  [0.5, 'padding must be a whole number of at least 0, not 0.5.'],
  [Number.NaN, 'padding must be a whole number of at least 0, not NaN.'],
  [[0, 0, 0, -1], 'padding[3] must be a whole number of at least 0, not -1.'],
  [2 ** 31, `padding must be a whole number of at least 0 and ${LIMIT}, not 2147483648.`],
];
const OPTIONS: [options: unknown, message: string][] = [
  ...PAIRS.map(([stride, message]): [unknown, string] => [{ stride }, message('stride')]),
  ...PADDING.map(([padding, message]): [unknown, string] => [{ padding }, message]),
];
const CONVOLUTIONS: typeof OPTIONS = [
  ...OPTIONS,
  ...PAIRS.map(([dilation, message]): [unknown, string] => [{ dilation }, message('dilation')]),
  ...STEPS.map(([groups, message]): [unknown, string] => [{ groups }, message('groups')]),
  [null, 'options must be an object, not null.'],
];
const POOLS: typeof OPTIONS = [
  ...OPTIONS.map(([options, message]): [unknown, string] => [{ kernel: 2, ...(options as object) }, message]),
  ...PAIRS.map(([kernel, message]): [unknown, string] => [{ kernel }, message('kernel')]),
  [{ kernel: 2, padding: 2 }, 'padding must be less than the kernel [2, 2] on every side, not 2.'],
  [{ kernel: 2 ** 31 - 1 }, `kernel must be a window of ${LIMIT} pixels, not [2147483647, 2147483647].`],
  [{ kernel: 2, ceilMode: 1 }, 'ceilMode must be true or false, not 1.'],
  [2, 'options must be an object, not 2.'],
];

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`windows on ${name}`, () => {
    const ones = (...shape: number[]): w.Tensor => w.ones(shape, { device });
    const [x, filters, y] = device ? [ones(2, 6, 6, 4), ones(3, 3, 4, 4), ones(2, 3, 3, 4)] : [];
    afterAll(() => device?.destroy());

    /** The call throws this, and holds no more memory than before. */
    const refused = (call: () => unknown, message: string, type: new (message: string) => Error = w.UsageError) => {
      const before = device!.memory();
      expect(call, message).toThrow(new type(message));
      expect(call, message).toThrow(type);
      const { liveAllocations, liveBytes } = device!.memory();
      expect({ liveAllocations, liveBytes }).toEqual({
        liveAllocations: before.liveAllocations,
        liveBytes: before.liveBytes,
      });
    };

    test('conv2d', () => {
      const call = (options: unknown) => () => w.conv2d(x!, filters!, options as w.Conv2dOptions);
      for (const [options, message] of CONVOLUTIONS) refused(call(options), `conv2d: ${message}`);
      for (const activation of ['gelu', 'RELU', null])
        refused(
          call({ activation }),
          `conv2d: activation must be one of none, relu, not ${JSON.stringify(activation)}.`,
        );
      refused(call({ bias: 1 }), 'conv2d: bias must be a tensor [K], not 1.');
      refused(
        call({ strides: 2 }),
        'conv2d: there is no option "strides"; there are stride, padding, dilation, groups, bias, activation.',
      );
    });

    test('images and filters that do not fit', () => {
      const pairs: [w.Tensor, w.Tensor, w.Conv2dOptions, RegExp][] = [
        [ones(1, 2, 2, 4), filters!, {}, /filters \[3, 3, 4, 4\] are larger than the padded images \[1, 2, 2, 4\]/],
        [x!, filters!, { dilation: 3 }, /larger than the padded images/],
        [x!, ones(0, 3, 4, 4), {}, /must have pixels and channels/],
        [x!, ones(3, 3, 4, 0), {}, /must have pixels and channels/],
        [ones(1, 0, 6, 4), filters!, { padding: 3 }, /must have pixels and channels/],
        [x!, filters!, { groups: 3 }, /do not fit with 3 group\(s\)/],
        [x!, ones(3, 3, 2, 3), { groups: 2 }, /do not fit with 2 group\(s\)/],
        [ones(6, 6, 4), filters!, {}, /must have rank 4, not 3 and 4/],
      ];
      const before = device!.memory().liveAllocations;
      for (const [images, w3, options, message] of pairs) {
        expect(() => w.conv2d(images, w3, options)).toThrow(w.ShapeError);
        expect(() => w.conv2d(images, w3, options)).toThrow(message);
      }
      expect(device!.memory().liveAllocations).toBe(before);
      for (const padding of [1e6, 1e9]) {
        expect(() => w.conv2d(x!, filters!, { padding })).toThrow(w.OutOfMemoryError);
        expect(device!.memory().liveAllocations).toBe(before);
      }
    });

    test('conv2dTranspose', () => {
      const call = (size: unknown, options: unknown) => () =>
        w.conv2dTranspose(y!, filters!, size as [number, number], options as w.Conv2dOptions);
      for (const [options, message] of CONVOLUTIONS) refused(call([5, 5], options), `conv2dTranspose: ${message}`);
      for (const [value, message] of STEPS) {
        const said = message('outputSize[1]');
        refused(call([5, value], {}), `conv2dTranspose: ${said}`);
      }
      for (const size of [5, null, [5], [5, 5, 5]]) {
        const shown = Array.isArray(size) ? `[${size.join(', ')}]` : size;
        refused(
          call(size, {}),
          `conv2dTranspose: outputSize must be an array of two whole numbers, [height, width], not ${shown}.`,
        );
      }
      refused(
        call([9, 5], {}),
        'conv2dTranspose: outputSize must be a size from which this convolution makes images of [3, 3] pixels, not [9, 5].',
      );
      refused(
        call([5, 5], { activation: 'relu' }),
        'conv2dTranspose: there is no option "activation"; there are stride, padding, dilation, groups.',
      );
    });

    test('pooling', () => {
      for (const [pool, run] of Object.entries({ maxPool2d: w.maxPool2d, avgPool2d: w.avgPool2d })) {
        const call =
          (options: unknown, images = x!) =>
          () =>
            run(images, options as w.PoolOptions);
        for (const [options, message] of POOLS) refused(call(options), `${pool}: ${message}`);
        refused(call({ kernel: 2 }, ones(6, 6, 4)), `${pool}: images [6, 6, 4] must be [N, H, W, C].`, w.ShapeError);
        expect(call({ kernel: 7 })).toThrow(/windows \[7, 7\] do not fit into the padded images/);
        expect(call({ kernel: 2, dilation: 2 })).toThrow(
          /there is no option "dilation"; there are kernel, stride, padding/,
        );
      }
      refused(
        () => w.avgPool2d(x!, { kernel: 2, countPadding: 'yes' as unknown as boolean }),
        'avgPool2d: countPadding must be true or false, not "yes".',
      );
    });

    test('kernels that are run without an operation', () => {
      const geometry = { strides: [1, 1], padding: [0, 0, 0, 0], dilations: [1, 1], groups: 1 } as const;
      const float = (...shape: number[]) => ({ shape, dtype: 'float32' }) as const;
      const [images, w4, dy] = [float(2, 6, 6, 4), float(3, 3, 4, 4), float(2, 4, 4, 4)];
      for (const wrong of [
        { strides: [0, 1] as const },
        { dilations: [1, -1] as const },
        { padding: [0, 0, 0.5, 0] as const },
        { padding: [0, -1, 0, 0] as const },
        { groups: 0.5 },
      ]) {
        const params = { ...geometry, ...wrong };
        expect(() => conv2d.infer([images, w4], { ...params, activation: 'none' })).toThrow(w.UsageError);
        expect(() => conv2dInputGradient.infer([dy, w4], { ...params, inputSize: [6, 6] })).toThrow(w.UsageError);
        expect(() => conv2dWeightGradient.infer([images, dy], { ...params, kernelSize: [3, 3] })).toThrow(w.UsageError);
      }
      expect(() => conv2dInputGradient.infer([dy, w4], { ...geometry, inputSize: [6.5, 6] })).toThrow(/inputSize\[0\]/);
      expect(() => conv2dWeightGradient.infer([images, dy], { ...geometry, kernelSize: [3, 0] })).toThrow(/kernelSize/);
      const pool = { kernel: [2, 2], strides: [1, 0], padding: [0, 0, 0, 0] } as const;
      expect(() => maxPool2d.infer([images], pool)).toThrow(/maxPool2d: strides\[1\] must be/);
      const average = { ...pool, strides: [2, 2] as const, padding: [2, 0, 0, 0] as const, countPadding: true };
      expect(() => avgPool2dGradient.infer([float(2, 3, 3, 4)], { ...average, inputSize: [6, 6] })).toThrow(
        /padding must be less than the kernel \[2, 2\]/,
      );
    });

    test('strides beyond the image, and dilations of one tap, are taken for what they mean', async () => {
      const [images, taps] = [
        w.randomNormal([1, 5, 6, 4], { seed: 1, device }),
        w.randomNormal([1, 3, 4, 8], { seed: 2, device }),
      ];
      const far = { stride: 2 ** 31 - 1, dilation: [2 ** 31 - 1, 2], padding: [0, 1] } as const;
      const near = { stride: 9, dilation: [1, 2], padding: [0, 1] } as const;
      const results = [far, near].map(options =>
        w.valueAndGrad(() => w.sum(w.conv2d(images, taps, options)), [images, taps]),
      );
      const [a, b] = await Promise.all(
        results.map(({ value, grads }) => Promise.all([value, ...grads].map(tensor => tensor.data()))),
      );
      expect(a).toEqual(b);
      const pooled = w.maxPool2d(images, { kernel: 2, stride: 2 ** 31 - 1 });
      expect(pooled.shape).toEqual([1, 1, 1, 4]);
    });

    test('a model of more numbers than there is memory for is one sentence', () => {
      const before = device!.memory().liveAllocations;
      for (const channels of [1e6, 1e9]) {
        const layer = new nn.Conv2d(channels, channels, 3);
        expect(() => layer.initialize({ device: device!, seed: 1 })).toThrow(w.OutOfMemoryError);
        expect(() => layer.initialize({ device: device!, seed: 1 })).toThrow(/^initialize: the model's \d+ numbers/);
      }
      expect(device!.memory().liveAllocations).toBe(before);
    });
  });
}

describe('layers, when they are made', () => {
  test('Conv2d', () => {
    for (const [options, message] of CONVOLUTIONS)
      expect(() => new nn.Conv2d(4, 4, 3, options as object)).toThrow(new w.UsageError(`Conv2d: ${message}`));
    for (const [kernel, message] of PAIRS)
      expect(() => new nn.Conv2d(4, 4, kernel as number)).toThrow(new w.UsageError(`Conv2d: ${message('kernel')}`));
  });

  test('pools', () => {
    for (const [name, Pool] of Object.entries({ MaxPool2d: nn.MaxPool2d, AvgPool2d: nn.AvgPool2d })) {
      for (const [options, message] of OPTIONS)
        expect(() => new Pool(2, options as object)).toThrow(new w.UsageError(`${name}: ${message}`));
      for (const [kernel, message] of PAIRS)
        expect(() => new Pool(kernel as number)).toThrow(new w.UsageError(`${name}: ${message('kernel')}`));
      expect(() => new Pool(2, { padding: 2 })).toThrow(/padding must be less than the kernel \[2, 2\]/);
      expect(() => new Pool(2, { kernel: 3 } as object)).toThrow(/there is no option "kernel"/);
      expect(() => new Pool(2, null as unknown as object)).toThrow(`${name}: options must be an object, not null.`);
    }
    expect(() => new nn.AvgPool2d(2, { countPadding: 1 as unknown as boolean })).toThrow(
      'AvgPool2d: countPadding must be true or false, not 1.',
    );
  });
});
