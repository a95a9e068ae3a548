/**
 * WebGPU in Node: Dawn through the npm package `webgpu`. Two of its habits shape this file.
 *
 * Lifetime: the native instance must outlive every object made from it, and destroying it while work is under way can
 * crash the process (dawn-gpu/node-webgpu #18), so instances are kept for the life of the process. They do not keep the
 * process alive: only promises that are still unsettled do.
 *
 * Waiting: while a promise is unsettled Dawn polls from `setImmediate`, which spins a whole core. A software adapter
 * needs that core: on two cores a spinning wait made lavapipe 1.5 times slower (measured). So for software adapters we
 * sleep between polls, never longer than an eighth of the time already waited.
 */
import { create } from 'webgpu';
import { DeviceError } from '../errors.ts';
import { type AcquiredAdapter, isSoftwareAdapter, type Wait } from './adapter.ts';
import { memoryMapGuard } from './memory-maps.node.ts';
import type { AdapterOptions } from './options.ts';

// Experimental features need `allow_unsafe_apis`; without quantization timestamps are exact instead of 100 us steps.
const DAWN_OPTIONS = ['enable-dawn-features=allow_unsafe_apis', 'disable-dawn-features=timestamp_quantization'];

const INSTALL_HINT =
  'Install a graphics driver with Vulkan (on Debian or Ubuntu `apt install libvulkan1 mesa-vulkan-drivers` gives a ' +
  'software one), or use --device wasm.';

const instances = new Map<string, GPU>();

function instanceFor(name: string | undefined): GPU {
  const key = name ?? '';
  let gpu = instances.get(key);
  if (!gpu) {
    gpu = create(name === undefined ? DAWN_OPTIONS : [...DAWN_OPTIONS, `adapter=${name}`]);
    instances.set(key, gpu);
  }
  return gpu;
}

/** The adapter to use. Throws DeviceError with one sentence when there is none. */
export async function acquireAdapter(options: AdapterOptions = {}): Promise<AcquiredAdapter> {
  let adapter: GPUAdapter | null;
  try {
    adapter = await instanceFor(options.adapter).requestAdapter({
      powerPreference: options.powerPreference ?? 'high-performance',
      forceFallbackAdapter: options.forceSoftware ?? false,
    });
  } catch (error) {
    throw new DeviceError(`webgpu: no adapter: ${firstLine(error)} ${INSTALL_HINT}`);
  }
  if (!adapter) {
    const which = options.adapter
      ? ` named "${options.adapter}"`
      : options.forceSoftware
        ? ' that runs in software'
        : '';
    throw new DeviceError(`webgpu: this machine has no adapter${which}. ${INSTALL_HINT}`);
  }
  return isSoftwareAdapter(adapter)
    ? { adapter, wait: patientWait, beforeCompiling: memoryMapGuard() }
    : { adapter, wait: promise => promise };
}

function firstLine(error: unknown): string {
  const line = String((error as Error).message ?? error).split('\n')[0];
  return line.endsWith('.') ? line : `${line}.`;
}

const SHORTEST_NAP = 0.02;
const LONGEST_NAP = 0.5;
const cell = new Int32Array(new SharedArrayBuffer(4));
let waiting = 0;

/** Awaits `promise`, sleeping between Dawn's polls; timers and I/O are late by at most the nap of half a millisecond. */
const patientWait: Wait = async promise => {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  const start = performance.now();
  const isFirst = waiting++ === 0;
  try {
    // One sleeper is enough, however many wait.
    while (isFirst && !settled) {
      await new Promise<void>(resolve => setImmediate(resolve));
      if (settled) break;
      const nap = Math.min(LONGEST_NAP, (performance.now() - start) / 8);
      if (nap >= SHORTEST_NAP) Atomics.wait(cell, 0, 0, nap);
    }
    return await promise;
  } finally {
    waiting--;
  }
};
