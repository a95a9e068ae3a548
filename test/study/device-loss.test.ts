/**
 * A GPU that goes away in the middle of a run (driver reset, unplugged, taken): the error says so and how to go on, the
 * checkpoint is whole, and the resumed run ends with the bits of one that nobody disturbed.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { FashionMnist } from '../../src/data/fashion-mnist.ts';
import { readSample } from '../../src/data/index.node.ts';
import { DeviceLostError } from '../../src/devices/errors.ts';
import type { WebGpuDevice } from '../../src/devices/webgpu/device.ts';
import { openWebGpuDevice } from '../../src/devices/webgpu/open.node.ts';
import { Run, RunFolder, sessionOn } from '../../src/study/index.node.ts';
import { readCheckpointInfo } from '../../src/train/checkpoint.node.ts';
import { RECIPES } from '../../src/train/index.ts';
import { describeWebGpu } from '../devices/webgpu-open.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-loss-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const IMAGES = 160;
const EVERY = 4;

describeWebGpu('a device that is lost in mid-training', () => {
  /** Trains into `name`; `onStep` is called whenever progress is shown. */
  async function run(name: string, resume: boolean, onStep: (device: WebGpuDevice, shown: number) => void = () => {}) {
    const sample = await readSample();
    const cut = { ...sample.train, count: IMAGES, images: sample.train.images.subarray(0, IMAGES * 784) };
    const data = { ...sample, train: { ...cut, labels: sample.train.labels.subarray(0, IMAGES) } } as FashionMnist;
    const device = await openWebGpuDevice();
    const out = join(folder, name);
    const notes: string[] = [];
    let shown = 0;
    const progress = { note: (text: string) => notes.push(text), show: () => onStep(device, ++shown) };
    try {
      const opened = await Run.open(
        {
          model: { name: 'cnn', options: { widths: [4, 4], depth: 1, hidden: 8, dropout: 0.3 } },
          recipe: { ...RECIPES.cnn, epochs: 2, batchSize: 8, ema: 0.9 },
          seed: 5,
          validation: 40,
          test: false,
          loop: { checkpointEvery: EVERY },
          out,
          resume,
        },
        data,
        sessionOn(device, { progress }),
      );
      await opened.finish();
    } finally {
      await device.destroy();
    }
    return notes;
  }

  const lossesOf = (name: string): number[] =>
    readFileSync(join(folder, name, 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .flatMap(line => (JSON.parse(line) as { losses?: number[] }).losses ?? []);

  test('one sentence with the command that goes on; the same losses as without the loss', async () => {
    const failure = await run('lost', false, (device, shown) => {
      if (shown === 10) device.gpu.destroy();
    }).then(
      () => undefined,
      error => error as Error,
    );
    expect(failure).toBeInstanceOf(DeviceLostError);
    const last = new RunFolder(join(folder, 'lost')).checkpoint('last');
    expect(failure!.message).toContain(`${last} is complete`);
    expect(failure!.message).toContain(`--resume --out ${join(folder, 'lost')}`);
    const { position } = await readCheckpointInfo(last);
    expect(position!.step).toBeGreaterThanOrEqual(EVERY);
    expect(position!.step % EVERY).toBe(0);
    expect(existsSync(join(folder, 'lost', 'metrics.json'))).toBe(false);
    expect(lossesOf('lost')).toHaveLength(position!.step);

    const notes = await run('lost', true);
    expect(notes).toContain(`Resuming at epoch 1, batch ${position!.batch}.`);
    await run('whole', false);
    expect(lossesOf('lost')).toHaveLength((2 * (IMAGES - 40)) / 8);
    expect(lossesOf('lost')).toEqual(lossesOf('whole'));
  });

  test('before any checkpoint the error says that there is none', async () => {
    const failure = await run('early', false, (device, shown) => {
      if (shown === 1) device.gpu.destroy();
    }).then(
      () => undefined,
      error => error as Error,
    );
    expect(failure).toBeInstanceOf(DeviceLostError);
    expect(failure!.message).toMatch(/No checkpoint had been written yet/);
  });
});
