/**
 * Device work that is recorded once and then replayed: the device runs its list of kernels again, and the host only writes
 * what changes into buffers. A replay repeats what the device did and nothing that the host did besides, so the work must be
 * the same kernels on the same memory every time. That is checked, not believed: the work is recorded twice, each time as
 * real work, and the two recordings are compared. Work that cannot be recorded is taken back, and the reason is kept.
 *
 * Training steps (`recorded-step.ts`) and forward passes over a data set (`evaluate.ts`) are both recorded by this.
 */
import type { Capture, Device } from '../devices/device.ts';
import { DeviceLostError } from '../devices/errors.ts';

/** Whether work is replayed. */
export interface CaptureOutcome {
  readonly captured: boolean;
  /** Why it is not. */
  readonly reason?: string;
}

/** The reason of whoever wanted no recording. */
export const SWITCHED_OFF = 'it is switched off';

/** What the work changes on the device, as it was before. */
export interface Restorable {
  restore(): void;
  dispose(): void;
}

export interface RecorderOptions<Outputs> {
  readonly device: Device;
  /** Frees what the work leaves on the device. */
  readonly release: (outputs: Outputs) => void;
  /** Copies what the work changes, so that an attempt that fails can be taken back. Default: it changes nothing. */
  readonly copyState?: () => Restorable;
  /** Why nothing is recorded, where that is known beforehand. */
  readonly obstacle?: string;
}

export class Recorder<Outputs> {
  readonly #options: RecorderOptions<Outputs>;
  #reason: string | undefined;
  /** The signature of the first recording, until the second has been compared with it. */
  #first: string | undefined;
  #recording: { readonly capture: Capture; readonly outputs: Outputs } | undefined;

  constructor(options: RecorderOptions<Outputs>) {
    this.#options = options;
    this.#reason = options.obstacle;
  }

  /** Whether the work is replayed; undefined before two recordings have been compared. */
  get outcome(): CaptureOutcome | undefined {
    if (this.#reason !== undefined) return { captured: false, reason: this.#reason };
    return this.#recording ? { captured: true } : undefined;
  }

  /** Forgets what was recorded, because the work has become another: it is recorded anew. */
  forget(): void {
    this.dispose();
    this.#first = undefined;
  }

  /**
   * Does the work once: replays it where it is recorded, otherwise records it.
   *
   * @param work enqueues the work; its outputs belong to the recorder
   * @param read enqueues the reading of the outputs, and is called once per turn
   * @returns what `read` gives; undefined where the work could not be recorded: then nothing has happened, nothing will be
   *   recorded any more, and the caller does this turn and all that follow without
   */
  run<Result extends object>(work: () => Outputs, read: (outputs: Outputs) => Result): Result | undefined {
    if (this.#recording) {
      this.#recording.capture.replay();
      return read(this.#recording.outputs);
    }
    if (this.#reason !== undefined) return undefined;
    const recording = this.#record(work);
    if (!recording) return undefined;
    let isKept = false;
    try {
      const result = read(recording.outputs);
      isKept = this.#compare(recording.capture.signature);
      if (isKept) this.#recording = recording;
      return result;
    } finally {
      if (!isKept) this.#release(recording);
    }
  }

  #record(work: () => Outputs): { capture: Capture; outputs: Outputs } | undefined {
    const { device, copyState, release } = this.#options;
    const before = copyState?.();
    let outputs: Outputs | undefined;
    try {
      const capture = device.capture(() => {
        outputs = work();
      });
      return { capture, outputs: outputs! };
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      if (outputs !== undefined) release(outputs);
      before?.restore();
      // What was wrong with the work itself is wrong with it unrecorded too, and is thrown then.
      this.#reason = (error as Error).message;
      return undefined;
    } finally {
      before?.dispose();
    }
  }

  /** Whether a second recording is the first again; the first is only remembered. */
  #compare(signature: string): boolean {
    if (this.#first === signature) return true;
    if (this.#first !== undefined) {
      this.#reason = 'two steps in a row were not made of the same kernels on the same memory';
    }
    this.#first = signature;
    return false;
  }

  #release({ capture, outputs }: { capture: Capture; outputs: Outputs }): void {
    this.#options.release(outputs);
    capture.dispose();
  }

  dispose(): void {
    if (this.#recording) this.#release(this.#recording);
    this.#recording = undefined;
  }
}
