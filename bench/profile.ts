/**
 * Where a training step spends its time: `npx tsx bench/profile.ts`. Two tables per network: by kernel and variant, as
 * `device.profile` sums them, and (on devices that run a kernel at the call) by kernel and shape, which is the one to tune
 * by. The whole step is timed beside, without a profiler, so that what lies between the kernels shows.
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { Command, Option } from 'commander';
import type { Device, DeviceKind, ProfiledCall, ProfileEntry, Work } from '../src/devices/device.ts';
import type { Kernel, Spec } from '../src/devices/kernel.ts';
import { openDevice } from '../src/devices/open.ts';
import { formatShape } from '../src/devices/shape.ts';
import { chooseVariant } from '../src/devices/variants.ts';
import { measureRoofline } from '../src/kernels/ceilings/measure.ts';
import { type Roofline, type RooflineSum, rooflineSums, rooflineTime } from '../src/kernels/ceilings/roofline.ts';
import { trafficOf } from '../src/kernels/traffic.ts';
import { profileLines, rooflineLine } from '../src/report/profile-report.ts';
import { trainingSetup } from './networks/own.ts';
import type { NetworkName } from './operations.ts';
import { runScript } from './script.ts';
import { quantile } from './statistics.ts';
import { threeDigits } from './table.ts';

export { profileLines };

const BATCH = 128;

export interface ShapeEntry extends ProfileEntry {
  readonly shapes: string;
  /** Of one call. */
  readonly work: Work;
}

/**
 * Times every kernel that `work` runs, by kernel, variant and shapes; `milliseconds` is the number of calls times their
 * median. For devices whose `run` returns when the kernel has run: another `run` stands in front of it for the while.
 */
export async function profileByShape(device: Device, work: () => Promise<unknown>): Promise<ShapeEntry[]> {
  const entries = new Map<string, { entry: ShapeEntry; times: number[] }>();
  const run = device.run;
  device.run = function timedRun(kernel, inputs, outputs, params, options) {
    const started = performance.now();
    run.call(device, kernel as Kernel, inputs, outputs, params, options);
    const milliseconds = performance.now() - started;
    const specs = inputs.map(({ storage, shape }) => ({ shape, dtype: storage.dtype }));
    const shapes = (specs.length > 0 ? specs : outputs).map(({ shape }) => formatShape(shape)).join(' ');
    const variant = options?.variant ?? variantOf(kernel as Kernel, specs, params, device);
    const key = `${kernel.name} ${variant} ${shapes}`;
    let known = entries.get(key);
    if (!known) {
      const written = outputs.map(({ storage, shape }) => ({ shape, dtype: storage.dtype }));
      const work = { ...kernel.cost(specs, params), footprint: trafficOf(specs, written) };
      const entry = { kernel: kernel.name, variant, shapes, calls: 0, milliseconds: 0, flops: 0, bytes: 0, work };
      known = { entry, times: [] };
      entries.set(key, known);
    }
    known.times.push(milliseconds);
  };
  try {
    await work();
  } finally {
    delete (device as Partial<Device>).run; // the class's own comes back
  }
  return [...entries.values()]
    .map(({ entry, times }) => {
      const calls = times.length;
      const { flops, bytes } = entry.work;
      return {
        ...entry,
        calls,
        milliseconds: calls * quantile(times, 0.5),
        flops: calls * flops,
        bytes: calls * bytes,
      };
    })
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

/** What the roofline allows all calls of one shape. */
function roofOf({ calls, work }: ShapeEntry, roofline: Roofline): RooflineSum {
  const { milliseconds, bound } = rooflineTime(roofline, work);
  return { milliseconds: calls * milliseconds, arithmetic: bound === 'arithmetic' ? calls * milliseconds : 0 };
}

function variantOf(kernel: Kernel, specs: readonly Spec[], params: unknown, device: Device): string {
  if (device.kind === 'reference') return 'loops';
  const { adapter } = device as Device & { readonly adapter: any };
  return chooseVariant(kernel.name, kernel.wasm, specs, params, adapter).name;
}

async function profileNetwork(
  network: NetworkName,
  device: Device,
  roofline: Roofline | undefined,
  steps: number,
  batch: number,
): Promise<void> {
  const setup = trainingSetup(network, batch, device);
  const someSteps = async (): Promise<void> => {
    for (let i = 0; i < steps; i++) await setup.step();
    await device.sync();
  };
  try {
    for (let i = 0; i < 5; i++) await setup.step();
    const times: number[] = [];
    for (let i = 0; i < steps; i++) {
      const started = performance.now();
      await setup.step();
      times.push(performance.now() - started);
    }
    const calls: ProfiledCall[] = [];
    const entries = await device.profile(someSteps, call => calls.push(call));
    const roofs = roofline && rooflineSums(calls, roofline);
    const judged = entries.map(entry => ({ ...entry, roof: roofs?.get(`${entry.kernel}/${entry.variant}`) }));
    const kernels = entries.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / steps;
    const median = threeDigits(quantile(times, 0.5));
    console.log(
      `\n${network}, batch ${batch}: ${median} ms per step (median of ${steps}), ${threeDigits(kernels)} ms in kernels`,
    );
    console.log(profileLines(judged, steps).join('\n'));
    if (device.kind === 'webgpu') return;
    console.log(`\n${network} by shape`);
    const byShape = await profileByShape(device, someSteps);
    const judgedByShape = byShape.map(entry => ({ ...entry, roof: roofline && roofOf(entry, roofline) }));
    console.log(profileLines(judgedByShape, steps).join('\n'));
  } finally {
    setup.dispose();
  }
}

interface Options {
  readonly network?: NetworkName;
  readonly device: DeviceKind;
  readonly threads: string;
  readonly steps: string;
  readonly batch: string;
}

async function main({ network, device: kind, threads, steps, batch }: Options): Promise<void> {
  const device = await openDevice(kind, { wasm: { threads: Number(threads) } });
  console.log(device.info.description);
  try {
    const roofline = await measureRoofline(device);
    if (roofline) console.log(rooflineLine(roofline));
    for (const name of network ? [network] : (['cnn', 'mini-resnet'] as const)) {
      await profileNetwork(name, device, roofline, Number(steps), Number(batch));
    }
  } finally {
    await device.destroy();
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const program = new Command('profile')
    .description('where a training step spends its time, kernel by kernel')
    .addOption(new Option('--network <name>', 'which network (default: both)').choices(['cnn', 'mini-resnet']))
    .addOption(new Option('--device <kind>', 'device').choices(['wasm', 'webgpu', 'reference']).default('wasm'))
    .option('--threads <n>', 'threads of the wasm device', String(availableParallelism()))
    .option('--steps <n>', 'steps to average over', '10')
    .option('--batch <n>', 'images per step', String(BATCH))
    .action(main);
  await runScript(program);
}
