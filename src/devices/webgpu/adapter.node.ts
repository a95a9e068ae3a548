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
import { adapterRequest, dawnOptions, noAdapter } from './dawn.node.ts';
import { memoryMapGuard } from './memory-maps.node.ts';
import type { AdapterOptions } from './options.ts';

const instances = new Map<string, GPU>();

function instanceFor(name: string | undefined): GPU {
  const key = name ?? '';
  let gpu = instances.get(key);
  if (!gpu) {
    gpu = create(dawnOptions(name));
    instances.set(key, gpu);
  }
  return gpu;
}

/** The adapter to use. Throws DeviceError with one sentence when there is none. */
export async function acquireAdapter(options: AdapterOptions = {}): Promise<AcquiredAdapter> {
  let adapter: GPUAdapter | null;
  try {
    adapter = await instanceFor(options.adapter).requestAdapter(adapterRequest(options));
  } catch (error) {
    throw new DeviceError(noAdapter(options, error));
  }
  if (!adapter) throw new DeviceError(noAdapter(options));
  return isSoftwareAdapter(adapter)
    ? { adapter, wait: patientWait, beforeCompiling: memoryMapGuard() }
    : { adapter, wait: promise => promise };
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
