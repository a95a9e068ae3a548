/** One convolution that can be checked by hand, on every device; then every variant of the kernels over cases of every form. */
import { afterAll, describe, expect, test } from 'vitest';
import { conv2d, tensor, valueAndGrad } from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { cases } from './conv2d.cases.ts';
import { runConformance } from './suite.ts';

/*
 * A filter of 2 x 2 over an image of 3 x 3, no padding, stride 1:
 *
 *     x = 1 2 3      w = 1 2      dy =   1   10
 *         4 5 6          3 4           100 1000
 *         7 8 9
 *
 * One channel, one image. dy has powers of ten, so that the digits of the gradients show which products they are made of.
 */
const IMAGE = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const FILTER = [1, 2, 3, 4];
const UPSTREAM = [1, 10, 100, 1000];

/** y[i, j] = sum of w[a, b] x[i + a, j + b]: the filter lies on the image as it is, not turned around. */
const OUTPUT = [
  1 * 1 + 2 * 2 + 3 * 4 + 4 * 5, // w on 1 2 / 4 5: 37
  1 * 2 + 2 * 3 + 3 * 5 + 4 * 6, // w on 2 3 / 5 6: 47
  1 * 4 + 2 * 5 + 3 * 7 + 4 * 8, // w on 4 5 / 7 8: 67
  1 * 5 + 2 * 6 + 3 * 8 + 4 * 9, // w on 5 6 / 8 9: 77
];

/** dx[i, j] = sum of w[a, b] dy[i - a, j - b]: every pixel collects from the outputs that looked at it. */
const IMAGE_GRADIENT = [
  1 * 1, // the corner pixel was seen once, through w[0, 0]
  2 * 1 + 1 * 10, // from the first output through w[0, 1], from the second through w[0, 0]: 12
  2 * 10,
  3 * 1 + 1 * 100, // 103
  4 * 1 + 3 * 10 + 2 * 100 + 1 * 1000, // the pixel in the middle was seen by all four: 1234
  4 * 10 + 2 * 1000, // 2040
  3 * 100,
  4 * 100 + 3 * 1000, // 3400
  4 * 1000,
];

/** dw[a, b] = sum of dy[i, j] x[i + a, j + b]: every weight collects from the four places that it lay on. */
const FILTER_GRADIENT = [
  1 * 1 + 10 * 2 + 100 * 4 + 1000 * 5, // 5421
  1 * 2 + 10 * 3 + 100 * 5 + 1000 * 6, // 6532
  1 * 4 + 10 * 5 + 100 * 7 + 1000 * 8, // 8754
  1 * 5 + 10 * 6 + 100 * 8 + 1000 * 9, // 9865
];

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`3 x 3 with 2 x 2, as worked out by hand: ${name}`, () => {
    afterAll(() => device?.destroy());

    test('forward pass and both gradients', async () => {
      const x = tensor(Float32Array.from(IMAGE), [1, 3, 3, 1], { device });
      const w = tensor(Float32Array.from(FILTER), [2, 2, 1, 1], { device });
      const upstream = tensor(Float32Array.from(UPSTREAM), [1, 2, 2, 1], { device });
      const { value, grads } = valueAndGrad(() => conv2d(x, w), [x, w], { upstream });
      expect(value.shape).toEqual([1, 2, 2, 1]);
      expect(Array.from(await value.data())).toEqual(OUTPUT);
      expect(Array.from(await grads[0].data())).toEqual(IMAGE_GRADIENT);
      expect(Array.from(await grads[1].data())).toEqual(FILTER_GRADIENT);
    });
  });
}

await runConformance('conv2d', cases);
