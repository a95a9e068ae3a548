/** The leading components by products with the points are those of the whole covariance. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { openDevice } from '../../src/devices/open.ts';
import { leadingComponents } from '../../src/explore/leading-components.ts';
import { fitPca, transformPca } from '../../src/explore/pca.ts';
import { symmetricEigen } from '../../src/explore/symmetric-eigen.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice('wasm');
});
afterAll(() => device.destroy());

/** Centred points with a spectrum that falls off, on a little noise. */
function points(count: number, dimensions: number, directions: number): Float64Array {
  const random = new PhiloxStream(1, 2, 3);
  const along = Float64Array.from({ length: directions * dimensions }, () => random.normal());
  const values = new Float64Array(count * dimensions);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < directions; j++) {
      const weight = random.normal() / (1 + j) / 10;
      for (let k = 0; k < dimensions; k++) values[i * dimensions + k] += weight * along[j * dimensions + k];
    }
    for (let k = 0; k < dimensions; k++) values[i * dimensions + k] += 0.002 * random.normal();
  }
  for (let k = 0; k < dimensions; k++) {
    let mean = 0;
    for (let i = 0; i < count; i++) mean += values[i * dimensions + k] / count;
    for (let i = 0; i < count; i++) values[i * dimensions + k] -= mean;
  }
  return values;
}

test.each([
  [300, 120],
  [40, 200],
])('%i points of %i dimensions', async (count, dimensions) => {
  const values = points(count, dimensions, 30);
  const data = {
    count,
    dimensions,
    rows: (start: number, end: number) => values.slice(start * dimensions, end * dimensions),
  };
  const found = await leadingComponents(data, 8, { device, chunk: 64 });
  const covariance = Float64Array.from({ length: dimensions * dimensions }, (_, at) => {
    const [a, b] = [Math.floor(at / dimensions), at % dimensions];
    let sum = 0;
    for (let i = 0; i < count; i++) sum += values[i * dimensions + a] * values[i * dimensions + b];
    return sum / (count - 1);
  });
  const expected = symmetricEigen(covariance, dimensions);
  for (let c = 0; c < 8; c++) {
    expect(found.values[c] / expected.values[c]).toBeCloseTo(1, 4);
    let cosine = 0;
    for (let k = 0; k < dimensions; k++) {
      cosine += found.vectors[c * dimensions + k] * expected.vectors[c * dimensions + k];
    }
    expect(Math.abs(cosine)).toBeGreaterThan(0.999);
  }
});

test('PCA of images whose covariance is too large keeps distances as far as its components go', async () => {
  const [count, dimensions] = [60, 1200];
  const values = points(count, dimensions, 5);
  const pca = await fitPca({ values, count, dimensions }, { components: 10, device });
  let squares = 0;
  for (const value of values) squares += value * value;
  expect(pca.totalVariance).toBeCloseTo(squares / (count - 1), 8);
  expect(pca.explainedVarianceRatio.reduce((sum, share) => sum + share, 0)).toBeGreaterThan(0.97);
  const scores = await transformPca(pca, { values, count, dimensions }, device);
  let kept = 0;
  for (const value of scores.values) kept += value * value;
  const explained = pca.explainedVariance.reduce((sum, variance) => sum + variance, 0);
  expect(kept / (count - 1) / explained).toBeCloseTo(1, 5);
});
