/** Wide mode: who decides, what is said of it, and that it is not used where it would change a bit. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { nodeHost } from '../../src/devices/wasm/host.node.ts';
import type { WasmHost } from '../../src/devices/wasm/host.ts';
import { chooseWide } from '../../src/devices/wasm/settings.ts';
import { openDevice } from '../../src/index.ts';

afterEach(() => vi.unstubAllEnvs());

/** This engine with other properties; a host of its own, so that it is probed anew. */
const hostWith = (given: Partial<WasmHost>): WasmHost => ({ ...nodeHost, environment: () => undefined, ...given });

describe('the choice', () => {
  test('an engine of 128 bits: left alone, or refused where it is asked for', () => {
    const narrow = hostWith({ canWiden: false, engine: 'some-engine' });
    expect(chooseWide(narrow, undefined, false)).toEqual({ use: false, note: '' });
    expect(chooseWide(narrow, false, false)).toEqual({ use: false, note: '' });
    expect(() => chooseWide(narrow, true, false)).toThrow('this engine (some-engine) has no vectors of 256 bits');
  });

  test('WEFT_WIDE is 0, 1 or auto; what the caller says goes first', () => {
    const asked = (value: string) => hostWith({ canWiden: false, environment: () => value });
    expect(() => chooseWide(asked('yes'), undefined, false)).toThrow('WEFT_WIDE must be 0, 1 or auto, not "yes"');
    expect(() => chooseWide(asked('1'), undefined, false)).toThrow('no vectors of 256 bits');
    expect(chooseWide(asked('1'), false, false).use).toBe(false);
    expect(chooseWide(asked('0'), undefined, false).use).toBe(false);
    expect(chooseWide(asked('auto'), undefined, false).use).toBe(false);
  });

  test('code that sums to other bits is not used, and that is said', () => {
    // What is compiled for 256 bits does nothing.
    const wrong = new WebAssembly.Module(
      Uint8Array.of(
        ...[0, 97, 115, 109, 1, 0, 0, 0],
        ...[1, 5, 1, 0x60, 1, 0x7f, 0], // type: (i32) -> ()
        ...[2, 15, 1, 3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 0, 1], // import env.memory
        ...[3, 2, 1, 0],
        ...[7, 7, 1, 3, 114, 117, 110, 0, 0], // export run
        ...[10, 4, 1, 2, 0, 0x0b],
      ),
    );
    const host = hostWith({
      canWiden: true,
      compile: (bytes, { wide = false } = {}) => (wide ? wrong : new WebAssembly.Module(bytes)),
    });
    const refused = { use: false, note: ', 128 bits, because 256 gave other sums' };
    expect(chooseWide(host, undefined, false)).toEqual(refused);
    expect(chooseWide(host, true, false)).toEqual(refused);
  });

  test('code that is not faster is used where it is asked for', () => {
    const host = hostWith({ canWiden: true, compile: bytes => new WebAssembly.Module(bytes) });
    expect(chooseWide(host, true, false)).toEqual({ use: true, note: ', 256 bits' });
  });
});

describe.skipIf(!nodeHost.canWiden)('a device (skipped where the engine has 128 bits only)', () => {
  test('is wide where it is asked to be, under the identity of one that is not', async () => {
    const plain = await openDevice('wasm', { wide: false });
    const wide = await openDevice('wasm', { wide: true });
    expect(plain.info.description).not.toContain('256 bits');
    expect(wide.info.description).toContain('256 bits');
    expect(wide.info.adapter).toBe(plain.info.adapter);
    // What is fastest in one may not be in the other.
    expect(wide.info.tuning).not.toBe(plain.info.tuning);
    for (const device of [plain, wide]) await device.destroy();
  });

  test('of highest precision computes in 128 bits', async () => {
    const device = await openWasmDevice({ precision: 'highest', wide: true });
    expect(device.adapter.wide).toBe(false);
    expect(device.info.description).not.toContain('256 bits');
    await device.destroy();
  });
});
