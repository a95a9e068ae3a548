/**
 * The recorder turns kernel runs into submissions. A submit costs as much as five dispatches, so dispatches gather in one
 * compute pass and go to the queue in batches (32 by default: measured flat from 16 to 64 on lavapipe); WebGPU orders
 * the dispatches of a pass itself. Each batch stands in one error scope; what it reports is turned into an error that
 * names the kernels of the batch.
 */
import { DeviceError } from '../errors.ts';
import type { Wait } from './adapter.ts';
import type { Dispatch } from './bind-groups.ts';
import type { PooledBuffer } from './buffers.ts';
import type { Failures } from './failures.ts';
import { withoutTrail } from './pipelines.ts';
import { describePlan, type PreparedPlan } from './plans.ts';

export interface BufferCopy {
  readonly from: PooledBuffer;
  readonly fromOffset: number;
  readonly to: PooledBuffer;
  readonly toOffset: number;
  readonly size: number;
}

/** One of the two. */
export interface Step {
  readonly dispatch: Dispatch | undefined;
  readonly copy: BufferCopy | undefined;
}

/**
 * Dispatches per submission of a replay. More than in a batch, because a submission with its encoder, error scope and
 * completion costs as much as five dispatches, and the next replay is encoded while this one runs.
 */
const REPLAY_BATCH = 128;

/** Times dispatches one by one; see `profiler.ts`. */
export interface DispatchTimer {
  /** Whether every dispatch must be submitted by itself. */
  readonly alone: boolean;
  /** Called before a dispatch; what the timed pass must be begun with. */
  beforePass(dispatch: Dispatch): GPUComputePassDescriptor;
  /** Called with the encoder of a batch that is about to be submitted, and once it has been. */
  beforeSubmit(encoder: GPUCommandEncoder): void;
  afterSubmit(done: Promise<void>): void;
}

export class Recorder {
  readonly #device: GPUDevice;
  readonly #failures: Failures;
  readonly #wait: Wait;
  readonly #batchSize: number;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #pipeline: GPUComputePipeline | undefined;
  /** What the current batch runs, for messages. */
  #plans: PreparedPlan[] = [];
  #inFlight: Promise<void>[] = [];
  /** Number of the batch being recorded. Buffers remember the last batch that used them. */
  batch = 1;
  /** While a capture records: its list. */
  steps: Step[] | undefined;
  timer: DispatchTimer | undefined;

  constructor(device: GPUDevice, failures: Failures, wait: Wait, batchSize: number) {
    this.#device = device;
    this.#failures = failures;
    this.#wait = wait;
    this.#batchSize = batchSize;
  }

  /** Submissions that the GPU has not finished. */
  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Records one dispatch. */
  dispatch(dispatch: Dispatch): void {
    this.steps?.push({ dispatch, copy: undefined });
    this.#encode(dispatch);
  }

