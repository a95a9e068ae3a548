/**
 * Measuring the ceilings of an open device, with its own kernels and its own threads. A call is made long enough (by going
 * round more often) that neither launching it nor waiting for it shows; several calls are timed; and the result is
 * checked, because a loop that some compiler has shortened would make a fine ceiling. The expected numbers are closed
 * forms: millions of multiply-adds are not repeated on the host.
 */
import type { Device, Operand } from '../../devices/device.ts';
import { DeviceError } from '../../devices/errors.ts';
import type { Kernel, Spec, WasmAdapterInfo, WebGpuAdapterInfo } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { release } from '../../devices/storage.ts';
import {
  CHAINS,
  LANES,
  LINKS,
  memoryWalk,
  multiplyAddChains,
  PAGE_FLOATS,
  PANEL,
  PEAK_INPUTS,
  peakMultiplyAdd,
  WALK_ARRAYS,
  type WalkName,
} from './index.ts';
import type { Roofline } from './roofline.ts';

/** Seconds of running before anything counts (engines compile in tiers), and of sampling. */
export interface MeasuringTime {
  readonly warmUp: number;
  readonly sampling: number;
  /** Which call counts: the fastest (default), which a busy neighbour hardly moves, or the median, as of what is compared. */
  readonly counts?: 'fastest' | 'median';
}

const BRIEFLY: MeasuringTime = { warmUp: 0.05, sampling: 0.1 };
/** A call shall take so long: waiting for a software GPU is exact to half a millisecond. */
const CALL_MILLISECONDS = 10;
/** Bounds what rounding adds up to in the chains. */
const MOST_ROUNDS = 2 ** 15;
const FEWEST_SAMPLES = 3;
/** Share of the largest expected value. Rounding stays far below; a loop of half the length is off by a third. */
const AGREEMENT = 0.01;
/** Invocations of the chains: more than any GPU holds at a time (the largest of 2025 hold about 300,000). */
export const PEAK_INVOCATIONS = 2 ** 18;
const MIB = 2 ** 20;

/** A kernel that goes round and round. */
interface Loop<P> {
  readonly kernel: Kernel<P>;
  readonly inputs: readonly Spec[];
  params(rounds: number): P;
  /** What to put into the inputs, which may depend on how often they are gone through. */
  values(rounds: number): Float32Array[];
  /** Element i of the output. */
  expected(values: readonly Float32Array[], rounds: number): (i: number) => number;
  /** More rounds than this would compute something that cannot be checked. */
  readonly mostRounds: number;
}

/** Milliseconds of one round. Throws DeviceError when the loop computes something else than it should. */
async function timeRound<P>(device: Device, loop: Loop<P>, time: MeasuringTime): Promise<number> {
  const { warmUp, sampling, counts = 'fastest' } = time;
  const { kernel, inputs, params, mostRounds } = loop;
  const held: Operand[] = [];
  const hold = ({ shape, dtype }: Spec): Operand => {
    const operand = { storage: device.allocate(sizeOf(shape), dtype), shape };
    held.push(operand);
    return operand;
  };
  try {
    const operands = inputs.map(hold);
    const write = (values: readonly Float32Array[]): void =>
      values.forEach((array, i) => {
        device.write(operands[i].storage, array);
      });
    const results = kernel.infer(inputs, params(1)).map(hold);
    const call = async (rounds: number): Promise<number> => {
      const started = performance.now();
      device.run(kernel, operands, results, params(rounds));
      await device.sync();
      return performance.now() - started;
    };
    let rounds = 1;
    write(loop.values(rounds));
    await device.sync();
    for (const end = performance.now() + 1e3 * warmUp; ; ) {
      const milliseconds = await call(rounds);
      if (milliseconds < CALL_MILLISECONDS && rounds < mostRounds) rounds = Math.min(2 * rounds, mostRounds);
      else if (performance.now() >= end) break;
    }
    const values = loop.values(rounds);
    write(values);
    await device.sync();
    const times: number[] = [];
    for (const end = performance.now() + 1e3 * sampling; times.length < FEWEST_SAMPLES || performance.now() < end; ) {
      times.push(await call(rounds));
    }
    check(kernel.name, await device.read(results[0].storage), loop.expected(values, rounds));
    times.sort((a, b) => a - b);
    const median = (times[(times.length - 1) >> 1] + times[times.length >> 1]) / 2;
    return (counts === 'median' ? median : times[0]) / rounds;
  } finally {
    for (const { storage } of held) release(storage);
  }
}

