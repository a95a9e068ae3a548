/** The tuner: finds the calls of a step, lets no wrong kernel win, and what it keeps is what devices then run. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Kernel, WasmVariant } from '../../src/devices/kernel.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { release } from '../../src/devices/storage.ts';
import { readTuning, tunedChoices, tuningFile, writeTuning } from '../../src/devices/tuning.node.ts';
import { choiceKey, chooseVariant, identityWith, suits } from '../../src/devices/variants.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { KERNELS } from '../../src/kernels/by-name.ts';
import { type Conv2dParams, conv2d } from '../../src/kernels/conv2d/index.ts';
import { type MatmulParams, matmul } from '../../src/kernels/matmul/index.ts';
import { trainingCalls, tunable, tuneKernels } from '../../src/train/index.ts';
import { settle } from '../support/garbage.ts';

const device = await openWasmDevice({ threads: 1, relaxedSimd: false });
const folder = mkdtempSync(join(tmpdir(), 'weft-tuning-'));
afterAll(async () => {
  await device.destroy();
  rmSync(folder, { recursive: true, force: true });
});

const PARAMS: MatmulParams = { transposeA: false, transposeB: false, activation: 'none' };
const SPECS = [
  { shape: [64, 48], dtype: 'float32' as const },
  { shape: [48, 32], dtype: 'float32' as const },
];

/** The real thing under another name; with another activation it computes something else. */
const variantLike = (name: string, params: MatmulParams): WasmVariant<MatmulParams> => {
  const real = chooseVariant(matmul.name, matmul.wasm, SPECS, params, device.adapter);
  return { name, applies: () => true, plan: (specs, _, adapter) => real.plan(specs, params, adapter) };
};
const kernelOf = (...wasm: WasmVariant<MatmulParams>[]): Kernel<MatmulParams> => ({
  ...matmul,
  name: 'candidate',
  wasm,
});
const right = variantLike('right', PARAMS);
const wrong = variantLike('wrong', { ...PARAMS, activation: 'relu' });
const fast: WasmVariant<MatmulParams> = { ...right, name: 'fast' };

/** Seconds by name, so that nothing depends on the machine: the n-th run of a candidate takes what `times` says. */
function clock(order: readonly string[], times: Readonly<Record<string, number>>) {
  let run = 0;
  return async (work: () => Promise<void>): Promise<number> => {
    await work();
    return times[order[run++ % order.length]];
  };
}

describe('tuneKernels', () => {
  test('takes the fastest right variant, never the wrong one however fast', async () => {
    const kernel = kernelOf(right, wrong, fast);
    const calls = [{ kernel, specs: SPECS, params: PARAMS, calls: 1 }];
    const measure = clock(['right', 'fast'], { right: 2, fast: 1 });
    await settle();
    const before = device.memory().liveAllocations;
    const [tuned] = await tuneKernels(device, calls, { measure, repeats: 3 });
    expect(tuned).toMatchObject({ untuned: 'right', chosen: 'fast', key: choiceKey('candidate', SPECS, PARAMS) });
    expect(tuned.candidates.map(({ variant }) => variant)).toEqual(['right', 'wrong', 'fast']);
    expect(tuned.candidates[1].wrong).toMatch(/differs by/);
    expect(tuned.candidates[1].milliseconds).toBeUndefined();
    expect(device.memory().liveAllocations).toBe(before);
  });

  test('keeps to the untuned choice where the gain is noise', async () => {
    const calls = [{ kernel: kernelOf(right, fast), specs: SPECS, params: PARAMS, calls: 1 }];
    const measure = clock(['right', 'fast'], { right: 1.03, fast: 1 });
    const [tuned] = await tuneKernels(device, calls, { measure });
    expect(tuned.chosen).toBe('right');
  });

  test('a variant that fails is out, and the others go on', async () => {
    const failing: WasmVariant<MatmulParams> = {
      ...right,
      name: 'failing',
      prefers: () => false,
      plan() {
        throw new Error('no such tile');
      },
    };
    const calls = [{ kernel: kernelOf(failing, right), specs: SPECS, params: PARAMS, calls: 1 }];
    const [tuned] = await tuneKernels(device, calls);
    expect(tuned.candidates[0]).toEqual({ variant: 'failing', wrong: 'no such tile' });
    expect(tuned.chosen).toBe('right');
  });

  test('the calls of a training step: each kind once, gradients and optimizer among them', async () => {
    await settle();
    const before = device.memory().liveAllocations;
    const calls = await trainingCalls({ name: 'cnn', options: { widths: [4], depth: 2, hidden: 8 } }, 2, device);
    expect(device.memory().liveAllocations).toBe(before);
    expect(Object.hasOwn(device, 'run')).toBe(false);
    const names = new Set(calls.map(({ kernel }) => kernel.name));
    for (const name of ['conv2d', 'conv2dWeightGradient', 'conv2dInputGradient', 'matmul', 'sgdStep']) {
      expect(names).toContain(name);
    }
    const convolutions = calls.filter(({ kernel }) => kernel.name === 'conv2d');
    expect(convolutions.map(({ specs }) => specs[1].shape)).toEqual([
      [3, 3, 1, 4],
      [3, 3, 4, 4],
    ]);
    const some = new Set(tunable(calls, device).map(({ kernel }) => kernel.name));
    expect(some).toContain('conv2d');
    expect(some).not.toContain('sgdStep'); // it changes what it reads
  });
});

