/** Vectors of 256 bits change no bit of any kernel: every variant that the wasm device has, over all cases of all families. */
import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { nodeHost } from '../../src/devices/wasm/host.node.ts';
import type { ConformanceCase } from './cases.ts';
import { applicableVariants, runVariant } from './suite.ts';

const FILE = /^(.*)\.cases\.ts$/;
const families = readdirSync(new URL('.', import.meta.url)).flatMap(name => FILE.exec(name)?.[1] ?? []);

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

for (const relaxedSimd of [false, true]) {
  const form = relaxedSimd ? 'fused multiply-add' : 'separate multiply and add';
  describe.skipIf(!nodeHost.canWiden)(
    `256 bits against 128, ${form} (skipped where the engine has 128 only)`,
    async () => {
      const devices = nodeHost.canWiden
        ? await Promise.all([false, true].map(wide => openWasmDevice({ threads: 2, relaxedSimd, wide })))
        : [];
      afterAll(() => Promise.all(devices.map(device => device.destroy())));

      test('the devices are what they are called, and have one identity', () => {
        expect(devices.map(({ adapter }) => adapter.wide)).toEqual([false, true]);
        expect(devices[1].info.description).toContain('256 bits');
        expect(devices[1].info.adapter).toBe(devices[0].info.adapter);
      });

      test.each(families)('%s', async family => {
        const { cases } = (await import(`./${family}.cases.ts`)) as { cases: readonly ConformanceCase[] };
        for (const one of cases) {
          const specs = one.kernel.infer(
            one.inputs.map(({ spec }) => spec),
            one.params,
          );
          for (const variant of applicableVariants(one, devices[0])) {
            const what = `${one.kernel.name}/${variant}, ${one.title}`;
            const [plain, wide] = await Promise.all(devices.map(device => runVariant(one, device, variant, specs)));
            for (const [i, values] of plain.entries()) {
              expect(bytesOf(values).equals(bytesOf(wide[i])), `${what}, output ${i}`).toBe(true);
            }
          }
        }
      });
    },
  );
}
