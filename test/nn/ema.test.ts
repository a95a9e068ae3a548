/** Moving averages: closed forms for decays however near to 1, warm-up, fixed points, replays, refused options. */
import { afterAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import * as nn from '../../src/nn/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const reference = new ReferenceDevice();
w.setDevice(reference);

describe('options', () => {
  const model = new nn.Linear(1, 1).initialize({ seed: 0 });
  test.each<[string, any, any, RegExp]>([
    ['decay above 1', 1.5, {}, /ExponentialMovingAverage: decay .*at most 1, not 1\.5/],
    ['decay below 0', -0.1, {}, /decay .*not -0\.1/],
    ['decay NaN', Number.NaN, {}, /decay .*not NaN/],
    ['no decay', undefined, {}, /decay .*not undefined/],
    ['warm-up in steps', 0.9, { warmUp: 100 }, /warmUp must be true or false, not 100/],
    ['an unknown option', 0.9, { warmup: true }, /no option "warmup"; there are warmUp/],
  ])('%s', (_, decay, options, message) => {
    const before = reference.memory();
    const make = () => new nn.ExponentialMovingAverage(model, decay, options);
    expect(make).toThrow(UsageError);
    expect(make).toThrow(message);
    expect(reference.memory()).toEqual(before);
  });
});

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`on ${name}`, () => {
    afterAll(() => device?.destroy());
    const one = () => new nn.Linear(1, 1, { bias: false }).initialize({ seed: 0, device: device! });
    const set = (model: nn.Linear, value: number) => model.arena.write('weight', Float64Array.of(value));
    const averageOf = async (average: nn.ExponentialMovingAverage) => (await device!.read(average.values))[0];

    // An average that starts at 0 and sees 1 is 1 - decay^n after n updates.
    test.each([
      [0, 1],
      [0.3, 5],
      [0.5, 9],
      [0.999, 469],
      [0.9999, 469],
      [0.99999, 200],
      [0.999999, 200],
      [1 - 2 ** -30, 100],
      [1, 10],
    ])('decay %s, %i updates', async (decay, count) => {
      const model = one();
      set(model, 0);
      const average = new nn.ExponentialMovingAverage(model, decay);
      set(model, 1);
      for (let i = 0; i < count; i++) average.update();
      const wanted = -Math.expm1(count * Math.log(decay));
      const got = await averageOf(average);
      // Each update rounds once; on the reference device, in float64.
      expect(Math.abs(got - wanted)).toBeLessThanOrEqual(wanted * (device!.kind === 'reference' ? 1e-12 : 3e-6));
      average.dispose();
      model.dispose();
    });

    test('what has arrived stays, to the bit: an average of constants is the constant', async () => {
      const model = new nn.Sequential({
        normalize: new nn.Normalize([0.286, 0.1, 1 / 3], [0.353, 0.7, 1e-3]),
        linear: new nn.Linear(3, 50),
      }).initialize({ seed: 5, device: device! });
      for (const decay of [0, 0.2, 0.9, 0.999, 0.99999]) {
        const average = new nn.ExponentialMovingAverage(model, decay);
        for (let i = 0; i < 50; i++) average.update();
        expect(await device!.read(average.values)).toEqual(await device!.read(model.arena.values));
        expect(await device!.read(average.state)).toEqual(await device!.read(model.arena.state));
        average.dispose();
      }
      model.dispose();
    });

    test('decay 0 is the model itself, of whatever size its steps are', async () => {
      const model = one();
      const average = new nn.ExponentialMovingAverage(model, 0);
      for (const value of [1e8, 1, -3e-20, 2e30, 7]) {
        set(model, value);
        average.update();
        expect(await averageOf(average)).toBe(device!.kind === 'reference' ? value : Math.fround(value));
      }
      average.dispose();
      model.dispose();
    });

    /** With warm-up: update t decays by min(decay, (1 + t) / (10 + t)). */
    const warmed = (decay: number, values: readonly number[], start: number): number =>
      values.reduce((sum, value, t) => {
        const kept = Math.min(decay, (1 + t) / (10 + t));
        return kept * sum + (1 - kept) * value;
      }, start);
    const values = Array.from({ length: 40 }, (_, i) => Math.sin(i));

    test.each([0.5, 0.9, 0.9999])('warm-up to %s, replayed or not', async decay => {
      const run = async (isReplayed: boolean) => {
        const model = one();
        set(model, -3);
        const average = new nn.ExponentialMovingAverage(model, decay, { warmUp: true });
        let replay: (() => void) | undefined;
        for (const value of values) {
          set(model, value);
          if (!isReplayed) average.update();
          else if (replay) replay();
          else {
            const capture = device!.capture(() => average.update());
            replay = () => capture.replay();
          }
        }
        const result = await averageOf(average);
        expect((await device!.read(average.updates!))[0]).toBe(values.length);
        average.restart();
        expect((await device!.read(average.updates!))[0]).toBe(0);
        average.dispose();
        model.dispose();
        return result;
      };
      const eager = await run(false);
      expect(eager).toBeCloseTo(warmed(decay, values, -3), device!.kind === 'reference' ? 12 : 5);
      expect(await run(true)).toBe(eager);
    });

    test('after dispose, or over a model that is gone, it says so', async () => {
      const model = one();
      await settle();
      const before = device!.memory().liveAllocations;
      const [gone, stale] = [
        new nn.ExponentialMovingAverage(model, 0.9, { warmUp: true }),
        new nn.ExponentialMovingAverage(model, 0.9),
      ];
      gone.dispose();
      gone.dispose();
      expect(() => gone.update()).toThrow(/this average has been disposed/);
      model.dispose();
      model.initialize({ seed: 1, device: device! });
      for (const call of [() => stale.update(), () => stale.swap(), () => stale.restart()]) {
        expect(call).toThrow(UsageError);
        expect(call).toThrow(/ExponentialMovingAverage: the model's parameters were freed or laid out anew/);
      }
      stale.dispose();
      expect(device!.memory().liveAllocations).toBe(before);
      model.dispose();
    });
  });
}
