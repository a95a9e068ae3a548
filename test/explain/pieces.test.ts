/**
 * Explanations on the reference device, which takes its time: the event loop turns often enough for a signal to be seen, and
 * values do not depend on how batches are cut, bit for bit.
 */
import { expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import {
  deepShap,
  expectedGradients,
  integratedGradients,
  kernelShap,
  lime,
  saliency,
} from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';

const device = new ReferenceDevice();
const x = w.randomUniform([3, 6, 6, 1], { seed: 1, device });
const background = w.randomUniform([40, 6, 6, 1], { seed: 2, device });
const weights = w.randomNormal([36, 3], { seed: 3, device });

/** A network that takes so many milliseconds per image. */
const network = (milliseconds: number) => (images: w.Tensor) => {
  const until = performance.now() + milliseconds * images.shape[0];
  while (performance.now() < until);
  return w.relu(w.matmul(w.tanh(w.reshape(images, [-1, 36])), weights));
};

const METHODS = {
  saliency: (f, options) => saliency(f, x, options),
  'integrated gradients': (f, options) => integratedGradients(f, x, { steps: 30, ...options }),
  'expected gradients': (f, options) => expectedGradients(f, x, { background, samples: 30, ...options }),
  DeepSHAP: (f, options) => deepShap(f, x, { background, ...options }),
  LIME: (f, options) => lime(f, x, { samples: 60, segmentCount: 9, ...options }),
  KernelSHAP: (f, options) => kernelShap(f, x, { samples: 60, segmentCount: 9, ...options }),
} satisfies Record<
  string,
  (
    f: ReturnType<typeof network>,
    options: { target: number; batchSize?: number },
  ) => Promise<{ values: ArrayLike<number> }>
>;
const methods = Object.entries(METHODS);

test.each(methods)('%s: a batch of any size gives the same bits', async (_, method) => {
  const { values } = await method(network(0), { target: 1 });
  for (const batchSize of [1, 7, 33]) {
    expect((await method(network(0), { target: 1, batchSize })).values, `batches of ${batchSize}`).toEqual(values);
  }
});

test.each(methods.slice(1))('%s: no wait of the event loop is longer than half a second', async (_, method) => {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  // The whole batch would hold it for seconds.
  await method(network(20), { target: 1 });
  clearInterval(timer);
  expect(Math.max(longest, performance.now() - last)).toBeLessThan(500);
});
