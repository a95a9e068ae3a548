/**
 * Arguments are checked where they come in, with these functions. Each takes what was called, the argument's name and its
 * value, and gives the value back; a value that cannot mean anything is a UsageError whose sentence holds all three and what
 * is allowed. Check every argument before anything is allocated or written, so that a refused call changes nothing.
 *
 *     this.rate = inRange('Dropout', 'rate', rate, { from: 0, to: 1 });
 *     // UsageError: Dropout: rate must be a number of at least 0 and at most 1, not 1.5.
 */
import { UsageError } from './errors.ts';

/** Bounds of a number; those that are left out do not bind. */
export interface NumberRange {
  /** Least value allowed. */
  readonly from?: number;
  /** The value must be greater. */
  readonly above?: number;
  /** Greatest value allowed. */
  readonly to?: number;
  /** The value must be smaller. */
  readonly below?: number;
}

/** A check of one argument, as those of this module are. */
export type Check<T> = (what: string, name: string, value: T) => T;

const LONGEST_TEXT = 60;

/** A value as a message shows it: text in quotes, arrays in brackets, long ones cut. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}...` : value);
  }
  if (Array.isArray(value)) {
    const shown = value.slice(0, 8).map(showValue);
    return `[${[...shown, ...(value.length > shown.length ? ['...'] : [])].join(', ')}]`;
  }
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) return `an object (${value.constructor?.name ?? 'no class'})`;
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Throws the UsageError of an argument: `what: name must be allowed, not value.` */
export function refuse(what: string, name: string, value: unknown, allowed: string): never {
  throw new UsageError(`${what}: ${name} must be ${allowed}, not ${showValue(value)}.`);
}

function contains({ from = -Infinity, above = -Infinity, to = Infinity, below = Infinity }: NumberRange, x: number) {
  // Negated comparisons would let NaN pass; these do not.
  return x >= from && (x > above || above === -Infinity) && x <= to && (x < below || below === Infinity);
}

function describeRange({ from, above, to, below }: NumberRange): string {
  const low = from !== undefined ? ` of at least ${from}` : above !== undefined ? ` above ${above}` : '';
  const high = to !== undefined ? `at most ${to}` : below !== undefined ? `below ${below}` : '';
  return low + (high && (low ? ` and ${high}` : ` of ${high}`));
}

/** A finite number within bounds. */
export function inRange(what: string, name: string, value: number, range: NumberRange = {}): number {
  if (typeof value === 'number' && Number.isFinite(value) && contains(range, value)) return value;
  const isBounded = range.to !== undefined || range.below !== undefined;
  return refuse(what, name, value, `${isBounded ? 'a' : 'a finite'} number${describeRange(range)}`);
}

/** Any number but infinities and NaN. */
export const finite: Check<number> = (what, name, value) => inRange(what, name, value);

/** A finite number above 0. */
export const positive: Check<number> = (what, name, value) => inRange(what, name, value, { above: 0 });

/** A finite number of at least 0. */
export const nonNegative: Check<number> = (what, name, value) => inRange(what, name, value, { from: 0 });

/** A share of a whole, a probability: 0 and 1 included. */
export const fraction: Check<number> = (what, name, value) => inRange(what, name, value, { from: 0, to: 1 });

/** A whole number within bounds; beyond 2^53 numbers cannot tell neighbours apart, so none is taken there. */
export function integerInRange(what: string, name: string, value: number, range: NumberRange = {}): number {
  if (Number.isSafeInteger(value) && contains(range, value)) return value;
  const beyond = Number.isInteger(value) && contains(range, value) ? ' of magnitude below 2^53' : describeRange(range);
  return refuse(what, name, value, `a whole number${beyond}`);
}

/** A count of at least 1. */
export const positiveInteger: Check<number> = (what, name, value) => integerInRange(what, name, value, { from: 1 });

/** A count that may be 0. */
export const nonNegativeInteger: Check<number> = (what, name, value) => integerInRange(what, name, value, { from: 0 });

/** A seed of random numbers: 32 bits. */
export const seed32: Check<number> = (what, name, value) =>
  integerInRange(what, name, value, { from: 0, to: 0xffffffff });

/** true or false, and nothing that merely counts as one. */
export const flag: Check<boolean> = (what, name, value) =>
  typeof value === 'boolean' ? value : refuse(what, name, value, 'true or false');

/** One of a few words. */
export function oneOf<T extends string>(what: string, name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  return refuse(what, name, value, `one of ${choices.join(', ')}`);
}

/** An array of values that each pass a check; an element is named `name[i]`. */
export function everyOf<T>(what: string, name: string, values: readonly T[], check: Check<T>): readonly T[] {
  if (!Array.isArray(values) && !ArrayBuffer.isView(values)) refuse(what, name, values, 'an array');
  for (let i = 0; i < values.length; i++) check(what, `${name}[${i}]`, values[i]);
  return values;
}

/** Two values that each pass a check, or one that stands for both. */
export function pairOf<T>(what: string, name: string, value: T | readonly [T, T], check: Check<T>): readonly [T, T] {
  if (!Array.isArray(value)) return [check(what, name, value as T), value as T];
  if (value.length !== 2) refuse(what, name, value, 'one value or an array of two');
  return everyOf(what, name, value, check) as readonly [T, T];
}

/** An object of options with no name but the known ones: a misspelt option would silently be the default. */
export function knownOptions<T extends object>(what: string, options: T, known: readonly string[]): T {
  if (typeof options !== 'object' || options === null) refuse(what, 'options', options, 'an object');
  const stranger = Object.keys(options).find(name => !known.includes(name));
  if (stranger === undefined) return options;
  throw new UsageError(`${what}: there is no option ${showValue(stranger)}; there are ${known.join(', ')}.`);
}
