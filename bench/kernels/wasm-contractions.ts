/**
 * Every WebAssembly variant of matrix multiplication and convolution on the shapes of the project's networks, on one thread
 * and on several, beside a loop of multiply-adds that never leaves the registers and L1, measured in the same run. The
 * variant that the device would choose is marked with a star. One-thread rates are taken from processor time, which holds
 * still when others use the machine; rates of several threads are wall-clock bests.
 *
 *     npx tsx bench/kernels/wasm-contractions.ts [--only TEXT] [--threads 2] [--milliseconds 300] [--relaxed 0|1]
 */
import { parseArgs } from 'node:util';
import type { Kernel } from '../../src/devices/kernel.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { release } from '../../src/devices/storage.ts';
import { chooseVariant } from '../../src/devices/variants.ts';
import { openWasmDevice, type WasmDevice } from '../../src/devices/wasm/device.ts';
import { PEAK_INPUTS, peakMultiplyAdd } from '../../src/kernels/ceilings/index.ts';
import { conv2dCases } from '../cases/conv2d.ts';
import { matmulCases } from '../cases/matmul.ts';
import type { KernelCase } from '../kernel-case.ts';
import { type InputSpec, valuesOf } from '../values.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    threads: { type: 'string', default: '2' },
    milliseconds: { type: 'string', default: '300' },
    relaxed: { type: 'string' },
  },
});
const relaxedSimd = options.relaxed === undefined ? undefined : options.relaxed === '1';
const single = await openWasmDevice({ threads: 1, relaxedSimd });
const several = await openWasmDevice({ threads: Number(options.threads), relaxedSimd: single.adapter.relaxedSimd });

/** GFLOP/s, best of many runs: by processor time on one thread, by wall-clock time otherwise. */
function measure(
  device: WasmDevice,
  kernel: Kernel,
  specs: readonly InputSpec[],
  params: unknown,
  variant?: string,
): number {
  const operands = [...specs, ...kernel.infer(specs, params)].map((spec, index) => {
    const storage = device.allocate(sizeOf(spec.shape), spec.dtype);
    device.write(storage, valuesOf(spec, index));
    return { storage, shape: spec.shape };
  });
  const run = () =>
    device.run(kernel, operands.slice(0, specs.length), operands.slice(specs.length), params, { variant });
  const processorTime = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const clock = device.adapter.threads === 1 ? processorTime : () => performance.now();
  const budget = Number(options.milliseconds);
  // The engine's optimising compiler needs some calls first; afterwards one sample takes at least half a millisecond.
  const warm = performance.now();
  for (let calls = 0; calls < 3 || performance.now() - warm < budget / 2; calls++) run();
  const started = performance.now();
  run();
  const calls = Math.ceil(0.5 / Math.max(performance.now() - started, 0.001));
  let best = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample < 5 || performance.now() - started < budget; sample++) {
    const before = clock();
    for (let call = 0; call < calls; call++) run();
    best = Math.min(best, (clock() - before) / calls);
  }
  for (const { storage } of operands) release(storage);
  return kernel.cost(specs, params).flops / best / 1e6;
}

const peakOf = (device: WasmDevice) =>
  measure(device, peakMultiplyAdd, PEAK_INPUTS, {
    fused: single.adapter.relaxedSimd,
    rounds: 200,
    tasks: 4 * device.adapter.threads,
  });

console.log(several.info.description);
const peaks = [peakOf(single), peakOf(several)];
console.log(`peak multiply-add: ${peaks[0].toFixed(1)} GFLOP/s on one thread, ${peaks[1].toFixed(1)} on all\n`);
console.log(
  `${'case'.padEnd(46)}${'variant'.padEnd(14)}${'1 thread'.padStart(10)}${'all'.padStart(10)}  of peak x threads`,
);
for (const one of [...matmulCases, ...conv2dCases] as KernelCase[]) {
  if (options.only && !one.id.includes(options.only)) continue;
  const { kernel, params, inputs } = one;
  const chosen = chooseVariant(kernel.name, kernel.wasm, inputs, params, several.adapter).name;
  for (const { name, applies } of kernel.wasm) {
    if (!applies(inputs, params, several.adapter)) continue;
    const rates = [single, several].map(device => measure(device, kernel, inputs, params, name));
    const share = ((100 * rates[1]) / (several.adapter.threads * peaks[0])).toFixed(0);
    const columns = rates.map(rate => rate.toFixed(1).padStart(10)).join('');
    console.log(
      `${one.id.padEnd(46)}${`${name}${name === chosen ? ' *' : ''}`.padEnd(14)}${columns}${share.padStart(10)} %`,
    );
  }
}
await Promise.all([single.destroy(), several.destroy()]);
