/**
 * Dispatches ready to encode: a pass with the bind group that holds its buffers. Making a bind group costs about 20 us,
 * finding one 2, so they are cached by pass and buffers. A steady training step finds all of them. The cache keeps two
 * generations: when the young one is full it becomes the old one, and what is still used moves back.
 */
import { bytesPerElement } from '../dtype.ts';
import { DeviceError } from '../errors.ts';
import type { Storage } from '../storage.ts';
import { type PooledBuffer, paddedBytes } from './buffers.ts';
import { describePlan, type PreparedPass } from './plans.ts';

/** One dispatch with everything bound: what a batch encodes and a capture replays. */
export interface Dispatch {
  readonly pass: PreparedPass;
  readonly group: GPUBindGroup;
}

/** A range of a buffer, as bound. */
export interface Range {
  readonly buffer: PooledBuffer;
  readonly offset: number;
  readonly size: number;
}

/** The range of its buffer that is bound for a storage. */
export function rangeOf({ allocation, byteOffset, length, dtype }: Storage): Range {
  const size = paddedBytes(length * bytesPerElement(dtype));
  return { buffer: allocation.buffer as PooledBuffer, offset: byteOffset, size };
}

const GENERATION = 8192;

export class DispatchCache {
  readonly #device: GPUDevice;
  #young = new Map<string, Dispatch>();
  #old = new Map<string, Dispatch>();
  /** Bind groups made so far; a steady step makes none. */
  created = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The dispatch of a pass over these ranges. Throws DeviceError where an output shares memory with another array. */
  get(pass: PreparedPass, ranges: readonly Range[]): Dispatch {
    let key = `${pass.id}`;
    for (const { buffer, offset } of ranges) key += offset === 0 ? `,${buffer.id}` : `,${buffer.id}+${offset}`;
    const young = this.#young.get(key);
    if (young) return young;
    const dispatch = this.#old.get(key) ?? this.#create(pass, ranges);
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, dispatch);
    return dispatch;
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }

  #create(pass: PreparedPass, ranges: readonly Range[]): Dispatch {
    checkAliasing(pass, ranges);
    this.created++;
    const entries: GPUBindGroupEntry[] = ranges.map(({ buffer, offset, size }, binding) => ({
      binding,
      resource: { buffer: buffer.gpu, offset, size },
    }));
    if (pass.uniform) entries.push({ binding: entries.length, resource: pass.uniform });
    return { pass, group: this.#device.createBindGroup({ layout: pass.pipeline.layout, entries }) };
  }
}

/** WebGPU forbids a buffer to be read-only and writable in one dispatch even in disjoint ranges, and writable overlaps. */
function checkAliasing(pass: PreparedPass, ranges: readonly Range[]): void {
  const { kinds } = pass.pipeline;
  for (let i = 0; i < ranges.length; i++) {
    if (kinds[i] !== 'read_write') continue;
    for (let j = 0; j < ranges.length; j++) {
      const [a, b] = [ranges[i], ranges[j]];
      if (i === j || a.buffer !== b.buffer) continue;
      const overlap = a.offset < b.offset + b.size && b.offset < a.offset + a.size;
      if (kinds[j] === 'read' || overlap) {
        const name = (k: number) => `${pass.bindings[k].kind} ${pass.bindings[k].index}`;
        throw new DeviceError(`${describePlan(pass.plan)}: ${name(i)} and ${name(j)} share one buffer.`);
      }
    }
  }
}
