/** Turns of loops on the host: others get theirs after a while. */
import { giveWay } from '../devices/event-loop.ts';

/** Milliseconds that a loop on the host may run before others get their turn. */
const LONGEST_TURN = 100;

/** For loops on the host whose passes take from nothing to much: others get their turn after a while, not after a count. */
export class Turns {
  #began = performance.now();
  readonly #signal?: AbortSignal;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether it is time to call `give`; asked for itself because a promise per pass would cost more than the pass. */
  get isOver(): boolean {
    return performance.now() - this.#began > LONGEST_TURN;
  }

  /** Lets others have their turn; throws the signal's reason when they used it to abort. */
  async give(): Promise<void> {
    await giveWay();
    this.#signal?.throwIfAborted();
    this.#began = performance.now();
  }
}