function check(name: string, actual: ArrayLike<number>, expected: (i: number) => number): void {
  let [largest, worst] = [1e-30, 0];
  for (let i = 0; i < actual.length; i++) {
    const wanted = expected(i);
    const difference = Math.abs(actual[i] - wanted);
    if (Math.abs(wanted) > largest) largest = Math.abs(wanted);
    if (!(difference <= worst)) worst = difference;
  }
  if (worst / largest <= AGREEMENT) return;
  throw new DeviceError(
    `${name}: the measuring loop is wrong by ${(worst / largest).toExponential(1)} of its largest value on this ` +
      'device, so it says nothing about its speed.',
  );
}

/** Which forms of multiply-add a device has a loop for; on a GPU the driver decides what the separate one becomes. */
export function multiplyAddForms(device: Device): { fused: boolean }[] {
  const { relaxedSimd } = (device as Device & { readonly adapter?: Partial<WasmAdapterInfo> }).adapter ?? {};
  return device.kind === 'webgpu' || relaxedSimd ? [{ fused: false }, { fused: true }] : [{ fused: false }];
}

/** GFLOP/s of multiply-adds that stay in registers, on everything the device has: threads, or enough invocations. */
export async function measurePeak(device: Device, fused: boolean, time: MeasuringTime = BRIEFLY): Promise<number> {
  const perRound = async <P>(loop: Loop<P>): Promise<number> => {
    const { flops } = loop.kernel.cost(loop.inputs, loop.params(1));
    return (flops / (await timeRound(device, loop, time))) * 1e-6;
  };
  return device.kind === 'webgpu' ? perRound(chainsLoop(fused)) : perRound(panelLoop(fused, threadsOf(device)));
}

function threadsOf(device: Device): number {
  return (device as Device & { readonly adapter?: Partial<WasmAdapterInfo> }).adapter?.threads ?? 1;
}

function panelLoop(fused: boolean, tasks: number): Loop<{ fused: boolean; rounds: number; tasks: number }> {
  const { rows, columns, steps } = PANEL;
  return {
    kernel: peakMultiplyAdd,
    inputs: PEAK_INPUTS,
    // Some 10 us, so that few rounds are too many for the clock.
    params: rounds => ({ fused, rounds: 64 * rounds, tasks }),
    // A quarter for each time through the panel, and exact however often: signs alternate, the first step counts twice.
    values: () => [
      new Float32Array(rows).fill(0.5),
      Float32Array.from({ length: steps * columns }, (_, i) => (i < columns ? 1 : (i / columns) & 1 ? -0.5 : 0.5)),
    ],
    expected: (_, rounds) => () => 0.25 * 64 * rounds,
    mostRounds: MOST_ROUNDS,
  };
}

function chainsLoop(fused: boolean): Loop<{ fused: boolean; rounds: number; invocations: number }> {
  return {
    kernel: multiplyAddChains,
    inputs: [
      { shape: [CHAINS], dtype: 'float32' },
      { shape: [2], dtype: 'float32' },
    ],
    params: rounds => ({ fused, rounds, invocations: PEAK_INVOCATIONS }),
    // s = s x + (1 - x) comes nearer to 1; with x = 1 - 1/n it is a third of the way short of it after n links.
    values(rounds) {
      const x = Math.fround(1 - 1 / (rounds * LINKS));
      return [Float32Array.from({ length: CHAINS }, (_, i) => i / CHAINS), Float32Array.of(x, 1 - x)];
    },
    expected([start, [x, y]], rounds) {
      const power = x ** (rounds * LINKS);
      const sum = start.reduce((total, value) => total + value, 0);
      return i => (power * sum * ((i % LANES) + 1)) / LANES + (CHAINS * y * (1 - power)) / (1 - x);
    },
    mostRounds: MOST_ROUNDS,
  };
}

