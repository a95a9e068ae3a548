/**
 * `weft bench`: looking at kernels one by one. `--show` prints what will run for given shapes, `--tune` measures which
 * variant is fastest for the shapes of a model's training step and keeps the answer for this adapter. (Comparisons with
 * other libraries need their packages and live in the repository: `npm run bench`.)
 */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import type { Kernel, Spec, WasmAdapterInfo, WebGpuAdapterInfo } from '../devices/kernel.ts';
import { openDevice } from '../devices/open.ts';
import { type TunedChoice, tunedChoices, writeTuning } from '../devices/tuning.node.ts';
import { chooseVariant } from '../devices/variants.ts';
import { KERNELS } from '../kernels/by-name.ts';
import { MODEL_NAMES, type ModelName } from '../nn/index.ts';
import { alignedLines, threeDigits } from '../report/text-table.ts';
import { describeCall, type TunedCall, trainingCalls, tunable, tuneKernels } from '../train/index.ts';
import { verboseOption, wholeNumber } from './options.ts';

interface BenchOptions {
  readonly device: 'webgpu' | 'wasm';
  readonly show?: string;
  readonly shapes?: number[][];
  readonly params?: Record<string, unknown>;
  readonly variant?: string;
  readonly tune?: boolean;
  readonly model: ModelName;
  readonly batchSize: number;
  readonly only?: string;
  readonly repeats: number;
  readonly json?: boolean;
}

export const benchCommand = new Command('bench')
  .description('look at kernels: print what runs for given shapes, or measure which variants are fastest here')
  .addOption(new Option('--device <name>', 'device').choices(['webgpu', 'wasm']).default('webgpu'))
  .addOption(verboseOption())
  .option('--show <kernel>', 'print the WGSL (webgpu) or the programs (wasm) that run for --shapes')
  .option('--shapes <list>', 'shapes of the inputs, e.g. 128x28x28x32,3x3x32x64', shapesOf)
  .option('--params <json>', "parameters where the kernel's usual ones will not do", parametersOf)
  .option('--variant <name>', 'show this variant, not the one that would be taken')
  .option('--tune', 'measure the variants for the shapes of a training step, and keep the fastest for this adapter')
  .addOption(new Option('--model <name>', 'whose shapes to tune').choices([...MODEL_NAMES]).default('cnn'))
  .option('--batch-size <n>', 'images per step', wholeNumber(1), 128)
  .option('--only <text>', 'tune only kernels whose name holds this')
  .option('--repeats <n>', 'timed runs of each variant', wholeNumber(1), 5)
  .option('--json', 'print the result as JSON')
  .action(async (options: BenchOptions) => {
    if (options.show !== undefined) await show(options.show, options);
    else if (options.tune) await tune(options);
    else throw new UsageError('bench: say --show <kernel> or --tune. Comparisons: npm run bench in the repository.');
  });

function shapesOf(text: string): number[][] {
  return text.split(',').map(shape => {
    const extents = shape === '' ? [] : shape.split('x').map(Number);
    if (!extents.every(extent => Number.isInteger(extent) && extent >= 0)) {
      throw new InvalidArgumentError('Shapes look like 128x28x28x32,3x3x32x64.');
    }
    return extents;
  });
}

function parametersOf(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new InvalidArgumentError('It must be JSON, e.g. \'{"strides":[2,2]}\'.');
  }
}

/** What a call usually says besides its shapes. */
function usualParameters(kernel: string, shapes: readonly (readonly number[])[]): Record<string, unknown> {
  const [first = [], second = []] = shapes;
  if (kernel === 'matmul') return { transposeA: false, transposeB: false, activation: 'none' };
  if (!kernel.startsWith('conv2d')) return {};
  // Filters of which the padding keeps the size; the weight gradient is told theirs, 3 x 3 unless said otherwise.
  const [height, width] = kernel === 'conv2dWeightGradient' ? [3, 3] : second;
  const half = (extent: number): [number, number] => [Math.floor((extent - 1) / 2), Math.ceil((extent - 1) / 2)];
  const geometry = {
    strides: [1, 1],
    padding: [...half(height), ...half(width)],
    dilations: [1, 1],
    groups: 1,
  };
  if (kernel === 'conv2d') return { ...geometry, activation: 'none' };
  if (kernel === 'conv2dInputGradient') return { ...geometry, inputSize: [first[1], first[2]] };
  return { ...geometry, kernelSize: [height, width] };
}

async function show(name: string, { device: kind, shapes, params: given, variant, json }: BenchOptions): Promise<void> {
  const kernel = KERNELS.get(name);
  if (!kernel)
    throw new UsageError(`bench: there is no kernel "${name}"; there are ${[...KERNELS.keys()].join(', ')}.`);
  if (!shapes) throw new UsageError(`bench: say the shapes of ${name}'s inputs, e.g. --shapes 128x28x28x32,3x3x32x64.`);
  const specs: Spec[] = shapes.map(shape => ({ shape, dtype: 'float32' }));
  const params = { ...usualParameters(name, shapes), ...given };
  kernel.infer(specs, params);
  const device = await openDevice(kind, { webgpu: { choices: tunedChoices }, wasm: { choices: tunedChoices } });
  try {
    const shown =
      kind === 'webgpu'
        ? wgslOf(kernel, specs, params, device, variant)
        : wasmOf(kernel, specs, params, device, variant);
    console.log(json ? JSON.stringify(shown) : shown.text);
  } finally {
    await device.destroy();
  }
}

