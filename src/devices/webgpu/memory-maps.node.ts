/**
 * A software driver maps memory for every kernel that it compiles (lavapipe of Mesa 25.0.7: some 200 maps each, given back when
 * the device is closed), Linux gives a process 65,530 maps (vm.max_map_count), and the process does not survive the last one.
 * So compilation stops with an error before.
 */
import { readFileSync } from 'node:fs';
import { DeviceError } from '../errors.ts';

/** How often it is looked, in pipelines: counting the maps takes some milliseconds. */
const EVERY = 8;
/** Share of the maps that may be taken: what compiles between two looks has room in the rest. */
const MOST = 0.8;

export interface MapCounts {
  /** Maps of this process now. */
  maps(): number;
  /** Most that the system allows. */
  most(): number;
}

/** @throws when the system does not say, as elsewhere than on Linux */
const linux: MapCounts = {
  maps() {
    const text = readFileSync('/proc/self/maps');
    let lines = 0;
    for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) lines++;
    return lines;
  },
  most: () => Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8')),
};

/**
 * What is asked before each compilation.
 * @param compiled pipelines that the device has
 */
export function memoryMapGuard({ maps, most }: MapCounts = linux): (compiled: number) => void {
  return compiled => {
    if (compiled === 0 || compiled % EVERY !== 0) return;
    let counts: readonly [number, number];
    try {
      counts = [maps(), most()];
    } catch {
      return; // Not Linux.
    }
    if (counts[0] <= MOST * counts[1]) return;
    throw new DeviceError(
      `webgpu: the software driver has compiled ${compiled} kernels for this device, and the process holds ${counts[0]} of ` +
        `${counts[1]} memory maps; close the device and open another one, or raise vm.max_map_count.`,
    );
  };
}
