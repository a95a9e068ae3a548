/** What a measurement ran on, in words that a reader of the results can compare. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Device } from '../../src/devices/device.ts';

export interface Hardware {
  readonly processor: string;
  readonly threads: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
  readonly device: string;
  readonly adapter: string;
}

export function hardwareOf({ info }: Device): Hardware {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    threads: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    device: info.description,
    adapter: info.adapter,
  };
}
