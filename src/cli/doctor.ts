import { availableParallelism, cpus, totalmem } from 'node:os';
import { Command } from 'commander';
import { sum } from '../autograd/index.ts';
import { cacheDirectory } from '../data/index.node.ts';
import type { DeviceKind } from '../devices/device.ts';
import { DeviceError } from '../devices/errors.ts';
import { openDevice } from '../devices/open.ts';
import { tensor } from '../tensor/creation.ts';

interface Finding {
  readonly what: string;
  readonly usable: boolean;
  readonly text: string;
}

/** `weft doctor`: what this machine offers, in plain words. */
export const doctorCommand = new Command('doctor')
  .description('say what this machine offers: processor, devices, data folder')
  .option('--json', 'print the findings as JSON')
  .action(async (options: { json?: boolean }) => {
    const findings: Finding[] = [
      { what: 'node', usable: true, text: `${process.version} on ${process.platform}-${process.arch}` },
      {
        what: 'processor',
        usable: true,
        text: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} threads, ${Math.round(totalmem() / 2 ** 30)} GiB of memory`,
      },
    ];
    for (const kind of ['webgpu', 'wasm', 'reference'] as const) findings.push(await examine(kind));
    const best = findings.find(
      ({ what, usable, text }) => usable && (what === 'wasm' || (what === 'webgpu' && !/software/.test(text))),
    );
    findings.push({ what: 'auto', usable: true, text: `--device auto takes ${best?.what ?? 'wasm'}` });
    findings.push({ what: 'cache', usable: true, text: cacheDirectory() });
    if (options.json) {
      console.log(JSON.stringify(findings));
      return;
    }
    for (const { what, usable, text } of findings) console.log(`${usable ? 'ok ' : 'no '} ${what.padEnd(10)} ${text}`);
  });

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
