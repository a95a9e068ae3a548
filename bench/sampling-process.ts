/**
 * One side of `npm run bench -- --against`: a process that imports a checkout's bench, keeps one case ready at a time and takes
 * samples when it is told to, so that two builds can take turns within a second. Between turns its threads sleep.
 * Arguments: the checkout, device, threads (0: the default). Each line of stdin is an Order, each line of stdout its Answer.
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { DeviceKind } from '../src/devices/device.ts';
import type { Contender, Entrant } from './contender.ts';
import type { KernelCase } from './kernel-case.ts';
import type { NetworkOperation } from './operations.ts';
import { quantile } from './statistics.ts';

/** What can be sampled: a kernel's case by its name, or a network. */
export interface SampledCase {
  readonly id: string;
  readonly network?: NetworkOperation;
}

export type Order =
  | { readonly prepare: SampledCase; readonly warmUpSeconds: number }
  | { readonly sampleSeconds: number };
/** Whether the case exists in this checkout, or the median of the samples in milliseconds, or what failed. */
export type Answer = { readonly ready: boolean } | { readonly milliseconds: number } | { readonly failed: string };

async function serve(root: string, kind: DeviceKind, threads: number): Promise<void> {
  const load = (path: string) => import(pathToFileURL(join(root, path)).href);
  const { openDevice } = await load('src/devices/open.ts');
  const { kernelCases } = (await load('bench/cases/index.ts')) as { kernelCases: readonly KernelCase[] };
  const { ownEntrant } = await load('bench/kernel-case.ts');
  const { ownNetwork } = await load('bench/networks/own.ts');
  const device = await openDevice(kind, threads > 0 ? { wasm: { threads } } : {});
  let contender: Contender | undefined;

  const find = ({ id, network }: SampledCase): Entrant['prepare'] | undefined => {
    if (network) return () => ownNetwork(network, device);
    const one = kernelCases.find(other => other.id === id);
    return one && (() => ownEntrant(one, device).prepare());
  };
  const answer = async (order: Order): Promise<Answer> => {
    if ('sampleSeconds' in order) {
      if (!contender) throw new Error('nothing is prepared');
      return { milliseconds: quantile([...(await contender.sample(order.sampleSeconds))], 0.5) };
    }
    await contender?.dispose?.();
    contender = await find(order.prepare)?.();
    await contender?.warmUp(order.warmUpSeconds);
    return { ready: contender !== undefined };
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const given = await answer(JSON.parse(line) as Order).catch((error: Error): Answer => ({ failed: error.message }));
    process.stdout.write(`${JSON.stringify(given)}\n`);
  }
  await contender?.dispose?.();
  await device.destroy();
}

const [root, kind, threads] = process.argv.slice(2);
await serve(root, kind as DeviceKind, Number(threads));
