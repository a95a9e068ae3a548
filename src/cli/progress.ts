/** Progress on stderr: one line that rewrites itself on a terminal, a plain line now and then elsewhere. */
const PLAIN_INTERVAL = 10_000;

export class ProgressLine {
  readonly #stream = process.stderr;
  #shown = '';
  #lastPlain = 0;

  /** A passing state, replaced by the next one. */
  show(text: string): void {
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
    this.#stream.write(`${text}\n`);
  }

  /** Clears the passing line. */
  end(): void {
    if (this.#shown === '') return;
    this.#stream.write(`\r${' '.repeat(this.#shown.length)}\r`);
    this.#shown = '';
  }
}

/** 75 as 1:15, 3700 as 1:01:40. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** 0.9215 as 92.15 %. */
export const formatPercent = (share: number): string => `${(share * 100).toFixed(2)} %`;
