/**
 * Does anything grow? `npx tsx --expose-gc bench/endurance.ts`: 10,000 training steps of a tiny network, as `fit` takes
 * them, recorded and replayed or (`--no-capture`) one by one, with memory looked at all along: what the device holds, what
 * it has made, the JavaScript heap after a collection. Ends with exit code 1 when the second half of the run holds more than
 * the first.
 */
import { Command, Option } from 'commander';
import { DeviceDataset } from '../src/data/device-dataset.ts';
import type { DeviceKind } from '../src/devices/device.ts';
import { DeviceError } from '../src/devices/errors.ts';
import { openDevice } from '../src/devices/open.ts';
import { WebGpuDevice } from '../src/devices/webgpu/device.ts';
import { liveTensorCount } from '../src/index.ts';
import { buildTrainee, fit, LIGHT_AUGMENTATION, RECIPES } from '../src/train/index.ts';
import { runScript } from './script.ts';
import { alignedLines } from './table.ts';
import { valuesOf } from './values.ts';

const MEGABYTE = 2 ** 20;
/** What a JavaScript heap may wander after a collection. */
const HEAP_SLACK = 4 * MEGABYTE;
const IMAGES = 64;
const BATCH = 4;

interface Sample {
  readonly step: number;
  readonly heap: number;
  readonly resident: number;
  readonly device: number;
  readonly tensors: number;
  readonly made: number;
}

interface Options {
  readonly device: DeviceKind;
  readonly steps: string;
  readonly capture: boolean;
}

async function main({ device: kind, steps: wanted, capture }: Options): Promise<void> {
  const collect = (globalThis as { gc?: () => void }).gc;
  if (!collect) throw new DeviceError('endurance: start it with npx tsx --expose-gc, or the heap says nothing.');
  const device = await openDevice(kind);
  console.log(`${device.info.description}, ${capture ? 'steps replayed' : 'steps one by one'}`);
  const images = valuesOf({ shape: [IMAGES, 784], dtype: 'int32', fill: { below: 256 } }, 0);
  const set = { images: Uint8Array.from(images), labels: new Uint8Array(IMAGES), count: IMAGES };
  const data = new DeviceDataset({ ...set, height: 28, width: 28, channels: 1 }, device);
  const recipe = { ...RECIPES.cnn, ema: 0.99 };
  const spec = { name: 'cnn', options: { widths: [4, 4], depth: 1, hidden: 8, dropout: 0.2 } } as const;
  const trainee = buildTrainee(spec, recipe, device, 0);
  const steps = Number(wanted);
  const every = Math.max(1, Math.floor(steps / 10));
  const samples: Sample[] = [];
  let step = 0;
  const look = (): void => {
    collect();
    const { heapUsed, external, rss } = process.memoryUsage();
    const { liveBytes, pooledBytes } = device.memory();
    const made = device instanceof WebGpuDevice ? device.statistics() : { buffers: 0, bindGroups: 0, uniforms: 0 };
    samples.push({
      step,
      heap: heapUsed + external,
      resident: rss,
      device: liveBytes + pooledBytes,
      tensors: liveTensorCount(),
      made: made.buffers + made.bindGroups + made.uniforms,
    });
  };
  try {
    await fit(trainee.model, data, trainee.optimizer, {
      epochs: Math.ceil((steps * BATCH) / IMAGES),
      batchSize: BATCH,
      seed: 0,
      schedule: () => 0.01,
      smoothing: 0.1,
      augmentation: LIGHT_AUGMENTATION,
      ema: trainee.ema,
      capture,
      onProgress: ({ record }) => {
        if (!record && ++step % every === 0) look();
      },
    });
  } finally {
    trainee.dispose();
    data.dispose();
    await device.destroy();
  }
  const megabytes = (bytes: number): string => (bytes / MEGABYTE).toFixed(2);
  const rows = samples.map(({ step: at, heap, resident, device: held, tensors, made }) => [
    String(at),
    megabytes(heap),
    megabytes(resident),
    megabytes(held),
    String(tensors),
    String(made),
  ]);
  const heading = ['step', 'heap MB', 'resident MB', 'device MB', 'tensors', 'buffers, groups, uniforms made'];
  console.log(
    alignedLines(
      [heading, ...rows],
      heading.map(() => true),
    ).join('\n'),
  );
  const [before, after] = [samples[Math.floor(samples.length / 2)], samples.at(-1)!];
  const grown = [
    ...(after.heap > before.heap + HEAP_SLACK ? ['the JavaScript heap'] : []),
    ...(after.device > before.device ? ['device memory'] : []),
    ...(after.tensors > before.tensors ? ['tensors'] : []),
    ...(after.made > before.made ? ['objects made by the device'] : []),
  ];
  console.log(grown.length === 0 ? 'Nothing grows.' : `GROWING: ${grown.join(', ')}.`);
  if (grown.length > 0) process.exitCode = 1;
}

const program = new Command('endurance')
  .description('whether memory grows over many training steps')
  .addOption(new Option('--device <kind>', 'device').choices(['wasm', 'webgpu']).default('webgpu'))
  .option('--steps <n>', 'training steps', '10000')
  .option('--no-capture', 'take every step by itself')
  .action(main);
await runScript(program);
