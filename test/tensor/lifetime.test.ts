/**
 * Who holds memory, and until when: `tidy`, `keep`, `dispose`, shared storage, the tape, and the finalizer behind them.
 * Counted by the device (allocations, bytes) and by the library (tensors).
 */
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { collectUntil, settle } from '../support/garbage.ts';

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`lifetimes on ${name}`, () => {
    afterAll(() => device?.destroy());
    const live = () => device!.memory().liveAllocations;
    const vector = (size = 4) => w.ones([size], { device });

    /** Runs `work`, which must leave as many allocations and tensors more as it says. */
    const leaves = (allocations: number, work: () => unknown, tensors = allocations) => {
      const before = [live(), w.liveTensorCount()];
      const result = work();
      expect([live() - before[0], w.liveTensorCount() - before[1]]).toEqual([allocations, tensors]);
      return result;
    };

    test('tidy frees what it made, except what it returns in any container', () => {
      leaves(0, () => {
        w.tidy(() => {
          w.add(w.mul(vector(), 2), vector());
        });
      });
      const results = [w.tidy(() => w.add(vector(), 1)), ...w.tidy(() => [w.add(vector(), 1), w.exp(vector())])];
      expect(results).toHaveLength(3);
      const kept = leaves(5, () =>
        w.tidy(() => {
          w.exp(vector());
          return {
            one: vector(),
            list: [vector(), { deep: vector() }],
            map: new Map([['key', vector()]]),
            set: new Set([vector()]),
            number: 3,
            nothing: null,
          };
        }),
      ) as { one: w.Tensor; list: [w.Tensor, { deep: w.Tensor }]; map: Map<string, w.Tensor>; set: Set<w.Tensor> };
      leaves(-5, () => w.dispose(kept.one, kept.list[0], kept.list[1].deep, kept.map.get('key'), ...kept.set));
      leaves(-3, () => w.dispose(...results));
    });

    test('what an inner tidy returns belongs to the outer one; keep belongs to nobody', () => {
      let kept: w.Tensor | undefined;
      let inner: w.Tensor | undefined;
      leaves(1, () =>
        w.tidy(() => {
          inner = w.tidy(() => w.exp(vector()));
          kept = w.tidy(() => w.keep(w.exp(vector())));
          expect(inner.isDisposed).toBe(false);
        }),
      );
      expect(inner!.isDisposed).toBe(true);
      expect(kept!.isDisposed).toBe(false);
      leaves(-1, () => kept!.dispose());
    });

    test('tidy frees everything when its function throws, and refuses promises', () => {
      leaves(0, () => {
        expect(() =>
          w.tidy(() => {
            w.exp(vector());
            throw new Error('no');
          }),
        ).toThrow('no');
      });
      leaves(0, () => {
        expect(() => w.tidy(async () => vector())).toThrow('tidy: the function returned a promise');
      });
      expect(() => w.noGrad(async () => 1)).toThrow('noGrad: the function returned a promise');
      expect(() => w.withDevice(device!, async () => 1)).toThrow('withDevice: the function returned a promise');
    });

    test('tidyUntilSettled frees what asynchronous work made at first, once it is done or has failed', async () => {
      const before = [live(), w.liveTensorCount()];
      let kept: w.Tensor | undefined;
      const work = async (fails: boolean) => {
        const sum = w.add(vector(), w.exp(vector()));
        kept ??= w.keep(vector());
        await Promise.resolve();
        expect(sum.isDisposed).toBe(false);
        if (fails) throw new Error('no');
        return { sum };
      };
      const { sum } = await w.tidyUntilSettled(() => work(false));
      await expect(w.tidyUntilSettled(() => work(true))).rejects.toThrow('no');
      const alike = await w.tidyUntilSettled(() => w.exp(vector()));
      expect([live() - before[0], w.liveTensorCount() - before[1]]).toEqual([3, 3]);
      w.dispose(sum, kept, alike);
      expect([live() - before[0], w.liveTensorCount() - before[1]]).toEqual([0, 0]);
    });

    test('an operation that is refused leaves nothing behind', () => {
      const [a, b] = [w.zeros([2, 3], { device }), w.zeros([4, 5], { device })];
      leaves(0, () => {
        expect(() => w.add(a, b)).toThrow();
        expect(() => w.matmul(a, b)).toThrow();
        expect(() => w.reshape(a, [7])).toThrow();
        expect(() => w.conv2d(w.keep(a), b)).toThrow();
      });
      w.dispose(a, b);
    });

    test('dispose: twice is harmless, using the tensor afterwards is not', async () => {
      const x = w.zeros([2, 3], { device });
      leaves(-1, () => {
        x.dispose();
        x.dispose();
      });
      expect(() => w.exp(x)).toThrow('This tensor of shape [2, 3] has been disposed.');
      expect(() => x.data()).toThrow('has been disposed');
      expect(x.shape).toEqual([2, 3]);
      w.dispose(undefined, x);
    });

    test('reshape and detach share storage, which goes with its last holder', async () => {
      const x = w.tensor([1, 2, 3, 4], undefined, { device });
      const square = leaves(0, () => w.reshape(x, [2, 2]), 1) as w.Tensor;
      const apart = leaves(0, () => w.detach(square), 1) as w.Tensor;
      leaves(0, () => x.dispose(), -1);
      leaves(0, () => square.dispose(), -1);
      expect([...(await apart.data())]).toEqual([1, 2, 3, 4]);
      leaves(-1, () => apart.dispose());
    });

    test('memory is counted in bytes as well', () => {
      const before = device!.memory();
      const x = w.zeros([1000], { device });
      const width = device!.kind === 'reference' ? 8 : 4;
      const { liveAllocations, liveBytes } = device!.memory();
      expect(liveAllocations).toBe(before.liveAllocations + 1);
      expect(liveBytes - before.liveBytes).toBeGreaterThanOrEqual(1000 * width);
      expect(liveBytes - before.liveBytes).toBeLessThan(1000 * width * 1.25);
      x.dispose();
      expect(device!.memory()).toMatchObject({ liveAllocations: before.liveAllocations, liveBytes: before.liveBytes });
    });

    test('the tape keeps what gradients need although tidy disposed it; a backward pass lets go of it', async () => {
      await settle();
      const x = w.watch(vector());
      const before = live();
      const loss = w.tidy(() => w.sum(w.mul(w.exp(x), w.exp(x))));
      expect(live()).toBeGreaterThan(before + 1);
      const [gradient] = w.gradients(loss, [x]);
      expect(live()).toBe(before + 2);
      expect([...(await gradient.data())][0]).toBeCloseTo(2 * Math.E ** 2, 4);
      w.dispose(loss, gradient);
      // A graph that nobody differentiates goes with its last tensor.
      const unused = w.tidy(() => w.sum(w.exp(x)));
      unused.dispose();
      expect(live()).toBe(before);
      x.dispose();
    });

    test('a tensor that is dropped gives its storage back when it is collected', async () => {
      await settle();
      const before = [live(), w.liveTensorCount()];
      const abandon = () => {
        for (let i = 0; i < 50; i++) w.exp(w.full([100 + i], i, { device }));
      };
      abandon();
      expect(live()).toBeGreaterThan(before[0]);
      await collectUntil(() => live() <= before[0]);
      expect([live(), w.liveTensorCount()]).toEqual(before);
    });

    test('so does a graph that is dropped with it', async () => {
      await settle();
      const x = vector();
      const before = live();
      const abandon = () => {
        w.tidy(() => w.sum(w.mul(w.exp(w.watch(x)), w.exp(x))));
      };
      abandon();
      expect(live()).toBeGreaterThan(before);
      await collectUntil(() => live() <= before);
      expect(live()).toBe(before);
      x.dispose();
    });

    test('what is still in use is not collected', async () => {
      const x = w.full([5], 3, { device });
      const y = w.reshape(w.exp(w.mul(x, 0)), [5]);
      await settle();
      expect([...(await y.data())]).toEqual([1, 1, 1, 1, 1]);
      expect([...(await x.data())]).toEqual([3, 3, 3, 3, 3]);
      w.dispose(x, y);
    });

    test('tensors of two devices do not meet', () => {
      const other = new ReferenceDevice();
      const [here, there] = [vector(), w.ones([4], { device: other })];
      const kinds = `one tensor is on ${device!.kind} and another on reference`;
      expect(() => w.add(here, there)).toThrow(kinds);
      expect(() => w.concat([here, there])).toThrow(kinds);
      expect(other.memory().liveAllocations).toBe(1);
      here.dispose();
    });

    test('withDevice changes the default for its function only', () => {
      const other: Device = new ReferenceDevice();
      w.setDevice(other);
      expect(w.withDevice(device!, () => w.getDevice())).toBe(device);
      expect(() =>
        w.withDevice(device!, () => {
          throw new Error('no');
        }),
      ).toThrow('no');
      expect(w.getDevice()).toBe(other);
    });
  });
}

test('a tensor dropped after its device was destroyed is no trouble', async () => {
  const before = w.liveTensorCount();
  const abandon = async () => {
    const device = new ReferenceDevice();
    w.ones([10], { device });
    await device.destroy();
  };
  await abandon();
  await collectUntil(() => w.liveTensorCount() <= before);
  expect(w.liveTensorCount()).toBeLessThanOrEqual(before);
});