/** Bytes of all arrays of a walk as near to `footprint` as whole pages and the device's largest binding allow. */
function walkPages(device: Device, walk: WalkName, footprint: number): number {
  const { adapter } = device as Device & { readonly adapter?: Partial<WebGpuAdapterInfo> };
  const largest = adapter?.maxStorageBufferBindingSize ?? Number.POSITIVE_INFINITY;
  const bytes = Math.min(largest, footprint / WALK_ARRAYS[walk]);
  return Math.max(threadsOf(device), Math.floor(bytes / (4 * PAGE_FLOATS)));
}

/** GB/s (10^9) of a walk over arrays that together take about `footprint` bytes, and the bytes they do take. */
export async function measureWalk(
  device: Device,
  walk: WalkName,
  footprint: number,
  time: MeasuringTime = BRIEFLY,
): Promise<{ footprint: number; rate: number }> {
  const pages = walkPages(device, walk, footprint);
  const lengths = [pages * PAGE_FLOATS, (walk === 'triad' ? pages : 1) * PAGE_FLOATS];
  const loop: Loop<{ walk: WalkName; rounds: number }> = {
    kernel: memoryWalk,
    inputs: lengths.map(length => ({ shape: [length], dtype: 'float32' })),
    params: rounds => ({ walk, rounds }),
    // Whole numbers that repeat at primes, so that no page holds what another does.
    values: () => lengths.map((length, i) => wholeNumbers(length, i === 0 ? 4093 : 4091)),
    expected([a, b]) {
      if (walk === 'read') return i => laneSum(a, Math.floor(i / 4), i % 4);
      return walk === 'copy' ? i => a[i] : i => a[i] + b[i] / 2;
    },
    mostRounds: MOST_ROUNDS,
  };
  const { bytes } = memoryWalk.cost(loop.inputs, loop.params(1));
  return { footprint: bytes, rate: (bytes / (await timeRound(device, loop, time))) * 1e-6 };
}

function wholeNumbers(length: number, period: number): Float32Array {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = i % period;
  return values;
}

function laneSum(values: Float32Array, page: number, lane: number): number {
  let sum = 0;
  for (let i = page * PAGE_FLOATS + lane; i < (page + 1) * PAGE_FLOATS; i += 4) sum += values[i];
  return sum;
}

/**
 * Bytes of a triad's three arrays together. A processor's (and a software GPU's) from the second cache of a core to far
 * beyond all caches; a GPU's such as fit into its last cache and such as fit into none.
 */
export function triadFootprints(device: Device): number[] {
  const isProcessor = device.kind !== 'webgpu' || device.info.isSoftware;
  return (isProcessor ? [0.75, 3, 12, 48, 192] : [3, 24, 384]).map(size => size * MIB);
}

/**
 * The roofline of an open device, measured in some seconds; undefined on the reference device, whose loops are for reading.
 * @throws DeviceError when a measuring loop computes something else than it should
 */
export async function measureRoofline(device: Device, time: MeasuringTime = BRIEFLY): Promise<Roofline | undefined> {
  if (device.kind === 'reference') return undefined;
  let peak = 0;
  for (const { fused } of multiplyAddForms(device)) peak = Math.max(peak, await measurePeak(device, fused, time));
  const triad: { footprint: number; rate: number }[] = [];
  for (const footprint of triadFootprints(device)) triad.push(await measureWalk(device, 'triad', footprint, time));
  return { peak, triad };
}
