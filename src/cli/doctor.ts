import { availableParallelism, cpus, totalmem } from 'node:os';
import { Command, Option } from 'commander';
import { sum } from '../autograd/index.ts';
import { cacheDirectory } from '../data/index.node.ts';
import type { DeviceKind } from '../devices/device.ts';
import { DeviceError } from '../devices/errors.ts';
import { openDevice } from '../devices/open.ts';
import { tensor } from '../tensor/creation.ts';
import { probeInChild, runKernelProbe } from './kernel-probe.ts';
import { verboseOption } from './options.ts';

interface Finding {
  readonly what: string;
  readonly usable: boolean;
  readonly text: string;
}

/** `weft doctor`: what this machine offers, in plain words. */
export const doctorCommand = new Command('doctor')
  .description('say what this machine offers: processor, devices, data folder')
  .option('--json', 'print the findings as JSON')
  .addOption(verboseOption())
  .addOption(new Option('--probe', 'run kernels until the engine has optimised them').hideHelp())
  .action(async (options: { json?: boolean; probe?: boolean }) => {
    if (options.probe) {
      console.log(JSON.stringify(await runKernelProbe()));
      return;
    }
    const findings: Finding[] = [
      { what: 'node', usable: true, text: `${process.version} on ${process.platform}-${process.arch}` },
      {
        what: 'processor',
        usable: true,
        text: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} threads, ${Math.round(totalmem() / 2 ** 30)} GiB of memory`,
      },
    ];
    findings.push(await examine('webgpu'), ...(await examineWasm()), await examine('reference'));
    const best = findings.find(
      ({ what, usable, text }) => usable && (what === 'wasm' || (what === 'webgpu' && !/software/.test(text))),
    );
    findings.push({
      what: 'auto',
      usable: best !== undefined,
      text: best ? `--device auto takes ${best.what}` : '--device auto has nothing to take; use --device reference',
    });
    findings.push({ what: 'cache', usable: true, text: cacheDirectory() });
    if (options.json) {
      console.log(JSON.stringify(findings));
      return;
    }
    for (const { what, usable, text } of findings) console.log(`${usable ? 'ok ' : 'no '} ${what.padEnd(10)} ${text}`);
  });

/** The CPU device: how it opens here, and how kernels fare in a process of their own once the engine optimises them. */
async function examineWasm(): Promise<Finding[]> {
  const probe = await probeInChild();
  if ('failure' in probe) return [{ what: 'wasm', usable: false, text: probe.failure }];
  const { calls, threads } = probe;
  const text = `${calls} kernel calls on ${threads} ${threads === 1 ? 'thread' : 'threads'}, optimised by the engine, gave right results`;
  return [await examine('wasm'), { what: 'kernels', usable: true, text }];
}

/** Opens a device and lets it add up four numbers, so that "ok" means it works. */
async function examine(kind: DeviceKind): Promise<Finding> {
  try {
    const device = await openDevice(kind);
    const { description } = device.info;
    const total = await sum(tensor([1, 2, 3, 4], [4], { device })).item();
    if (total !== 10) throw new DeviceError(`${description} computes 1 + 2 + 3 + 4 = ${total}.`);
    await device.destroy();
    return { what: kind, usable: true, text: description };
  } catch (error) {
    return { what: kind, usable: false, text: (error as Error).message };
  }
}
