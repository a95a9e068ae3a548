/** A device that computes at once lets the event loop turn when somebody waits for it. */
import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../src/devices/open.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';

const devices = [await openWasmDevice({ threads: 1 }), await openDevice('reference')];
afterAll(async () => {
  for (const device of devices) await device.destroy();
});

/** Holds the event loop as a long kernel would. */
function hold(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** Whether others had their turn while `wait` was awaited after 80 ms of work. */
async function othersHadTheirTurn(wait: () => Promise<unknown>): Promise<boolean> {
  // What went before must not count.
  await new Promise(resolve => setTimeout(resolve, 5));
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  hold(80);
  await wait();
  return turned;
}

describe.each(devices)('$kind', device => {
  const storage = device.allocate(4, 'float32');
  device.write(storage, new Float32Array(4));

  it.each<[string, () => Promise<unknown>]>([
    ['read', () => device.read(storage)],
    ['sync', () => device.sync()],
    ['pace', () => device.pace(1)],
  ])('%s gives way after long work', async (_, wait) => {
    expect(await othersHadTheirTurn(wait)).toBe(true);
  });

  it('timers run between waits, though nothing but settled promises is awaited', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    for (let i = 0; i < 5; i++) {
      hold(60);
      await device.pace(1);
    }
    clearInterval(timer);
    expect(ticks).toBeGreaterThanOrEqual(3);
  });

  it('a read gives the values of the moment it was called, whatever others write meanwhile', async () => {
    device.write(storage, Float32Array.of(1, 2, 3, 4));
    hold(80);
    const reading = device.read(storage);
    device.write(storage, new Float32Array(4));
    expect([...(await reading)]).toEqual([1, 2, 3, 4]);
  });

  it('nobody else has a turn within a profile, which would count what they do', async () => {
    let turned = true;
    await device.profile(async () => {
      turned = await othersHadTheirTurnInside();
    });
    expect(turned).toBe(false);

    async function othersHadTheirTurnInside(): Promise<boolean> {
      let seen = false;
      setImmediate(() => {
        seen = true;
      });
      hold(80);
      await device.read(storage);
      return seen;
    }
  });
});
