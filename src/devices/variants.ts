/**
 * Which of a kernel's variants runs. A variant says where it can run (`applies`) apart from where it is the better choice
 * (`prefers`): tests and the tuner run every variant that applies, so a strategy made for real GPUs is checked on
 * software adapters too, where nobody would choose it. What the tuner has measured on an adapter goes before what a
 * variant thinks of itself, on a device of default precision.
 */
import { DeviceError } from './errors.ts';
import type { Precision, Spec } from './kernel.ts';
import { formatShape } from './shape.ts';

interface Choosable<A> {
  readonly name: string;
  readonly precision?: Precision;
  applies(specs: readonly Spec[], params: any, adapter: A): boolean;
  prefers?(specs: readonly Spec[], params: any, adapter: A): boolean;
}

/** Names of variants by `choiceKey`, measured on one adapter. */
export type VariantChoices = ReadonlyMap<string, string>;

/** Text for a kernel call, equal for equal kernels, shapes, element types and parameters, in whatever order written. */
export function choiceKey(kernel: string, specs: readonly Spec[], params: unknown): string {
  const shapes = specs.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`);
  return `${kernel} ${shapes.join(' ')} ${JSON.stringify(params, inOrder)}`;
}

function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const HIGHEST = ' / highest precision';

/** The precision of the device that an identity was taken from. */
export const precisionOf = (identity: string): Precision => (identity.includes(HIGHEST) ? 'highest' : 'default');

/**
 * The identity of an adapter that runs in this precision and by these choices: others may give other bits, so a checkpoint
 * tells them apart.
 */
export function identityWith(
  adapter: string,
  { precision, choices }: { precision: Precision; choices: VariantChoices | undefined },
): string {
  if (precision === 'highest') return adapter + HIGHEST;
  if (!choices || choices.size === 0) return adapter;
  let hash = 0x811c9dc5;
  for (const character of [...choices]
    .map(pair => pair.join())
    .sort()
    .join()) {
    hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  }
  return `${adapter} / tuned ${(hash >>> 0).toString(16).padStart(8, '0')}`;
}

/** Whether a variant may run unasked in the precision of this adapter. */
export const suits = (
  variant: { readonly precision?: Precision },
  adapter: { readonly precision?: Precision },
): boolean => variant.precision === undefined || variant.precision === (adapter.precision ?? 'default');

/**
 * The variant called `wanted`; without that, the one that was measured best; without that, the first that applies, suits
 * the adapter's precision and is preferred here; failing that, the first that applies and suits. Throws DeviceError when
 * `wanted` does not exist or does not apply.
 */
export function chooseVariant<A extends { readonly precision?: Precision }, V extends Choosable<A>>(
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
