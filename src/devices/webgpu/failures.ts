/**
 * Errors that arrive late. WebGPU reports a bad dispatch or shader through a promise, long after the call returned, so
 * they are gathered here and thrown, first cause first, at the next call that waits (`read`, `sync`, `pace`).
 */
import type { DeviceError } from '../errors.ts';

export class Failures {
  readonly #pending = new Set<Promise<void>>();
  #found: { order: number; error: DeviceError }[] = [];
  #next = 0;

  /** Takes note of something whose outcome is not known yet; the promise resolves with the error, if there was one. */
  watch(outcome: Promise<DeviceError | undefined>): void {
    const order = this.#next++;
    const noted = outcome.then(error => {
      if (error) this.#found.push({ order, error });
      this.#pending.delete(noted);
    });
    this.#pending.add(noted);
  }

  /** Waits for the outcomes outstanding now, then throws the earliest failure; each failure is thrown at most once. */
  async settle(): Promise<void> {
    if (this.#pending.size > 0) await Promise.all(this.#pending);
    if (this.#found.length === 0) return;
    const [first] = this.#found.sort((a, b) => a.order - b.order);
    // What went wrong later mostly follows from the first failure.
    this.#found = [];
    throw first.error;
  }
}