describe('what is kept', () => {
  const environment = { WEFT_CACHE: folder };
  const ADAPTER = 'webgpu / vendor / Some GPU (driver 1.2)';
  const key = choiceKey('matmul', SPECS, PARAMS);

  test('is read for the same adapter, added to, and passed over when it is of another version or damaged', () => {
    expect(readTuning(ADAPTER, environment)).toBeUndefined();
    const file = writeTuning(ADAPTER, { [key]: { variant: 'a', milliseconds: 1, untuned: 2 } }, environment);
    expect(file).toBe(tuningFile(ADAPTER, environment));
    writeTuning(ADAPTER, { other: { variant: 'b', milliseconds: 1, untuned: 1 } }, environment);
    expect(tunedChoices(ADAPTER, environment)).toEqual(
      new Map([
        [key, 'a'],
        ['other', 'b'],
      ]),
    );
    expect(tunedChoices(`${ADAPTER}3`, environment)).toBeUndefined();
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('"version": 1', '"version": 0'));
    expect(tunedChoices(ADAPTER, environment)).toBeUndefined();
    writeFileSync(file, text.slice(0, 20));
    expect(tunedChoices(ADAPTER, environment)).toBeUndefined();
  });

  test('decides what a device runs, and shows in its identity; names that do not apply are passed over', async () => {
    const shapes = [
      [1, 16, 16, 16],
      [3, 3, 16, 16],
    ];
    const specs = shapes.map(shape => ({ shape, dtype: 'float32' as const }));
    const params = {
      activation: 'none',
      strides: [1, 1],
      padding: [1, 1, 1, 1],
      dilations: [1, 1],
      groups: 1,
    } satisfies Conv2dParams as Conv2dParams;
    const applying = conv2d.wasm
      .filter(variant => suits(variant, device.adapter) && variant.applies(specs, params, device.adapter))
      .map(({ name }) => name);
    const usual = chooseVariant(conv2d.name, conv2d.wasm, specs, params, device.adapter).name;
    const wanted = applying.find(name => name !== usual)!;
    // Parameters in another order are the same parameters.
    const { groups, ...rest } = params;
    const convolution = choiceKey('conv2d', specs, { groups, ...rest });
    for (const [choice, expected] of [
      [wanted, wanted],
      ['gone', usual],
    ]) {
      let asked = '';
      const choices = new Map([[convolution, choice]]);
      const tuned = await openWasmDevice({
        threads: 1,
        relaxedSimd: false,
        choices: adapter => {
          asked = adapter;
          return choices;
        },
      });
      const operands = [...shapes, [1, 16, 16, 16]].map(shape => ({
        storage: tuned.allocate(sizeOf(shape), 'float32'),
        shape,
      }));
      const [entry] = await tuned.profile(() => tuned.run(conv2d, operands.slice(0, 2), operands.slice(2), params));
      expect(entry.variant).toBe(expected);
      expect(asked).toBe(device.info.tuning);
      expect(tuned.info.adapter).toBe(identityWith(device.info.adapter, { precision: 'default', choices }));
      expect(tuned.info.adapter).toMatch(/ \/ tuned [0-9a-f]{8}$/);
      for (const { storage } of operands) release(storage);
      await tuned.destroy();
    }
    expect(identityWith('x', { precision: 'default', choices: new Map() })).toBe('x');
  });
});

test('every kernel is found by its name', () => {
  expect(KERNELS.size).toBeGreaterThan(40);
  for (const [name, kernel] of KERNELS) expect(kernel.name).toBe(name);
});
