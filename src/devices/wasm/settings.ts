/** What the wasm device is told by its caller or by the environment, and what it decides by itself where neither says. */
import { DeviceError } from '../errors.ts';
import type { WasmHost } from './host.ts';
import { ThreadPool } from './pool.ts';
import { fusesMultiplyAdd, hasRelaxedSimd } from './relaxed-simd.ts';
import { probeWide, type WideFinding } from './wide.ts';
import { MAX_THREADS } from './worker.source.ts';

/** Threads: what the caller says, else WEFT_THREADS, else one per processor. */
export function chooseThreads(host: WasmHost, threads: number | undefined): number {
  if (threads !== undefined) return threads;
  const asked = host.environment('WEFT_THREADS');
  if (!asked) return Math.min(host.processors, MAX_THREADS);
  const count = Number(asked);
  if (!Number.isInteger(count) || count < 1 || count > MAX_THREADS) {
    throw new DeviceError(`wasm: WEFT_THREADS must be a whole number from 1 to ${MAX_THREADS}, not "${asked}".`);
  }
  return count;
}

export interface RelaxedChoice {
  readonly use: boolean;
  /** Why, for the device's description. */
  readonly note: string;
}

/** The form of multiply-add: what the caller says, else WEFT_RELAXED_SIMD, else what engine and processor can do. */
export function chooseRelaxedSimd(host: WasmHost, relaxedSimd: boolean | undefined): RelaxedChoice {
  const asked = host.environment('WEFT_RELAXED_SIMD');
  if (asked && asked !== '0' && asked !== '1') {
    throw new DeviceError(`wasm: WEFT_RELAXED_SIMD must be 0 or 1, not "${asked}".`);
  }
  const wanted = relaxedSimd ?? (asked ? asked === '1' : undefined);
  if (wanted === false) return { use: false, note: 'separate multiply and add' };
  if (!hasRelaxedSimd(host)) {
    if (wanted) throw new DeviceError(`wasm: this engine (${host.engine}) has no relaxed SIMD; leave relaxedSimd out.`);
    return { use: false, note: 'no fused multiply-add in this engine' };
  }
  if (wanted) return { use: true, note: 'fused multiply-add' };
  const use = fusesMultiplyAdd(host);
  return { use, note: use ? 'fused multiply-add' : 'no fused multiply-add in this processor' };
}

/** What was found of an engine, with separate and with fused multiply-add: probed once in a process. */
const findings = new WeakMap<WasmHost, Map<boolean, WideFinding>>();

function wideFinding(host: WasmHost, relaxed: boolean): WideFinding {
  const known = findings.get(host) ?? new Map<boolean, WideFinding>();
  findings.set(host, known);
  const finding = known.get(relaxed) ?? probeWide(host, relaxed);
  known.set(relaxed, finding);
  return finding;
}

export interface WideChoice {
  readonly use: boolean;
  /** What the device's description says of it, if anything. */
  readonly note: string;
}

/** Wide mode: what the caller says, else WEFT_WIDE (0, 1 or auto), else where it is found to be faster. */
export function chooseWide(host: WasmHost, wide: boolean | undefined, relaxed: boolean): WideChoice {
  const asked = host.environment('WEFT_WIDE') || 'auto';
  if (!['0', '1', 'auto'].includes(asked)) {
    throw new DeviceError(`wasm: WEFT_WIDE must be 0, 1 or auto, not "${asked}".`);
  }
  const wanted = wide ?? (asked === 'auto' ? undefined : asked === '1');
  if (wanted === false) return { use: false, note: '' };
  if (!host.canWiden) {
    if (wanted) {
      throw new DeviceError(`wasm: this engine (${host.engine}) has no vectors of 256 bits; leave wide out.`);
    }
    return { use: false, note: '' };
  }
  const finding = wideFinding(host, relaxed);
  // Other bits would make a network depend on the mode.
  if (finding === 'other bits') return { use: false, note: ', 128 bits, because 256 gave other sums' };
  return wanted || finding === 'faster' ? { use: true, note: ', 256 bits' } : { use: false, note: '' };
}

export interface OpenedThreads {
  readonly pool: ThreadPool;
  /** What the device's description says of them. */
  readonly note: string;
}

/**
 * Starts the threads. Where the number was left to us and workers cannot be had (a page's policy may forbid them), the
 * calling thread works alone, and the description says why.
 */
export async function openThreads(
  host: WasmHost,
  memory: WebAssembly.Memory,
  threads: number,
  isTold: boolean,
): Promise<OpenedThreads> {
  try {
    const pool = await ThreadPool.open(host, memory, threads);
    return { pool, note: threads === 1 ? '1 thread' : `${threads} threads` };
  } catch (error) {
    if (isTold || !(error instanceof DeviceError)) throw error;
    const pool = await ThreadPool.open(host, memory, 1);
    return { pool, note: `1 thread, because ${error.message.replace(/^wasm: |\.$/g, '')}` };
  }
}
