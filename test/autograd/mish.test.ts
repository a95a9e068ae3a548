/**
 * mish on every device: values, gradients and second derivatives of PyTorch (1.13, float64), and what becomes of NaN and of
 * infinities. The numbers are what this prints:
 *
 *   import torch
 *   x = torch.tensor([-90, -20, -5, -1.1924, -1, -0.25, 0, 0.25, 1, 3, 8, 20, 90], dtype=torch.float64, requires_grad=True)
 *   y = torch.nn.functional.mish(x)
 *   [dx] = torch.autograd.grad(y.sum(), x, create_graph=True)
 *   [ddx] = torch.autograd.grad(dx.sum(), x)
 *   for a in (x, y, dx, ddx): print(a.tolist())
 */
import { afterAll, describe, expect, test } from 'vitest';
import * as w from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';

const X = [-90, -20, -5, -1.1924, -1, -0.25, 0, 0.25, 1, 3, 8, 20, 90];
const Y = [
  -7.374611361591463e-38, -4.122307240628762e-8, -0.033576237730161704, -0.30884341288719847, -0.30340146137410895,
  -0.12992696367914103, 0, 0.1695724096638176, 0.8650983882673103, 2.9865350049679575, 7.999998200644843, 20, 90,
];
const DX = [
  -7.292671235351558e-38, -3.916191874348969e-8, -0.02674749801990194, 8.332849279868437e-6, 0.059216755877395,
  0.43981560172180517, 0.6, 0.7541726677205928, 1.0490362200997922, 1.0211069109294435, 1.0000033725836872, 1, 1,
];
const DDX = [
  -7.210731109111653e-38, -3.710076504245659e-8, -0.01985067826260836, 0.2669606953464603, 0.34970567367064487,
  0.6305818929823926, 0.64, 0.5824164008547952, 0.1846857644733283, -0.030266496639326814, -6.2920095065510445e-6, 0, 0,
];

/** Bounds as absolute + relative |expected|. WGSL promises e^x to 3 + 2|x| units in the last place, and no subnormals. */
const BOUNDS = {
  reference: { relative: 1e-14, absolute: 1e-15 },
  wasm: { relative: 1e-6, absolute: 3e-7 },
  webgpu: { relative: 2e-5, absolute: 1e-6 },
};

const devices = await openTestDevices();

for (const { name, device } of devices) {
  describe.skipIf(!device)(`mish on ${name}`, () => {
    if (device) afterAll(() => device.destroy());

    async function expectValues(actual: w.Tensor, expected: readonly number[], absolute: number): Promise<void> {
      const { relative } = BOUNDS[device!.kind];
      (await actual.data()).forEach((value, i) => {
        const bound = absolute + relative * Math.abs(expected[i]);
        expect(Math.abs(value - expected[i]), `${value} at ${X[i]}, not ${expected[i]}`).toBeLessThanOrEqual(bound);
      });
    }
    // float64, which the reference device keeps.
    const tensor = (values: readonly number[]) => w.tensor(Float64Array.from(values), undefined, { device: device! });

    test('values to the last digits, however small', () => expectValues(w.mish(tensor(X)), Y, 1e-37));

    test('gradients, and gradients of gradients', async () => {
      const x = tensor(X);
      const { absolute } = BOUNDS[device!.kind];
      await expectValues(w.grad(() => w.sum(w.mish(x)), [x])[0], DX, absolute);
      const slope = () => w.sum(w.grad(() => w.sum(w.mish(x)), [x], { createGraph: true })[0]);
      await expectValues(w.grad(slope, [x])[0], DDX, 10 * absolute);
    });

    test('NaN passes; infinity is mapped to itself with slope 1, minus infinity to NaN', async () => {
      const x = tensor([Number.NaN, Infinity, -Infinity, 3e38, -3e38]);
      const { value, grads } = w.valueAndGrad(() => w.mish(x), [x], { upstream: w.onesLike(x) });
      const huge = Math.fround(3e38);
      expect(Array.from(await value.data(), Math.fround)).toEqual([Number.NaN, Infinity, Number.NaN, huge, -0]);
      expect(Array.from(await grads[0].data())).toEqual([Number.NaN, 1, Number.NaN, 1, expect.closeTo(0, 10)]);
    });
  });
}
