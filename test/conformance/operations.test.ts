/**
 * Every operation and its gradient on every device, on the examples of its row: the same numbers as in float64. The cases
 * of the kernel families look at kernels one by one, at every size and with tight bounds; this looks at how operations put
 * them together, and leaves none out.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { Example } from '../../src/autograd/row.ts';
import type { Device } from '../../src/devices/device.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { dispose, randomNormal, type Tensor, tidy, valueAndGrad } from '../../src/index.ts';
import { KERNEL_FAMILIES } from '../../src/kernels/by-name.ts';
import { ALL_CONFIGURATIONS, openTestDevices } from '../support/devices.ts';
import { asFunctionOf, EXAMPLES, inputsOf, operandsOf } from '../support/examples.ts';

const reference = new ReferenceDevice();
const devices = await openTestDevices(ALL_CONFIGURATIONS);

/** The value, and the gradients of its elements' sum with random weights where it is of floats. */
async function valueAndGradients(example: Example, device: Device): Promise<ArrayLike<number>[]> {
  const tensors = tidy((): Tensor[] => {
    const inputs = inputsOf(example, device);
    const f = asFunctionOf(example, inputs);
    const operands = operandsOf(example, inputs);
    const plain = f(...operands);
    if (plain.dtype !== 'float32') return [plain];
    const upstream = randomNormal(plain.shape, { seed: 99, device });
    const { value, grads } = valueAndGrad(() => f(...operands), operands, { upstream });
    return [value, ...grads];
  });
  const values = await Promise.all(tensors.map(x => x.data()));
  dispose(...tensors);
  return values;
}

/** The largest difference, as a share of the largest value (at least 1). */
function deviation(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  const scale = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return Array.from(expected).reduce((worst, value, i) => Math.max(worst, Math.abs(actual[i] - value) / scale), 0);
}

for (const { name, device } of devices) {
  describe.skipIf(!device)(`operations on ${name}`, () => {
    if (device) afterAll(() => device.destroy());
    for (const { name: title, example } of EXAMPLES) {
      test(title, async () => {
        const expected = await valueAndGradients(example, reference);
        const actual = await valueAndGradients(example, device!);
        expect(actual).toHaveLength(expected.length);
        actual.forEach((values, i) => {
          const what = i === 0 ? 'value' : `gradient ${i - 1}`;
          expect(deviation(values, expected[i]), what).toBeLessThan(5e-6);
        });
      });
    }
  });
}

describe('no kernel without conformance cases', () => {
  const folder = (path: string): URL => new URL(`../../src/kernels/${path}`, import.meta.url);

  test('every folder of kernels is known by name', () => {
    const folders = readdirSync(folder(''), { withFileTypes: true }).filter(entry => entry.isDirectory());
    // The loops of `ceilings` measure a device; test/kernels/ceilings.test.ts runs them.
    const computing = folders.map(({ name }) => name).filter(name => name !== 'ceilings');
    expect([...KERNEL_FAMILIES.keys()].sort()).toEqual(computing.sort());
  });

  test.each([...KERNEL_FAMILIES.keys()])('%s runs the suite, which wants a case of every kernel', family => {
    const file = new URL(`${family}.test.ts`, import.meta.url);
    expect(existsSync(file)).toBe(true);
    expect(readFileSync(file, 'utf8')).toContain(`await runConformance('${family}', cases);`);
  });
});
