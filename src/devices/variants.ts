/**
 * Which of a kernel's variants runs. A variant says where it can run (`applies`) apart from where it is the better choice
 * (`prefers`): tests and the tuner run every variant that applies, so a strategy made for real GPUs is checked on
 * software adapters too, where nobody would choose it. What the tuner has measured on an adapter goes before what a
 * variant thinks of itself, on a device of default precision.
 */
import { oneOf } from './checks.ts';
import { DeviceError } from './errors.ts';
import type { Convolution, Precision, Spec } from './kernel.ts';
import { formatShape } from './shape.ts';

/** What a device was told about the arithmetic it shall do, and what a variant was made for. */
interface Arithmetic {
  readonly precision?: Precision;
  readonly convolution?: Convolution;
}

interface Choosable<A> extends Arithmetic {
  readonly name: string;
  applies(specs: readonly Spec[], params: any, adapter: A): boolean;
  prefers?(specs: readonly Spec[], params: any, adapter: A): boolean;
}

/** Names of variants by `choiceKey`, measured on one adapter. */
export type VariantChoices = ReadonlyMap<string, string>;

/**
 * Text for a kernel call, equal exactly for equal kernels, shapes, element types and parameters, in whatever order these
 * are written. NaN, infinities and -0, for which JSON has no text of their own, are spelled.
 */
export function choiceKey(kernel: string, specs: readonly Spec[], params: unknown): string {
  const shapes = specs.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`);
  return `${kernel} ${shapes.join(' ')} ${JSON.stringify(params, spelled)}`;
}

function spelled(_key: string, value: unknown): unknown {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Throws UsageError where a device is asked for arithmetic that there is not. */
export function checkArithmetic(what: string, { precision = 'default', convolution = 'default' }: Arithmetic): void {
  oneOf(what, 'precision', precision, ['default', 'highest']);
  oneOf(what, 'convolution', convolution, ['default', 'direct']);
}

const HIGHEST = ' / highest precision';
const DIRECT = ' / direct convolution';

/** The precision of the device that an identity was taken from. */
export const precisionOf = (identity: string): Precision => (identity.includes(HIGHEST) ? 'highest' : 'default');

/** The way of convolution of the device that an identity was taken from. */
export const convolutionOf = (identity: string): Convolution => (identity.includes(DIRECT) ? 'direct' : 'default');

/**
 * The identity of an adapter that runs in this precision, with this way of convolution and by these choices: others may
 * give other bits, so a checkpoint tells them apart. In highest precision all convolutions are direct.
 */
export function identityWith(
  adapter: string,
  { precision, convolution, choices }: Arithmetic & { choices: VariantChoices | undefined },
): string {
  if (precision === 'highest') return adapter + HIGHEST;
  return adapter + tunedSuffix(choices) + (convolution === 'direct' ? DIRECT : '');
}

/** For people: what of its arithmetic a device was told. */
export function describeArithmetic({ precision, convolution }: Arithmetic): string {
  if (precision === 'highest') return ', highest precision';
  return convolution === 'direct' ? ', direct convolution' : '';
}

function tunedSuffix(choices: VariantChoices | undefined): string {
  if (!choices || choices.size === 0) return '';
  let hash = 0x811c9dc5;
  for (const character of [...choices]
    .map(pair => pair.join())
    .sort()
    .join()) {
    hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  }
  return ` / tuned ${(hash >>> 0).toString(16).padStart(8, '0')}`;
}

/** Whether a variant may run unasked in the precision of this adapter and with its way of convolution. */
export const suits = (variant: Arithmetic, adapter: Arithmetic): boolean =>
  (variant.precision ?? adapter.precision ?? 'default') === (adapter.precision ?? 'default') &&
  (variant.convolution ?? adapter.convolution ?? 'default') === (adapter.convolution ?? 'default');

/**
 * The variant called `wanted`; without that, the one that was measured best; without that, the first that applies, suits
 * the adapter's arithmetic and is preferred here; failing that, the first that applies and suits. Throws DeviceError when
 * `wanted` does not exist or does not apply.
 */
export function chooseVariant<A extends Arithmetic, V extends Choosable<A>>(
  kernel: string,
  variants: readonly V[],
  specs: readonly Spec[],
  params: unknown,
  adapter: A,
  wanted?: string,
  choices?: VariantChoices,
): V {
  const applying = variants.filter(variant => variant.applies(specs, params, adapter));
  const suitable = applying.filter(variant => suits(variant, adapter));
  const measured = choices?.get(choiceKey(kernel, specs, params));
  const chosen =
    wanted === undefined
      ? (suitable.find(({ name }) => name === measured) ??
        suitable.find(variant => variant.prefers?.(specs, params, adapter) ?? true) ??
        suitable[0])
      : applying.find(variant => variant.name === wanted);
  if (chosen) return chosen;
  const shapes = specs.map(({ shape }) => formatShape(shape)).join(', ');
  const names = applying.map(({ name }) => name).join(', ') || 'none';
  throw new DeviceError(
    wanted === undefined
      ? `${kernel}: no variant applies to inputs ${shapes} on this adapter.`
      : `${kernel}: variant "${wanted}" does not apply to inputs ${shapes} on this adapter; these do: ${names}.`,
  );
}
