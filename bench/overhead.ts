/**
 * What JavaScript and encoding cost per dispatch: `npx tsx bench/overhead.ts`. A training step of the CNN on few and small
 * images is enqueued in the usual way and as a replay, the clock running only while the host works, never while it waits
 * for the device. The work is the same every time, so the fastest step says what it costs and the others what else the
 * machine was doing (a software adapter computes on the same cores): the verdict goes by the fastest. Beside it stand the
 * same without `queue.submit`, in which a driver may do anything, the median, and what the driver's own calls cost when
 * nobody does anything besides. Also counted: what a replay creates, which must be nothing.
 */
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import type { RecordedCapture } from '../src/devices/webgpu/captures.ts';
import type { WebGpuDevice } from '../src/devices/webgpu/device.ts';
import { openWebGpuDevice } from '../src/devices/webgpu/open.node.ts';
import { buildModel, SGD } from '../src/nn/index.ts';
import { tensor } from '../src/tensor/creation.ts';
import { dispose } from '../src/tensor/lifetime.ts';
import { type StepOutputs, TrainingStep } from '../src/train/step.ts';
import { runScript } from './script.ts';
import { quantile } from './statistics.ts';
import { alignedLines } from './table.ts';
import { valuesOf } from './values.ts';

const LIMITS = { eager: 25, replay: 5 };

/** Microseconds per dispatch. */
export interface HostTime {
  /** The fastest step, without `queue.submit`, which is the driver's. */
  readonly own: number;
  /** The fastest step and the median one, `queue.submit` included. */
  readonly best: number;
  readonly median: number;
}

export interface Overhead {
  readonly dispatches: number;
  readonly eager: HostTime;
  readonly replay: HostTime;
  /** The driver's calls alone: pipeline, bind group and dispatch of every step, one encoder, one submission. */
  readonly calls: HostTime;
  /** Bind groups, pipelines, buffers and uniform blocks made during the replays. */
  readonly created: number;
}

export async function measureOverhead(device: WebGpuDevice, steps: number): Promise<Overhead> {
  const batch = 2;
  const model = buildModel({ name: 'cnn', options: { widths: [4, 4], hidden: 8 } }).initialize({ device, seed: 0 });
  const optimizer = new SGD(model, { learningRate: 0.01, momentum: 0.9, nesterov: true });
  const step = new TrainingStep(model, optimizer, { smoothing: 0.1 });
  const images = tensor(valuesOf({ shape: [batch, 28, 28, 1], dtype: 'float32' }, 0), [batch, 28, 28, 1], { device });
  const labels = tensor(new Int32Array(batch), [batch], { device });
  let outputs: StepOutputs | undefined;
  const enqueue = (): void => {
    outputs = step.enqueue({ images, labels });
    step.update();
  };
  const eagerly = (): void => {
    enqueue();
    dispose(outputs!.loss, outputs!.hits);
  };
  for (let i = 0; i < 20; i++) {
    eagerly();
    await device.sync();
  }
  const capture = device.capture(enqueue);
  await device.sync();
  const { length: dispatches } = (capture as RecordedCapture).steps;

  const { queue } = device.gpu;
  const { submit } = queue;
  let submitting = 0;
  Object.defineProperty(queue, 'submit', {
    configurable: true,
    value(buffers: Iterable<GPUCommandBuffer>) {
      const started = performance.now();
      submit.call(queue, buffers);
      submitting += performance.now() - started;
    },
  });

  const measure = async (work: () => void): Promise<HostTime> => {
    const all: number[] = [];
    const own: number[] = [];
    for (let i = 0; i < steps; i++) {
      submitting = 0;
      const started = performance.now();
      work();
      const milliseconds = performance.now() - started;
      all.push((1e3 * milliseconds) / dispatches);
      own.push((1e3 * (milliseconds - submitting)) / dispatches);
      await device.sync();
    }
    return { own: Math.min(...own), best: Math.min(...all), median: quantile(all, 0.5) };
  };
  const bareCalls = (): void => {
    const encoder = device.gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { dispatch } of (capture as RecordedCapture).steps) {
      if (!dispatch) continue;
      pass.setPipeline(dispatch.pass.pipeline.gpu);
      pass.setBindGroup(0, dispatch.group);
      const [x, y, z] = dispatch.pass.workgroups;
      pass.dispatchWorkgroups(x, y, z);
    }
    pass.end();
    queue.submit([encoder.finish()]);
  };
  // In turns, so that a neighbour who gets busy hits all.
  const half = async () => ({
    eager: await measure(eagerly),
    replay: await measure(() => capture.replay()),
    calls: await measure(bareCalls),
  });
  await half();
  const before = counts(device);
  await measure(() => capture.replay());
  const created = counts(device) - before;
  const { eager, replay, calls } = await half();
  delete (queue as Partial<GPUQueue>).submit;
  dispose(outputs!.loss, outputs!.hits, images, labels);
  capture.dispose();
  for (const each of [step, optimizer, model]) each.dispose();
  return { dispatches, eager, replay, calls, created };
}

function counts(device: WebGpuDevice): number {
  const { pipelines, bindGroups, buffers, uniforms } = device.statistics();
  return pipelines + bindGroups + buffers + uniforms;
}

async function main({ steps }: { steps: string }): Promise<void> {
  const device = await openWebGpuDevice();
  console.log(device.info.description);
  try {
    const { dispatches, eager, replay, calls, created } = await measureOverhead(device, Number(steps));
    const line = (name: string, { own, best, median }: HostTime, most?: number): string[] => {
      const verdict = most === undefined ? '' : `${best <= most ? 'met' : 'MISSED'} (at most ${most})`;
      return [name, own.toFixed(1), best.toFixed(1), median.toFixed(1), verdict];
    };
    console.log(`A training step of ${dispatches} dispatches and copies; microseconds of the host for each:`);
    const heading = ['', 'without submit', 'with it', 'median', ''];
    const rows = [
      heading,
      line('eager', eager, LIMITS.eager),
      line('replay', replay, LIMITS.replay),
      line("the driver's calls", calls),
    ];
    console.log(alignedLines(rows, [false, true, true, true, false]).join('\n'));
    console.log(`Buffers, bind groups, pipelines and uniform blocks made by ${steps} replays: ${created}`);
  } finally {
    await device.destroy();
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const program = new Command('overhead')
    .description('what JavaScript and encoding cost per dispatch')
    .option('--steps <n>', 'steps to time', '200')
    .action(main);
  await runScript(program);
}
