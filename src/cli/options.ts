/** Options that commands share, and the parsing of numbers with a sentence for what is wrong. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Convolution, Precision } from '../devices/kernel.ts';

export interface SharedOptions {
  readonly device: 'auto' | 'webgpu' | 'wasm' | 'reference';
  readonly precision?: Precision;
  readonly convolution?: Convolution;
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

/** The word `all`, or what `parse` takes. */
export function allOr(parse: (text: string) => number): (text: string) => number | 'all' {
  return text => (text === 'all' ? 'all' : parse(text));
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

export function numberAbove(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (!(value > least && value <= most)) {
      throw new InvalidArgumentError(`It must be a number above ${least}, at most ${most}.`);
    }
    return value;
  };
}

/** A comma-separated list of whole numbers. */
export function wholeNumbers(least: number): (text: string) => number[] {
  const one = wholeNumber(least);
  return text => text.split(',').map(one);
}

/**
 * Refuses an option that is given twice, of which one value would be dropped without a word.
 * @returns the same command
 */
export function refuseRepeatedOptions(command: Command): Command {
  const given = new Set<string>();
  for (const option of command.options) {
    if (option.variadic) continue;
    command.on(`option:${option.name()}`, () => {
      // --flag and --no-flag are one option.
      const name = option.attributeName();
      if (given.has(name)) command.error(`error: option '${option.flags}' is given twice; give it once.`);
      given.add(name);
    });
  }
  return command;
}

/** A folder to write into. An empty name is a variable of the shell that was not set, not the folder one is in. */
export function folderName(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It must name a folder; . is the one you are in.');
  return text;
}

/** Adds --device, --precision, --convolution, --seed, --out, --json, --limit, --data and --verbose. */
export function withSharedOptions(command: Command): Command {
  return command
    .option('--device <name>', 'auto, webgpu, wasm or reference', 'auto')
    .addOption(
      new Option(
        '--precision <name>',
        'how sums are rounded: highest adds up every one beyond float32, several times slower',
      ).choices(['default', 'highest']),
    )
    .addOption(
      new Option(
        '--convolution <name>',
        'direct: no pixel changes a bit of what does not see it, up to three times slower',
      ).choices(['default', 'direct']),
    )
    .option('--seed <n>', 'seed of everything random', wholeNumber(0, 0xffffffff), 0)
    .option('--out <dir>', 'run folder', folderName)
    .option('--json', 'print the result as JSON on stdout, progress on stderr')
    .option('--limit <n>', 'use only this many images, for a quick look', wholeNumber(1))
    .option(
      '--data <dir>',
      'folder of an image data set: IDX files, pictures, .npz, CIFAR-10 (default: Fashion-MNIST, wherever it is)',
    )
    .addOption(verboseOption());
}

/** Read before commands are parsed, see relay.ts. */
export const verboseOption = (): Option => new Option('--verbose', "keep the graphics driver's own warnings on stderr");
