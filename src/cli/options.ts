/** Options that commands share, and the parsing of numbers with a sentence for what is wrong. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Precision } from '../devices/kernel.ts';

export interface SharedOptions {
  readonly device: 'auto' | 'webgpu' | 'wasm' | 'reference';
  readonly precision?: Precision;
  readonly seed: number;
  readonly out?: string;
  readonly json?: boolean;
  readonly limit?: number;
  readonly data?: string;
}

export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(
        most === Number.MAX_SAFE_INTEGER
          ? `It must be a whole number of at least ${least}.`
          : `It must be a whole number from ${least} to ${most}.`,
      );
    }
    return value;
  };
}

export function numberBetween(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most)) {
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** A comma-separated list of whole numbers. */
export function wholeNumbers(least: number): (text: string) => number[] {
  const one = wholeNumber(least);
  return text => text.split(',').map(one);
}

/** Adds --device, --precision, --seed, --out, --json, --limit and --data. */
export function withSharedOptions(command: Command): Command {
  return command
    .option('--device <name>', 'auto, webgpu, wasm or reference', 'auto')
    .addOption(
      new Option(
        '--precision <name>',
        'how sums are rounded: highest adds up beyond float32, several times slower',
      ).choices(['default', 'highest']),
    )
    .option('--seed <n>', 'seed of everything random', wholeNumber(0, 0xffffffff), 0)
    .option('--out <dir>', 'run folder')
    .option('--json', 'print the result as JSON on stdout, progress on stderr')
    .option('--limit <n>', 'use only this many images, for a quick look', wholeNumber(1))
    .option('--data <dir>', 'folder with the four Fashion-MNIST files');
}