  #encode(dispatch: Dispatch): void {
    const { pass, group } = dispatch;
    const encoder = this.#begin();
    if (this.timer) {
      this.#endPass();
      this.#pass = encoder.beginComputePass(this.timer.beforePass(dispatch));
    } else if (!this.#pass) {
      this.#pass = encoder.beginComputePass();
    }
    const { gpu } = pass.pipeline;
    if (gpu !== this.#pipeline) this.#pass!.setPipeline((this.#pipeline = gpu));
    this.#pass!.setBindGroup(0, group);
    dispatchOn(this.#pass!, pass);
    if (this.#plans.push(pass.plan) >= this.#batchSize || this.timer?.alone) this.flush();
  }

  /** Records a copy between two different buffers; offsets and size are multiples of 4. */
  copy(copy: BufferCopy): void {
    this.steps?.push({ dispatch: undefined, copy });
    this.#encodeCopy(copy);
  }

  /**
   * Encodes recorded steps and submits them, so that a later write to one of their inputs cannot overtake them. This loop
   * is all that the host does in a replayed training step; it makes calls of the driver and nothing else.
   */
  replay(steps: readonly Step[]): void {
    this.flush();
    for (let start = 0; start < steps.length; start += REPLAY_BATCH) {
      const end = Math.min(start + REPLAY_BATCH, steps.length);
      if (this.timer) {
        for (let i = start; i < end; i++) {
          const { dispatch, copy } = steps[i];
          if (dispatch) this.#encode(dispatch);
          else this.#encodeCopy(copy!);
        }
        this.flush();
        continue;
      }
      const encoder = this.#begin();
      let encoding: GPUComputePassEncoder | undefined;
      let pipeline: GPUComputePipeline | undefined;
      for (let i = start; i < end; i++) {
        const { dispatch, copy } = steps[i];
        if (dispatch) {
          const { pass, group } = dispatch;
          encoding ??= encoder.beginComputePass();
          if (pass.pipeline.gpu !== pipeline) encoding.setPipeline((pipeline = pass.pipeline.gpu));
          encoding.setBindGroup(0, group);
          dispatchOn(encoding, pass);
        } else {
          encoding?.end();
          encoding = pipeline = undefined;
          const { from, fromOffset, to, toOffset, size } = copy!;
          encoder.copyBufferToBuffer(from.gpu, fromOffset, to.gpu, toOffset, size);
        }
      }
      encoding?.end();
      this.#submit(encoder, () => steps.slice(start, end).flatMap(({ dispatch }) => dispatch?.pass.plan ?? []));
    }
  }

  #encodeCopy({ from, fromOffset, to, toOffset, size }: BufferCopy): void {
    const encoder = this.#begin();
    this.#endPass();
    encoder.copyBufferToBuffer(from.gpu, fromOffset, to.gpu, toOffset, size);
    from.batch = this.batch;
    to.batch = this.batch;
  }

  /** Submits what is recorded. */
  flush(): void {
    const encoder = this.#encoder;
    if (!encoder) return;
    this.#endPass();
    const plans = this.#plans;
    this.#plans = [];
    this.#submit(encoder, () => plans);
  }

  /** @param plans what the batch runs, asked for when something went wrong in it */
  #submit(encoder: GPUCommandEncoder, plans: () => readonly PreparedPlan[]): void {
    this.timer?.beforeSubmit(encoder);
    this.#device.queue.submit([encoder.finish()]);
    this.#failures.watch(
      this.#device.popErrorScope().then(
        error =>
          error ? new DeviceError(`${describeBatch(plans())} failed: ${withoutTrail(error.message)}`) : undefined,
        () => undefined, // The device is lost, which is reported by itself.
      ),
    );
    const done = this.#device.queue.onSubmittedWorkDone().catch(() => {});
    this.#inFlight.push(done);
    void done.then(() => this.#inFlight.splice(this.#inFlight.indexOf(done), 1));
    this.timer?.afterSubmit(done);
    this.#encoder = undefined;
    this.batch++;
  }

  /** Submits what is recorded and waits until at most `most` submissions are unfinished. */
  async drain(most: number): Promise<void> {
    this.flush();
    // The queue works in order, so waiting for one submission waits for all before it.
    const last = this.#inFlight[this.#inFlight.length - 1 - most];
    if (last) await this.#wait(last);
  }

  #begin(): GPUCommandEncoder {
    if (!this.#encoder) {
      this.#device.pushErrorScope('validation');
      this.#encoder = this.#device.createCommandEncoder();
    }
    return this.#encoder;
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
    this.#pipeline = undefined;
  }
}

/** The shortest call that says the grid: each argument costs a tenth of a microsecond. */
function dispatchOn(encoder: GPUComputePassEncoder, { workgroups: [x, y, z] }: Dispatch['pass']): void {
  if (y === 1 && z === 1) encoder.dispatchWorkgroups(x);
  else encoder.dispatchWorkgroups(x, y, z);
}

function describeBatch(plans: readonly PreparedPlan[]): string {
  if (plans.length === 0) return 'A copy';
  const counts = new Map<string, number>();
  for (const plan of plans) {
    const text = describePlan(plan);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const names = [...counts].map(([text, count]) => (count > 1 ? `${count} x ${text}` : text));
  const shown = names.length > 6 ? [...names.slice(0, 6), `${names.length - 6} more`] : names;
  return `A batch of ${plans.length} dispatches (${shown.join('; ')})`;
}
