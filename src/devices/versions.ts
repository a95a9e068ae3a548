/**
 * When memory was last written. A tensor is a value, but some memory is changed in place: parameters by their optimizer,
 * running statistics by batch norm, buffers by a write, a copy or the replay of a capture. Whoever shares such memory for
 * later (an alias, a value saved for a gradient) notes the moment, and every read asks whether the bytes were written
 * since. A moment is a number on one clock that every write moves on. All parameters of a model lie in one allocation, so
 * writes are kept by range; an allocation that is only ever written whole, as nearly all are, has one number.
 */
import { bytesPerElement, type DType } from './dtype.ts';
import { UsageError } from './errors.ts';

/** The contents of memory as of a moment. */
export interface Version {
  readonly asOf: number;
  /** The recording in which that was: a replay does everything in it again, so it moves its moments to the present. */
  readonly recording: Recording | undefined;
  /** Names the operation that saved the value for its gradient; absent on an alias. */
  describe?(): string;
}

/** An allocation and a storage, as far as this file needs to know them. */
interface Memory {
  readonly device: object;
  readonly references: number;
  readonly history: WriteHistory;
}
interface Bytes {
  readonly allocation: Memory;
  readonly byteOffset: number;
  readonly length: number;
  readonly dtype: DType;
  version?: Version;
}

/** Bytes `start .. end`, last written at `time`. */
interface WrittenRange {
  readonly start: number;
  readonly end: number;
  time: number;
}

let clock = 0;

/** The present moment: that of the last write. */
export function now(): number {
  return clock;
}

/** When the parts of one allocation were last written. */
export class WriteHistory {
  /** Bytes that were asked for; the allocation may hold more. */
  readonly bytes: number;
  /** The capture that the memory was allocated in, and goes back with. */
  readonly recording: Recording | undefined;
  /** When any of it was last written. */
  last = 0;
  /** Sorted and without gaps, once a part has been written by itself. */
  #ranges: WrittenRange[] | undefined;

  constructor(bytes: number, recording: Recording | undefined) {
    this.bytes = bytes;
    this.recording = recording;
  }

  /** Bytes `start .. end` were written at `time`. */
  mark(start: number, end: number, time: number): void {
    if (start === 0 && end >= this.bytes) {
      this.#ranges = undefined;
    } else {
      this.#ranges ??= [{ start: 0, end: this.bytes, time: this.last }];
      markRange(this.#ranges, start, Math.min(end, this.bytes), time);
    }
    this.last = time;
  }

  /** When any of the bytes `start .. end` was last written. */
  lastIn(start: number, end: number): number {
    const ranges = this.#ranges;
    if (!ranges) return this.last;
    let time = 0;
    for (let i = firstBehind(ranges, start); i < ranges.length && ranges[i].start < end; i++) {
      time = Math.max(time, ranges[i].time);
    }
    return time;
  }

  /** What was written after `moment`. */
  since(moment: number): readonly WrittenRange[] {
    const ranges = this.#ranges ?? [{ start: 0, end: this.bytes, time: this.last }];
    return ranges.flatMap(range => (range.time > moment ? [{ ...range }] : []));
  }
}

/** Index of the first of sorted, disjoint ranges that ends behind `at`. */
function firstBehind(ranges: readonly WrittenRange[], at: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle].end > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Sets the time of `start .. end` in sorted ranges without gaps, cutting those that reach beyond. */
function markRange(ranges: WrittenRange[], start: number, end: number, time: number): void {
  const first = firstBehind(ranges, start);
  const front = ranges[first];
  if (front.start === start && front.end === end) {
    front.time = time;
    return;
  }
  let last = first;
  while (ranges[last].end < end) last++;
  const back = ranges[last];
  const pieces: WrittenRange[] = [{ start, end, time }];
  if (front.start < start) pieces.unshift({ start: front.start, end: start, time: front.time });
  if (back.end > end) pieces.push({ start: end, end: back.end, time: back.time });
  ranges.splice(first, last - first + 1, ...pieces);
}

const endOf = ({ byteOffset, length, dtype }: Bytes): number => byteOffset + length * bytesPerElement(dtype);

/** Called by a device when work that writes all of `storage` has been enqueued. */
export function noteWrite(storage: Bytes): void {
  if (storage.length === 0) return;
  const { allocation } = storage;
  allocation.history.mark(storage.byteOffset, endOf(storage), ++clock);
  const recording = active && activeRecording(allocation.device);
  recording?.touch(allocation);
  // Who writes through an alias knows what it holds.
  if (storage.version) storage.version = { asOf: clock, recording };
}

export function noteWrites(outputs: readonly { readonly storage: Bytes }[]): void {
  for (let i = 0; i < outputs.length; i++) noteWrite(outputs[i].storage);
}

/** Throws UsageError when the bytes of `storage` have been written after the moment it stands for. */
export function checkVersion(what: string, storage: Bytes, version: Version): void {
  const { history } = storage.allocation;
  const { asOf, recording } = version;
  if (history.last <= asOf) return;
  if (history.lastIn(storage.byteOffset, endOf(storage)) <= asOf + (recording?.shift ?? 0)) return;
  const saver = version.describe?.();
  const how = '(by an optimizer step, running statistics, a write, a copy or a replay)';
  throw new UsageError(
    saver
      ? `${what}: a value that ${saver} saved for its gradient has been overwritten in place since then ${how}; ` +
          'differentiate before that, or compute with a copy: clone(x).'
      : `${what}: this tensor shares memory that has been overwritten in place since it was made ${how}; ` +
          'keep a copy instead: clone(x).',
  );
}

let active: Recording | undefined;

/** The recording that is under way on a device. */
export function activeRecording(device: object): Recording | undefined {
  let recording = active;
  while (recording !== undefined && recording.device !== device) recording = recording.outer;
  return recording;
}

/** What a capture writes, and when, so that its replays are seen as writes too. */
export class Recording {
  readonly device: object;
  /** The recording of another device in which this one was begun. */
  readonly outer: Recording | undefined;
  /** How far the last replay lies behind what was recorded. */
  shift = 0;
  isDisposed = false;
  readonly #began = clock;
  readonly #touched = new Set<Memory>();
  #writes: (WrittenRange & { readonly history: WriteHistory })[] = [];
  #duration = 0;

  private constructor(device: object) {
    this.device = device;
    this.outer = active;
  }

  static begin(device: object): Recording {
    active = new Recording(device);
    return active;
  }

  touch(allocation: Memory): void {
    this.#touched.add(allocation);
  }

  /** Ends what `begin` began. */
  end(): void {
    active = this.outer;
    this.#duration = clock - this.#began;
    // Of several writes to the same bytes the last one counts; what has been freed already nobody can look at.
    const held = [...this.#touched].filter(({ references }) => references > 0);
    this.#writes = held.flatMap(({ history }) => history.since(this.#began).map(range => ({ ...range, history })));
    this.#touched.clear();
  }

  /** Called with every replay. */
  replayed(): void {
    this.shift = clock - this.#began;
    clock += this.#duration;
    for (const { history, start, end, time } of this.#writes) history.mark(start, end, time + this.shift);
  }

  dispose(): void {
    this.isDisposed = true;
    this.#writes = [];
  }
}
