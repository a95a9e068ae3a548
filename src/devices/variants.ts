/**
 * Which of a kernel's variants runs. A variant says where it can run (`applies`) apart from where it is the better choice
 * (`prefers`): tests and the tuner run every variant that applies, so a strategy made for real GPUs is checked on
 * software adapters too, where nobody would choose it.
 */
import { DeviceError } from './errors.ts';
import type { Spec } from './kernel.ts';
import { formatShape } from './shape.ts';

interface Choosable<A> {
  readonly name: string;
  applies(specs: readonly Spec[], params: any, adapter: A): boolean;
  prefers?(specs: readonly Spec[], params: any, adapter: A): boolean;
}

/**
 * The variant called `wanted`; without that, the first that applies and is preferred here; failing that, the first that
 * applies. Throws DeviceError when `wanted` does not exist or does not apply.
 */
export function chooseVariant<A, V extends Choosable<A>>(
  kernel: string,
  variants: readonly V[],
  specs: readonly Spec[],
  params: unknown,
  adapter: A,
  wanted?: string,
): V {
  const applying = variants.filter(variant => variant.applies(specs, params, adapter));
  const chosen =
    wanted === undefined
      ? (applying.find(variant => variant.prefers?.(specs, params, adapter) ?? true) ?? applying[0])
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
