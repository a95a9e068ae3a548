/**
 * What a command works with: an open device, a way to report progress, a signal that an interruption raises, and what draws figures.
 * Results go to stdout, everything else to stderr.
 */
import { type OpenOptions, openDevice } from '../devices/open.ts';
import { tunedChoices } from '../devices/tuning.node.ts';
import { studyDrawing } from '../report/index.node.ts';
import { Interrupted, type Session, shellWord } from '../study/index.ts';
import { interruptible } from './interruption.ts';
import type { SharedOptions } from './options.ts';
import { ProgressLine } from './progress.ts';

/** What was typed, as it can be typed again. */
export const COMMAND: string = ['weft', ...process.argv.slice(2)].map(shellWord).join(' ');

/** A session at a terminal. */
export interface TerminalSession extends Session {
  readonly progress: ProgressLine;
}

/** Runs `work` with an open device; closes it afterwards, whatever happens. */
export async function withSession<T>(
  options: SharedOptions,
  work: (session: TerminalSession) => Promise<T>,
  open: OpenOptions = {},
): Promise<T> {
  const progress = new ProgressLine();
  return interruptible(
    text => progress.note(text),
    async signal => {
      const device = await openDevice(options.device, {
        ...open,
        ...(options.precision && { precision: options.precision }),
        ...(options.convolution && { convolution: options.convolution }),
        webgpu: { choices: tunedChoices, ...open.webgpu },
        wasm: { choices: tunedChoices, ...open.wasm },
      });
      try {
        progress.note(`Device: ${device.info.description}`);
        signal.throwIfAborted();
        return await work({ device, progress, signal, drawing: studyDrawing, command: COMMAND });
      } finally {
        progress.end();
        await device.destroy();
      }
    },
  );
}

/** What a command's work gives; undefined when it was interrupted: its message is on stderr then, and the exit code is 130. */
export async function unlessInterrupted<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    console.error(error.message);
    return undefined;
  }
}
