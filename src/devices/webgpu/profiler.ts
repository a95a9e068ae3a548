/**
 * Timing every dispatch. With the `timestamp-query` feature each dispatch gets its own compute pass that writes the GPU's
 * clock at its beginning and end; batches stay as they are. Without it each dispatch is submitted alone, and its time is
 * from the completion of the one before it (or its own submission, if later) to its own completion.
 */
import type { ProfileEntry } from '../device.ts';
import type { ProfileSums } from '../profile-sums.ts';
import type { Wait } from './adapter.ts';
import type { Dispatch } from './bind-groups.ts';
import { Usage } from './buffers.ts';
import type { DispatchTimer, Recorder } from './recorder.ts';

const BYTES_PER_DISPATCH = 16;

function account(sums: ProfileSums, { pass }: Dispatch, start: number, milliseconds: number): void {
  const { kernel, variant, inputs, outputs, params } = pass.plan;
  const cost = pass.index === 0 ? kernel.cost(inputs, params) : undefined;
  sums.add({ kernel: kernel.name, variant, inputs, outputs, start, milliseconds, cost });
}

export interface Profiler extends DispatchTimer {
  /** The sums; call it when all work is done. */
  finish(): Promise<ProfileEntry[]>;
}

/** The most exact timer this device has. */
export function createProfiler(device: GPUDevice, batchSize: number, wait: Wait, sums: ProfileSums): Profiler {
  return device.features.has('timestamp-query')
    ? new TimestampProfiler(device, batchSize, wait, sums)
    : new CompletionProfiler(sums);
}

/** Lets `profiler` time what `work` records; `work` resolves when the device has done it. */
export async function takeProfile(
  profiler: Profiler,
  recorder: Recorder,
  work: () => Promise<void>,
): Promise<ProfileEntry[]> {
  recorder.flush();
  recorder.timer = profiler;
  try {
    await work();
  } finally {
    recorder.flush();
    recorder.timer = undefined;
  }
  return profiler.finish();
}

class TimestampProfiler implements Profiler {
  readonly alone = false;
  readonly #device: GPUDevice;
  readonly #wait: Wait;
  readonly #sums: ProfileSums;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #batches: { staging: GPUBuffer; dispatches: Dispatch[] }[] = [];
  #dispatches: Dispatch[] = [];

  constructor(device: GPUDevice, batchSize: number, wait: Wait, sums: ProfileSums) {
    this.#sums = sums;
    this.#device = device;
    this.#wait = wait;
    this.#queries = device.createQuerySet({ type: 'timestamp', count: 2 * batchSize });
    this.#resolved = device.createBuffer({
      label: 'timestamps',
      size: BYTES_PER_DISPATCH * batchSize,
      usage: Usage.QUERY_RESOLVE | Usage.COPY_SRC,
    });
  }

  beforePass(dispatch: Dispatch): GPUComputePassDescriptor {
    const index = 2 * (this.#dispatches.push(dispatch) - 1);
    return {
      timestampWrites: {
        querySet: this.#queries,
        beginningOfPassWriteIndex: index,
        endOfPassWriteIndex: index + 1,
      },
    };
  }

  beforeSubmit(encoder: GPUCommandEncoder): void {
    const dispatches = this.#dispatches;
    if (dispatches.length === 0) return;
    const size = BYTES_PER_DISPATCH * dispatches.length;
    const staging = this.#device.createBuffer({ size, usage: Usage.MAP_READ | Usage.COPY_DST });
    encoder.resolveQuerySet(this.#queries, 0, 2 * dispatches.length, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, staging, 0, size);
    this.#batches.push({ staging, dispatches });
    this.#dispatches = [];
  }

  afterSubmit(): void {}

  async finish(): Promise<ProfileEntry[]> {
    const sums = this.#sums;
    let first: bigint | undefined;
    for (const { staging, dispatches } of this.#batches) {
      await this.#wait(staging.mapAsync(1));
      const times = new BigUint64Array(staging.getMappedRange());
      dispatches.forEach((dispatch, i) => {
        // A driver may reset its clock between the two; such a pair says nothing.
        const nanoseconds = Number(times[2 * i + 1] - times[2 * i]);
        first ??= times[2 * i];
        const start = Math.max(0, Number(times[2 * i] - first)) / 1e6;
        account(sums, dispatch, start, Math.max(0, nanoseconds) / 1e6);
      });
      staging.destroy();
    }
    this.#queries.destroy();
    this.#resolved.destroy();
    return sums.list();
  }
}

class CompletionProfiler implements Profiler {
  readonly alone = true;
  readonly #sums: ProfileSums;
  readonly #began = performance.now();
  readonly #finished: Promise<void>[] = [];
  #dispatch: Dispatch | undefined;
  #lastDone = 0;

  constructor(sums: ProfileSums) {
    this.#sums = sums;
  }

  beforePass(dispatch: Dispatch): GPUComputePassDescriptor {
    this.#dispatch = dispatch;
    return {};
  }

  beforeSubmit(): void {}

  afterSubmit(done: Promise<void>): void {
    const dispatch = this.#dispatch;
    if (!dispatch) return;
    this.#dispatch = undefined;
    const submitted = performance.now();
    this.#finished.push(
      done.then(() => {
        const now = performance.now();
        const start = Math.max(submitted, this.#lastDone);
        account(this.#sums, dispatch, start - this.#began, now - start);
        this.#lastDone = now;
      }),
    );
  }

  async finish(): Promise<ProfileEntry[]> {
    await Promise.all(this.#finished);
    return this.#sums.list();
  }
}
