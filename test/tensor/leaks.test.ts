/** `expectNoLeaks` finds what is left behind and says what it is; `using` leaves nothing. */
import { afterAll, describe, expect, test } from 'vitest';
import * as w from '../../src/index.ts';
import { cnn, SGD } from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`leaks on ${name}`, () => {
    afterAll(() => device?.destroy());
    const vector = (size = 4) => w.ones([size], { device });
    const check = <T>(f: () => T | Promise<T>) => w.expectNoLeaks(f, { device });

    test('work that disposes what it makes passes, and its result is handed on', async () => {
      await settle();
      const total = async () => {
        using sum = w.tidy(() => w.sum(w.mul(vector(), 2)));
        return sum.item();
      };
      expect(await check(total)).toBe(8);
      const kept = await check(() => w.tidy(() => ({ list: [w.add(vector(), 1)] })));
      expect(kept.list[0].isDisposed).toBe(false);
      kept.list[0].dispose();
      const x = vector(6);
      // A tensor that shares memory with one from outside.
      (await check(() => w.reshape(x, [2, 3]))).dispose();
      x.dispose();
    });

    test('tensors that are left are named, made before or after the first await', async () => {
      await settle();
      const left: w.Tensor[] = [];
      const leave = (size: number) => void left.push(vector(size));
      await expect(check(() => leave(3))).rejects.toThrow(
        /^expectNoLeaks: the work left 1 tensor \(\[3\] float32\) and 1 allocation on \w+ behind; [\d,]+ bytes more/,
      );
      await expect(check(() => w.tidy(() => w.keep(vector(5))) && undefined)).rejects.toThrow('1 tensor ([5] float32)');
      await expect(
        check(async () => {
          await Promise.resolve();
          leave(7);
          leave(7);
        }),
      ).rejects.toThrow(/left 2 tensors and 2 allocations/);
      for (const one of left) one.dispose();
    });

    test('what a tape keeps is found, until the tensor that hangs on it is disposed', async () => {
      await settle();
      const x = w.watch(vector());
      let y: w.Tensor | undefined;
      // The square saves what it was given, which is gone otherwise.
      const squared = () => {
        y = w.tidy(() => w.square(w.add(x, 1)));
        return y;
      };
      await expect(check(squared)).rejects.toThrow(/left \d allocations? on \w+ behind/);
      y!.dispose();
      await check(() => squared().dispose());
      x.dispose();
    });

    test('an error of the work itself comes through', async () => {
      await expect(check(() => Promise.reject(new RangeError('its own')))).rejects.toThrow(RangeError);
      await expect(w.expectNoLeaks(3 as never, { device })).rejects.toThrow('it takes a function, not number');
    });

    test('using disposes tensors, captures, models and optimizers where their block ends', async () => {
      await settle();
      await check(async () => {
        using model = cnn({ widths: [2, 2], hidden: 4 }).initialize({ device, seed: 0 });
        using optimizer = new SGD(model, { learningRate: 0.1 });
        using images = w.ones([2, 28, 28, 1], { device });
        using total = w.sum(images);
        using doubled = device!.capture(() => w.tidy(() => void w.mul(total, 2)));
        doubled.replay();
        optimizer.prepare();
        expect(await total.item()).toBe(2 * 784);
      });
    });
  });
}

test('await using closes a device', async () => {
  let opened: w.Device;
  {
    await using device = await w.openDevice('reference');
    opened = device;
    using x = w.ones([2], { device });
    expect(x.size).toBe(2);
  }
  expect(() => w.ones([2], { device: opened })).toThrow(/destroyed|closed/);
});
