/**
 * Everything that stops a command, in one place: Ctrl-C, SIGTERM, the terminal that closes (SIGHUP), and a pipe that nobody
 * reads any more (EPIPE). The first raises the session's signal, and the work ends at the next place where nothing is lost; the
 * second signal quits at once. A command that was interrupted ends with 130, whatever it still did.
 *
 * A command without a session (`doctor`, `bench`, `data`, `report`) has nothing to save: signals end it at once, as the
 * system has it.
 */
import { Interrupted } from '../study/index.ts';

const EXIT_INTERRUPTED = 130;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Interrupts the work at hand; undefined where there is none. */
let interruptWork: (() => void) | undefined;
let isInterrupted = false;

/**
 * Runs work that stops when its signal is raised.
 * @param note says something to whoever waits, if anybody still does
 * @throws Interrupted where the work ended with the signal's reason
 */
export async function interruptible<T>(
  note: (text: string) => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  interruptWork = () => {
    if (signal.aborted) return;
    isInterrupted = true;
    controller.abort();
    note('Stopping after this step (press Ctrl-C again to quit at once).');
  };
  const onSignal = (): void => {
    if (signal.aborted) process.exit(EXIT_INTERRUPTED);
    interruptWork?.();
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    return await work(signal);
  } catch (error) {
    if (signal.aborted && error === signal.reason) {
      throw new Interrupted('Stopped before it was done; the same command starts again.');
    }
    throw error;
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
    interruptWork = undefined;
  }
}

/** The exit code of a command: 130 where it was interrupted, otherwise what it would be. */
export function exitCodeAfter<Code extends number | string | null | undefined>(code: Code): Code | number {
  return isInterrupted ? EXIT_INTERRUPTED : code;
}

/**
 * Output that nobody reads interrupts the work. Where the work is done, `weft ... | head` closes the pipe early, and that is
 * no failure.
 */
export function watchPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // EIO: the terminal is gone, and SIGHUP says so too.
      if (error.code !== 'EPIPE' && error.code !== 'EIO') {
        // A full disk behind a redirection, for example.
        if (stream === process.stdout) {
          console.error(`weft: standard output cannot be written (${error.code ?? error}).`);
        }
        process.exit(1);
      }
      if (interruptWork) interruptWork();
      else if (stream === process.stdout) process.exit(exitCodeAfter(0));
    });
  }
}
