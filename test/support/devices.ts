/**
 * The devices a test run can use. Every device that cannot be opened is kept in the list with the reason, so that suites
 * report it by name instead of passing it over.
 */
import type { Device } from '../../src/devices/device.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { openWebGpuDevice } from '../../src/devices/webgpu/open.node.ts';

export interface TestDevice {
  readonly name: string;
  /** Absent when it could not be opened. */
  readonly device?: Device;
  readonly reason?: string;
}

type Opener = () => Promise<Device>;

/** One device of each kind, as users get them. */
export const MAIN_DEVICES: Record<string, Opener> = {
  reference: async () => new ReferenceDevice(),
  wasm: () => openWasmDevice(),
  webgpu: () => openWebGpuDevice(),
};

/** Every configuration whose code path differs: threads, fused multiply-add, 256 bits where the engine has them. */
export const ALL_CONFIGURATIONS: Record<string, Opener> = {
  'wasm, 1 thread': () => openWasmDevice({ threads: 1, relaxedSimd: false, wide: false }),
  'wasm, 2 threads': () => openWasmDevice({ threads: 2, relaxedSimd: false }),
  'wasm, 3 threads, fused multiply-add': () => openWasmDevice({ threads: 3, relaxedSimd: true }),
  webgpu: MAIN_DEVICES.webgpu,
};

/** Opens the named devices (all of `openers` by default); prints the ones that cannot be used and why. */
export async function openTestDevices(openers: Record<string, Opener> = MAIN_DEVICES): Promise<TestDevice[]> {
  const opened: TestDevice[] = [];
  for (const [name, open] of Object.entries(openers)) {
    try {
      opened.push({ name, device: await open() });
    } catch (error) {
      const reason = (error as Error).message;
      console.warn(`Device not tested: ${name}: ${reason}`);
      opened.push({ name: `${name} (not available: ${reason})`, reason });
    }
  }
  return opened;
}
