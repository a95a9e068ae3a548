/** A check for tests: what a piece of work leaves behind. */
import type { Allocation, Device } from '../devices/device.ts';
import { LeakError, UsageError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { getDevice } from './current-device.ts';
import { tensorsOf, watchTensors } from './lifetime.ts';
import { liveTensorCount, Tensor } from './tensor.ts';

export interface LeakOptions {
  /** Whose memory is counted. Default: the one set by `setDevice`. */
  readonly device?: Device;
}

/**
 * Runs `f` and checks that the memory it took is given back: nothing but the tensors in its result (a tensor, or arrays and
 * plain objects of them) may be left, on the tape neither. What garbage collection might free later counts as left.
 * Nothing else may make or dispose tensors meanwhile. Models and optimizers hold memory until they are disposed.
 *
 *     await expectNoLeaks(() => tidy(() => mean(matmul(a, b)).item()));
 *
 * @returns the result of `f`
 * @throws LeakError that names shapes and bytes; UsageError for what is no function; whatever `f` throws
 */
export async function expectNoLeaks<T>(f: () => T | Promise<T>, options: LeakOptions = {}): Promise<T> {
  if (typeof f !== 'function') throw new UsageError(`expectNoLeaks: it takes a function, not ${typeof f}.`);
  const { device = getDevice() } = options;
  const tensorsBefore = liveTensorCount();
  const { liveAllocations, liveBytes } = device.memory();
  const [running, made] = watchTensors(f);
  const result = await running;
  const returned = [...tensorsOf(result)].filter((one): one is Tensor => one instanceof Tensor && made.has(one));
  const memory = device.memory();
  const holders = new Map<Allocation, number>();
  for (const { storage, isDisposed } of returned) {
    if (isDisposed || storage.allocation.device !== device) continue;
    holders.set(storage.allocation, (holders.get(storage.allocation) ?? 0) + 1);
  }
  // Memory that others hold too was there before, or the tape keeps it.
  const excused = [...holders].filter(([{ references }, own]) => references === own).length;
  const left = [...made].filter(one => one instanceof Tensor && !one.isDisposed && !returned.includes(one)) as Tensor[];
  const tensors = liveTensorCount() - tensorsBefore - returned.filter(one => !one.isDisposed).length;
  const allocations = memory.liveAllocations - liveAllocations - excused;
  const faults: string[] = [];
  if (tensors > 0 || left.length > 0) {
    const shapes = left.slice(0, 5).map(one => `${formatShape(one.shape)} ${one.dtype}`);
    const named = shapes.length > 0 ? ` (${shapes.join(', ')}${left.length > 5 ? ', ...' : ''})` : '';
    faults.push(`${count(Math.max(tensors, left.length), 'tensor')}${named}`);
  }
  if (allocations > 0) faults.push(`${count(allocations, 'allocation')} on ${device.kind}`);
  if (faults.length > 0) {
    const bytes = memory.liveBytes - liveBytes;
    throw new LeakError(
      `expectNoLeaks: the work left ${faults.join(' and ')} behind; ${bytes.toLocaleString('en')} bytes more are live than before. ` +
        'Dispose what it makes, or put it into tidy.',
    );
  }
  return result;
}

const count = (number: number, unit: string): string => `${number} ${unit}${number === 1 ? '' : 's'}`;
