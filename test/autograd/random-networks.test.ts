/**
 * Random networks and graphs of operations, second derivatives included. A fixed corpus against PyTorch's values in float64
 * (expected-programs.py), and fresh ones: on the reference device against central differences of the first derivatives,
 * on the other devices against the reference device. Fresh ones come from a seed that is printed; WEFT_SEED repeats it,
 * WEFT_FUZZ_SECONDS says how long to look (default 40).
 */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import { MAIN_DEVICES, openTestDevices } from '../support/devices.ts';
import { randomGraph, randomNetwork } from './program-generator.ts';
import { type Digest, deviation, digest, directionOf, leafValues, type Program, penalized } from './programs.ts';

const SEED = Number(process.env.WEFT_SEED ?? Date.now() % 2 ** 31);
const SECONDS = Number(process.env.WEFT_FUZZ_SECONDS ?? 40);
console.log(`random networks from seed ${SEED} (repeat with WEFT_SEED=${SEED})`);

interface Expected {
  readonly program: Program;
  readonly expected: Digest;
}
const CORPUS: readonly Expected[] = JSON.parse(
  readFileSync(new URL('expected-programs.json', import.meta.url), 'utf8'),
);

const reference = new ReferenceDevice();
w.setDevice(reference);

/** The reference device, but what a kernel stores is rounded to float32, as the others store it. */
class RoundingDevice extends ReferenceDevice {
  override run(...[kernel, inputs, outputs, params, options]: Parameters<ReferenceDevice['run']>): void {
    super.run(kernel, inputs, outputs, params, options);
    for (const { storage } of outputs) {
      if (storage.dtype !== 'float32') continue;
      const values = storage.allocation.buffer as Float64Array;
      const start = storage.byteOffset / 4;
      for (let i = start; i < start + storage.length; i++) values[i] = Math.fround(values[i]);
    }
  }
}
const rounding = new RoundingDevice();
const devices = await openTestDevices();
const reopened: Device[] = [];
afterAll(() => Promise.all([...devices.map(({ device }) => device), ...reopened].map(device => device?.destroy())));

/** Of a device's digest; the reference device computes in float64. Drivers' functions are less exact than ours. */
const TOLERANCE: Record<string, number> = { reference: 1e-12, wasm: 1e-4, webgpu: 2e-3 };

const operationsOf = ({ steps }: Program) => steps.map(({ op }) => op).join(', ');

/** The program's leaves moved by `distance` along their directions. */
const movedLeaves = ({ leaves }: Program, distance: number): Float64Array[] =>
  leaves.map((leaf, i) => {
    const direction = directionOf(leaf.shape, i);
    return leafValues(leaf).map((value, k) => value + distance * direction[k]);
  });

describe('against PyTorch', () => {
  for (const { name, device } of devices) {
    test.skipIf(!device)(`on ${name}`, async () => {
      expect(CORPUS.length).toBeGreaterThanOrEqual(120);
      for (const [i, { program, expected }] of CORPUS.entries()) {
        const actual = await digest(program, device!);
        const message = `program ${i} (${operationsOf(program)}), first by ${program.first}: ${JSON.stringify({ actual, expected })}`;
        expect(deviation(actual, expected), message).toBeLessThan(TOLERANCE[device!.kind]);
      }
    });
  }
});

/** Goes through fresh programs for some seconds; every other one is a network with dropout. */
async function explore(seconds: number, check: (program: Program, where: string) => Promise<boolean>) {
  const end = performance.now() + 1000 * seconds;
  let checked = 0;
  let skipped = 0;
  for (let seed = SEED; performance.now() < end || checked < 4; seed++) {
    for (const program of [randomNetwork(seed, true), randomGraph(seed)]) {
      const where = `WEFT_SEED=${seed}: ${operationsOf(program)}, first by ${program.first}, ${JSON.stringify(program)}`;
      if (await check(program, where)) checked++;
      else skipped++;
    }
  }
  console.log(`${checked} fresh programs checked, ${skipped} too close to a kink`);
  expect(skipped).toBeLessThanOrEqual(3 + 0.2 * checked);
}

/** d/dt of y + sum(g^2) along the directions of all leaves, by fourth-order differences of unrecorded first derivatives. */
async function numericSlope(program: Program, step: number): Promise<number> {
  const at = async (distance: number): Promise<number> => {
    const values = movedLeaves(program, distance);
    const total = w.tidy(() => {
      const leaves = program.leaves.map(({ shape }, i) => w.watch(w.tensor(values[i], shape, { device: reference })));
      return penalized(program, leaves, false).total;
    });
    const result = await total.item();
    total.dispose();
    return result;
  };
  const near = (await at(step)) - (await at(-step));
  const far = (await at(2 * step)) - (await at(-2 * step));
  return (8 * near - far) / (12 * step);
}

describe('fresh ones', () => {
  test('second derivatives equal finite differences', { timeout: 2000 * SECONDS + 120_000 }, async () => {
    await explore(SECONDS / 2, async (program, where) => {
      const { second } = await digest(program, reference);
      const slope = second.reduce((total, part) => total + part, 0);
      const [numeric, finer] = [await numericSlope(program, 1e-4), await numericSlope(program, 4e-5)];
      const scale = Math.max(1, ...second.map(Math.abs));
      // A kink of a relu or a maximum lies between: the two step sizes see different slopes.
      if (Math.abs(numeric - finer) > 1e-7 * scale) return false;
      expect(Math.abs(slope - finer) / scale, `${where}: ${slope}, numeric ${finer}`).toBeLessThan(1e-6);
      return true;
    });
  });

  for (const { name, device: first } of devices) {
    if (first?.kind === 'reference') continue;
    test.skipIf(!first)(`${name} equals reference`, { timeout: 2000 * SECONDS + 120_000 }, async () => {
      let device = first!;
      let seen = 0;
      await explore(SECONDS / 4, async (program, where) => {
        // A software driver maps memory for every pipeline; the process would run out of maps (Linux allows 65,530).
        if (device.kind === 'webgpu' && ++seen % 150 === 0) {
          await device.destroy();
          device = await MAIN_DEVICES.webgpu();
          reopened.push(device);
        }
        const expected = await digest(program, reference);
        // What the rounding of inputs and of everything stored on the way does, many times over: a batch norm over two
        // values, or a difference of almost equal ones, makes much of it. A wrong rule is off by a hundredth and more.
        const near = await digest(program, reference, movedLeaves(program, 1e-6));
        const rounded = await digest(program, rounding);
        const sensitivity = Math.max(deviation(near, expected), 2 * deviation(rounded, expected));
        if (!(sensitivity < 1e-4)) return false;
        const actual = await digest(program, device);
        const tolerance = 5 * TOLERANCE[device.kind] + 50 * sensitivity;
        expect(deviation(actual, expected), `${where}: ${JSON.stringify({ actual, expected })}`).toBeLessThan(
          tolerance,
        );
        return true;
      });
    });
  }
});
