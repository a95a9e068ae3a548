/** The cases are well-formed, peers compute the same as we do, and no benchmark package is needed by the library. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kernelCases } from '../../bench/cases/index.ts';
import { Missing } from '../../bench/contender.ts';
import { race } from '../../bench/harness.ts';
import { kernelCase, ownEntrant, variantsOf } from '../../bench/kernel-case.ts';
import { networkFlops, type Weights } from '../../bench/networks/architectures.ts';
import { measureEpoch, ownNetwork, trainingSetup, weightsOf } from '../../bench/networks/own.ts';
import type { NetworkName, Operation } from '../../bench/operations.ts';
import { peers } from '../../bench/peers/index.ts';
import type { PeerSession } from '../../bench/peers/peer.ts';
import { profileByShape, profileLines } from '../../bench/profile.ts';
import { valuesOf } from '../../bench/values.ts';
import { openWasmDevice, type WasmDevice } from '../../src/devices/wasm/device.ts';
import { conv2d, conv2dInputGradient } from '../../src/kernels/conv2d/index.ts';
import { matmul } from '../../src/kernels/matmul/index.ts';
import { settle } from '../support/garbage.ts';

const BRIEF = { seconds: 0.01, warmUpSeconds: 0.001, rounds: 1 };
let device: WasmDevice;
beforeAll(async () => {
  device = await openWasmDevice({ threads: 2 });
});
afterAll(() => device.destroy());

describe('kernel cases', () => {
  it('have names of their own, work and a size', () => {
    const ids = kernelCases.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, flops, bytes, footprint } of kernelCases) {
      expect(flops + bytes, id).toBeGreaterThan(0);
      expect(footprint, id).toBeGreaterThan(0);
    }
  });

  it('charge at least one pass over what must be read and written, but for a dataset of which a batch is read', () => {
    for (const { id, group, bytes, kernel, inputs, params } of kernelCases) {
      if (group !== 'image') expect(bytes, id).toBeGreaterThan(0.7 * kernel.cost(inputs, params).bytes);
    }
  });

  it('run, saying which variant was taken', async () => {
    const small = kernelCase({
      id: 'small',
      group: 'matmul',
      kernel: matmul,
      params: { transposeA: false, transposeB: false, activation: 'none' },
      inputs: [
        { shape: [16, 16], dtype: 'float32' },
        { shape: [16, 16], dtype: 'float32' },
      ],
    });
    await settle();
    const before = device.memory().liveAllocations;
    const variants = variantsOf(small, device);
    const entrants = [ownEntrant(small, device), ...variants.map(name => ownEntrant(small, device, name))];
    const outcomes = await race(entrants, BRIEF);
    for (const outcome of outcomes) expect(outcome).toHaveProperty('timing');
    expect(variants).toContain(outcomes[0].note);
    expect(outcomes.slice(1).map(({ note }) => note)).toEqual(variants);
    const [refused] = await race([ownEntrant(small, device, 'no such variant')], BRIEF);
    expect(refused).toHaveProperty('failed', expect.stringContaining('no such variant'));
    expect(device.memory().liveAllocations).toBe(before);
  });
});

describe('values', () => {
  it('are the same every time, differ between inputs, and lie where they should', () => {
    const spec = { shape: [1000], dtype: 'float32' } as const;
    const values = valuesOf(spec, 0);
    expect(valuesOf(spec, 0)).toEqual(values);
    expect(valuesOf(spec, 1)).not.toEqual(values);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-0.5);
    expect(Math.max(...values)).toBeLessThan(0.5);
    expect(Math.min(...valuesOf({ ...spec, fill: 'positive' }, 0))).toBeGreaterThanOrEqual(0.5);
    const labels = valuesOf({ shape: [1000], dtype: 'int32', fill: { below: 10 } }, 0);
    expect([...new Set(labels)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe('networks', () => {
  it.each<[NetworkName, number, number]>([
    // GFLOP of 128 images: forward and a training step, counted by hand from the layers.
    ['cnn', 4.785, 14.3],
    ['mini-resnet', 9.512, 28.48],
  ])('%s has the work that the gates are set for', async (network, forward, step) => {
    const { infer, train } = networkFlops(network, await weightsOf(network, device), 128);
    expect(infer / 1e9).toBeCloseTo(forward, 2);
    expect(train / 1e9).toBeCloseTo(step, 1);
  });

  it('a training step learns, and is profiled by shape without leaving a trace on the device', async () => {
    const setup = trainingSetup('cnn', 4, device);
    const first = await setup.step();
    const ownRun = device.run;
    const entries = await profileByShape(device, async () => {
      for (let i = 0; i < 10; i++) await setup.step();
    });
    expect(device.run).toBe(ownRun);
    expect(Object.hasOwn(device, 'run')).toBe(false);
    const last = await setup.step();
    expect(last.loss).toBeLessThan(first.loss);
    const forward = entries.filter(({ kernel }) => kernel === conv2d.name);
    expect(forward.reduce((sum, { calls }) => sum + calls, 0)).toBe(40);
    expect(forward.map(({ shapes }) => shapes)).toContain('[4, 28, 28, 32] [3, 3, 32, 32]');
    expect(entries.filter(({ kernel }) => kernel === conv2dInputGradient.name).length).toBe(3);
    expect(profileLines(entries, 10).at(-1)).toMatch(/^all kernels .* 100\.0 %/);
    setup.dispose();
  });

  it('training and inference are timed and give their memory back', async () => {
    await settle();
    const before = device.memory().liveAllocations;
    for (const kind of ['train', 'infer'] as const) {
      const prepare = () => ownNetwork({ kind, network: 'mini-resnet', batch: 2 }, device);
      const [outcome] = await race([{ name: kind, prepare }], BRIEF);
      expect(outcome).toHaveProperty('timing');
    }
    expect(device.memory().liveAllocations).toBe(before);
  });

  it('an epoch is extrapolated from a few steps', async () => {
    const epoch = await measureEpoch('cnn', device, 2);
    expect(epoch).toMatchObject({ stepsRun: 2, stepsPerEpoch: 468 });
    expect(epoch.seconds).toBeCloseTo(epoch.loadingSeconds + 0.468 * epoch.stepMilliseconds, 3);
  });
});

describe.each(peers)('$name', peer => {
  const OPERATIONS: readonly Operation[] = [
    { kind: 'matmul', m: 8, n: 12, k: 20, transposeA: true, transposeB: false },
    { kind: 'matmul', m: 8, n: 12, k: 20, transposeA: false, transposeB: true },
    { kind: 'infer', network: 'cnn', batch: 2 },
    { kind: 'infer', network: 'mini-resnet', batch: 2 },
  ];
  let session: PeerSession | undefined;
  let absent = '';
  beforeAll(async () => {
    const weights = (network: NetworkName): Promise<Weights> => weightsOf(network, device);
    session = await peer.open({ threads: 2, weights }).catch(error => {
      if (!(error instanceof Missing)) throw error;
      absent = error.message;
      console.warn(`Peer not tested: ${peer.name}: ${absent}`);
      return undefined;
    });
  }, 90_000);
  afterAll(() => session?.close());

  /** What our own device makes of an operation. */
  const own = (operation: Operation) => {
    if (operation.kind === 'infer') return { name: 'own', prepare: () => ownNetwork(operation, device) };
    if (operation.kind !== 'matmul') throw new Error('only products and networks here');
    const { m, n, k, transposeA, transposeB } = operation;
    const one = kernelCase({
      id: 'x',
      group: 'x',
      kernel: matmul,
      params: { transposeA, transposeB, activation: 'none' },
      inputs: [
        { shape: transposeA ? [k, m] : [m, k], dtype: 'float32' },
        { shape: transposeB ? [n, k] : [k, n], dtype: 'float32' },
      ],
      operation,
    });
    return ownEntrant(one, device);
  };

  it.for(OPERATIONS)('agrees with us on $kind $network', async (operation, { skip }) => {
    if (!session) return skip(absent);
    const theirs = { name: peer.name, prepare: () => session!.prepare(operation) };
    const [ours, outcome] = await race([own(operation), theirs], BRIEF);
    expect(ours).toHaveProperty('timing');
    if ('missing' in outcome) expect(outcome.missing).toMatch(/too slow/);
    else expect(outcome).toHaveProperty('timing');
  });

  it.skipIf(peer.name === 'pytorch')('says what it cannot do', async ({ skip }) => {
    if (!session) return skip(absent);
    const operation = { kind: 'train', network: 'cnn', batch: 2 } as const;
    await expect(session.prepare(operation)).rejects.toThrow(Missing);
  });
});

describe('src/', () => {
  it('imports nothing that only benchmarks need', () => {
    const source = fileURLToPath(new URL('../../src', import.meta.url));
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.ts'));
    expect(files.length).toBeGreaterThan(50);
    const foreign =
      /from\s+['"](@tensorflow\/|benchmark['"]|onnxruntime|.*\/bench\/)|import\(\s*['"](@tensorflow\/|onnxruntime)/;
    expect(files.filter(path => foreign.test(readFileSync(join(source, path), 'utf8')))).toEqual([]);
    expect(foreign.test("import * as tf from '@tensorflow/tfjs-core';")).toBe(true);
  });

  it('and no package of a peer is a dependency of ours', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(Object.keys(manifest.dependencies).filter(name => /tensorflow|onnxruntime|benchmark/.test(name))).toEqual(
      [],
    );
  });
});
