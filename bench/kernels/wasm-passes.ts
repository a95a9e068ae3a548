/**
 * How long each pass of a kernel takes on the wasm device, repeated alone, and all of them together: where a kernel of
 * several passes spends its time. Medians; a pass repeated alone finds its own data in the cache.
 *
 *     npx tsx bench/kernels/wasm-passes.ts 'batch norm . relu 128 @7 forward' [THREADS]
 */
import type { WasmPlan } from '../../src/devices/kernel.ts';
import { chooseVariant } from '../../src/devices/variants.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { kernelCases } from '../cases/index.ts';
import { race } from '../harness.ts';
import { kernelCase, ownEntrant } from '../kernel-case.ts';

const [pattern = '.', threads = '2'] = process.argv.slice(2);
const device = await openWasmDevice({ threads: Number(threads) });
for (const one of kernelCases.filter(({ id }) => new RegExp(pattern).test(id))) {
  const { kernel, inputs, params, id, group, bytes } = one;
  const variant = chooseVariant(kernel.name, kernel.wasm, inputs, params, device.adapter);
  const count = variant.plan(inputs, params, device.adapter).passes.length;
  const all = Array.from({ length: count }, (_, pass) => pass);
  const times: string[] = [];
  for (const picked of [...all.map(pass => [pass]), all]) {
    const plan = (...call: Parameters<typeof variant.plan>): WasmPlan => {
      const whole = variant.plan(...call);
      return { ...whole, passes: picked.map(pass => whole.passes[pass]) };
    };
    const part = kernelCase({ id, group, params, inputs, bytes, kernel: { ...kernel, wasm: [{ ...variant, plan }] } });
    const [outcome] = await race([ownEntrant(part, device)], { seconds: 0.3, warmUpSeconds: 0.15, rounds: 3 });
    if (!('timing' in outcome)) throw new Error(`${id}: ${JSON.stringify(outcome)}`);
    times.push(
      `${picked.length === 1 ? `pass ${picked[0] + 1}` : 'all'} ${(outcome.timing.median * 1e3).toFixed(1)} us`,
    );
  }
  console.log(`${id} (${variant.name}, ${threads} threads): ${times.join(', ')}`);
}
await device.destroy();
