/**
 * Vectors of 256 bits against 128, in turns in one process: kernels of bench/cases and whole networks. Needs a Node that has
 * them (24 or 26) on a processor with AVX2.
 *
 *     npx tsx bench/kernels/wide.ts [PATTERN] [THREADS]
 */
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { kernelCases } from '../cases/index.ts';
import type { Entrant } from '../contender.ts';
import { race } from '../harness.ts';
import { ownEntrant } from '../kernel-case.ts';
import { ownNetwork } from '../networks/own.ts';
import { alignedLines, threeDigits } from '../table.ts';

const [pattern = 'matmul 1024|conv 3x3|conv 1x1|conv 1-|train|infer', threads = '2'] = process.argv.slice(2);
const only = new RegExp(pattern);
const devices = await Promise.all([false, true].map(wide => openWasmDevice({ threads: Number(threads), wide })));
const rows = [['', '128 bits, ms', '256 bits, ms', 'times as fast']];

async function compare(id: string, entrants: readonly Entrant[]): Promise<void> {
  const outcomes = await race(entrants, { seconds: 0.4, warmUpSeconds: 0.2, rounds: 4 });
  const medians = outcomes.map(outcome => {
    if (!('timing' in outcome)) throw new Error(`${id}: ${JSON.stringify(outcome)}`);
    return outcome.timing.median;
  });
  rows.push([id, ...medians.map(threeDigits), (medians[0] / medians[1]).toFixed(2)]);
}

for (const one of kernelCases.filter(({ id }) => only.test(id))) {
  await compare(
    one.id,
    devices.map(device => ownEntrant(one, device)),
  );
}
for (const network of ['cnn', 'mini-resnet'] as const) {
  for (const kind of ['train', 'infer'] as const) {
    const id = `${network} ${kind} 128`;
    if (!only.test(id)) continue;
    await compare(
      id,
      devices.map((device, i) => ({
        name: `weft ${128 << i} bits`,
        prepare: () => ownNetwork({ kind, network, batch: 128 }, device),
      })),
    );
  }
}
console.log(`${process.version}, ${devices[1].info.description}`);
console.log(alignedLines(rows, [false, true, true, true]).join('\n'));
for (const device of devices) await device.destroy();
