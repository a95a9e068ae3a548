/** Progress on stderr: one line that rewrites itself on a terminal, a plain line now and then elsewhere. */
import { plainLines, plainText } from '../devices/plain-text.ts';
import type { Progress } from '../study/index.ts';

const PLAIN_INTERVAL = 10_000;

export class ProgressLine implements Progress {
  readonly #stream = process.stderr;
  #shown = '';
  #lastPlain = 0;

  /** A passing state, replaced by the next one. */
  show(state: string): void {
    const text = plainText(state);
    if (this.#stream.isTTY) {
      const fitted = text.slice(0, Math.max(20, (this.#stream.columns ?? 80) - 1));
      this.#stream.write(`\r${fitted.padEnd(this.#shown.length)}`);
      this.#shown = fitted;
      return;
    }
    const now = Date.now();
    if (now - this.#lastPlain < PLAIN_INTERVAL) return;
    this.#lastPlain = now;
    this.#stream.write(`${text}\n`);
  }

  /** A line that stays. */
  note(text: string): void {
    this.end();
    this.#stream.write(`${plainLines(text)}\n`);
  }

  /** Clears the passing line. */
  end(): void {
    if (this.#shown === '') return;
    this.#stream.write(`\r${' '.repeat(this.#shown.length)}\r`);
    this.#shown = '';
  }
}
