/** Adding up what a profile sees: calls, time and work by kernel and variant, and the single calls for who wants them. */
import type { ProfiledCall, ProfileEntry } from './device.ts';
import { bytesPerElement } from './dtype.ts';
import type { Cost, Spec } from './kernel.ts';
import { formatShape, sizeOf } from './shape.ts';

export interface TimedRun {
  readonly kernel: string;
  readonly variant: string;
  readonly inputs: readonly Spec[];
  readonly outputs: readonly Spec[];
  /** Milliseconds since the profile began. */
  readonly start: number;
  readonly milliseconds: number;
  /** Absent for the second and later passes of one call. */
  readonly cost: Cost | undefined;
  /** Share of subnormal numbers in what it read, where that was looked at. */
  readonly subnormals?: number;
}

export class ProfileSums {
  readonly #entries = new Map<string, { -readonly [K in keyof ProfileEntry]: ProfileEntry[K] }>();
  readonly #onCall: ((call: ProfiledCall) => void) | undefined;

  constructor(onCall?: (call: ProfiledCall) => void) {
    this.#onCall = onCall;
  }

  add({ kernel, variant, inputs, outputs, start, milliseconds, cost, subnormals = 0 }: TimedRun): void {
    const key = `${kernel}/${variant}`;
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = { kernel, variant, calls: 0, milliseconds: 0, flops: 0, bytes: 0 };
      this.#entries.set(key, entry);
    }
    entry.milliseconds += milliseconds;
    if (subnormals > (entry.subnormals ?? 0)) entry.subnormals = subnormals;
    if (cost) {
      entry.calls++;
      entry.flops += cost.flops;
      entry.bytes += cost.bytes;
    }
    if (!this.#onCall) return;
    const shapes = (inputs.length > 0 ? inputs : outputs).map(({ shape }) => formatShape(shape)).join(' ');
    const work = cost && { ...cost, footprint: bytesOf(inputs) + bytesOf(outputs) };
    this.#onCall({ kernel, variant, shapes, start, milliseconds, ...(work && { work }) });
  }

  /** Slowest first. */
  list(): ProfileEntry[] {
    return [...this.#entries.values()].sort((a, b) => b.milliseconds - a.milliseconds);
  }
}

function bytesOf(specs: readonly Spec[]): number {
  return specs.reduce((total, { shape, dtype }) => total + sizeOf(shape) * bytesPerElement(dtype), 0);
}
