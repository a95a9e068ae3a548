/**
 * What a piece of a study works with: a device, somebody to tell how far it is, a signal that stops it, and what draws the
 * figures. Whoever starts the work hands these in; the command line makes them of the terminal.
 */
import type { Device } from '../devices/device.ts';
import type { StudyDrawing } from './drawing.ts';

/** Somebody who is told what is being done. */
export interface Progress {
  /** A passing state, replaced by the next one. */
  show(text: string): void;
  /** A line that stays. */
  note(text: string): void;
}

export interface Session {
  readonly device: Device;
  readonly progress: Progress;
  /** Raised to stop the work; it stops at the next place where nothing is lost, with `Interrupted`. */
  readonly signal: AbortSignal;
  /** Draws what is found (`studyDrawing` of weft/report); without it a study holds numbers and no figures. */
  readonly drawing?: StudyDrawing;
  /** The command at work, as logs note it. */
  readonly command?: string;
}

/** A session of one's own: silent, without figures, and never stopped, unless given otherwise. */
export function sessionOn(device: Device, given: Partial<Omit<Session, 'device'>> = {}): Session {
  const silent: Progress = { show() {}, note() {} };
  return { progress: silent, signal: new AbortController().signal, ...given, device };
}

/** Raised when the signal stopped the work; the message says what is done and how to go on. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/**
 * What `work` gives, or the signal's reason as soon as it is raised. The work itself is abandoned, not stopped: it must write
 * nothing by itself, and what it works with must be the caller's to dispose, which ends it.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