/** What the measured choices of a device are kept under. */
const tuningKey = ({ info: { tuning, adapter } }: Device): string => (tuning ?? adapter).replace(/ \/ tuned .*$/, '');

function heading(
  kernel: Kernel,
  specs: readonly Spec[],
  params: unknown,
  variant: string,
  others: readonly string[],
): string {
  const { flops, bytes } = kernel.cost(specs, params);
  return [
    `// ${kernel.name}/${variant}: ${threeDigits(flops / 1e9)} GFLOP, ${threeDigits(bytes / 1e6)} MB`,
    `// parameters ${JSON.stringify(params)}`,
    `// also applies here: ${others.join(', ') || 'nothing else'}`,
  ].join('\n');
}

function wgslOf(kernel: Kernel, specs: readonly Spec[], params: unknown, device: Device, wanted: string | undefined) {
  const { adapter } = device as Device & { readonly adapter: WebGpuAdapterInfo };
  const choices = tunedChoices(tuningKey(device));
  const variant = chooseVariant(kernel.name, kernel.wgsl, specs, params, adapter, wanted, choices);
  const others = kernel.wgsl.filter(one => one !== variant && one.applies(specs, params, adapter)).map(one => one.name);
  const { passes, scratch = [] } = variant.plan(specs, params, adapter);
  const text = [
    heading(kernel, specs, params, variant.name, others),
    ...passes.flatMap(({ source, workgroups, bindings, uniforms }, i) => [
      `\n// pass ${i + 1} of ${passes.length}: ${workgroups.join(' x ')} workgroups; binds ` +
        `${bindings.map(({ kind, index }) => `${kind} ${index}`).join(', ')}` +
        `${uniforms ? `; uniforms ${[...uniforms].join(' ')}` : ''}`,
      source.trim(),
    ]),
    ...scratch.map(({ shape, dtype }, i) => `\n// scratch ${i}: ${dtype} [${shape.join(', ')}]`),
  ].join('\n');
  const plain = passes.map(({ source, workgroups }) => ({ source, workgroups }));
  return { kernel: kernel.name, variant: variant.name, passes: plain, text };
}

function wasmOf(kernel: Kernel, specs: readonly Spec[], params: unknown, device: Device, wanted: string | undefined) {
  const { adapter } = device as Device & { readonly adapter: WasmAdapterInfo };
  const choices = tunedChoices(tuningKey(device));
  const variant = chooseVariant(kernel.name, kernel.wasm, specs, params, adapter, wanted, choices);
  const others = kernel.wasm.filter(one => one !== variant && one.applies(specs, params, adapter)).map(one => one.name);
  const { passes } = variant.plan(specs, params, adapter);
  const text = [
    heading(kernel, specs, params, variant.name, others),
    ...passes.map(
      ({ program, entry, tasks, grain = 1 }, i) =>
        `// pass ${i + 1} of ${passes.length}: ${entry} of program ${program.key}; ${tasks} tasks, at least ${grain} a thread`,
    ),
  ].join('\n');
  const plain = passes.map(({ program, entry, tasks }) => ({ program: program.key, entry, tasks }));
  return { kernel: kernel.name, variant: variant.name, passes: plain, text };
}

async function tune({ device: kind, model, batchSize, only, repeats, json }: BenchOptions): Promise<void> {
  const device = await openDevice(kind);
  const say = (text: string): void => console.error(text);
  try {
    say(`Device: ${device.info.description}`);
    const found = await trainingCalls({ name: model, options: {} }, batchSize, device);
    const calls = found.filter(({ kernel }) => only === undefined || kernel.name.includes(only));
    const count = tunable(calls, device).length;
    say(`${count} of ${calls.length} kinds of kernel call have several variants.`);
    let done = 0;
    const tuned = await tuneKernels(device, calls, {
      repeats,
      // On a processor others may be at work too: what this process used holds still, what the clock says does not.
      measure: device.info.isSoftware ? processorTime : undefined,
      onTuned(call) {
        say(`\n${++done}/${count} ${describeCall(call)}`);
        say(tableOf(call).join('\n'));
        keep(device, call);
      },
    });
    if (json) {
      console.log(
        JSON.stringify(tuned.map(({ key, untuned, chosen, candidates }) => ({ key, untuned, chosen, candidates }))),
      );
    }
    if (tuned.length > 0) say(`\nKept: ${keep(device)}`);
  } finally {
    await device.destroy();
  }
}

/** Writes a measured call into this adapter's table at once, so that an interrupted run keeps what it has. */
function keep(device: Device, call?: TunedCall): string {
  const choices: Record<string, TunedChoice> = {};
  if (call) {
    const timeOf = (name: string) => call.candidates.find(({ variant }) => variant === name)?.milliseconds ?? 0;
    const [milliseconds, untuned] = [timeOf(call.chosen), timeOf(call.untuned)];
    choices[call.key] = { variant: call.chosen, milliseconds, untuned };
  }
  return writeTuning(tuningKey(device), choices);
}

function tableOf({ candidates, chosen, untuned }: TunedCall): string[] {
  const rows = candidates.map(({ variant, milliseconds, wrong }) => [
    `  ${variant}`,
    milliseconds === undefined ? '-' : threeDigits(milliseconds),
    wrong ? `WRONG: ${wrong}` : variant === chosen ? (chosen === untuned ? 'as before' : 'taken from now on') : '',
  ]);
  return alignedLines([['', 'ms', ''], ...rows], [false, true, false]);
}

/** Milliseconds of processor time over all cores, which an idle machine would take. */
async function processorTime(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e3 / availableParallelism();
}
