import { expect, test } from 'vitest';
import { DeviceError } from '../../src/devices/errors.ts';
import type { Precision } from '../../src/devices/kernel.ts';
import { choiceKey, chooseVariant, identityWith } from '../../src/devices/variants.ts';

const specs = [{ shape: [2, 3], dtype: 'float32' as const }];
const variant = (name: string, applies: boolean, prefers?: boolean) => ({
  name,
  applies: () => applies,
  ...(prefers === undefined ? {} : { prefers: () => prefers }),
});
const choose = (variants: ReturnType<typeof variant>[], wanted?: string) =>
  chooseVariant('kernel', variants, specs, {}, {}, wanted).name;

test('the first that applies and is preferred runs; no opinion counts as preferred', () => {
  expect(choose([variant('a', false), variant('b', true, false), variant('c', true), variant('d', true, true)])).toBe(
    'c',
  );
  expect(choose([variant('a', true, true), variant('b', true)])).toBe('a');
});

test('where nothing that applies is preferred, the first that applies runs', () => {
  expect(choose([variant('a', false, true), variant('b', true, false), variant('c', true, false)])).toBe('b');
});

test('a variant asked for by name runs wherever it applies, preferred or not', () => {
  expect(choose([variant('a', true), variant('b', true, false)], 'b')).toBe('b');
});

test('what cannot run is named, with what could', () => {
  const variants = [variant('a', true), variant('b', false)];
  expect(() => choose(variants, 'b')).toThrow(DeviceError);
  expect(() => choose(variants, 'b')).toThrow('kernel: variant "b" does not apply to inputs [2, 3]');
  expect(() => choose(variants, 'z')).toThrow('these do: a.');
  expect(() => choose([variant('b', false)])).toThrow('no variant applies to inputs [2, 3]');
});

test('a variant made for one precision runs unasked on no other, whatever was measured', () => {
  const exact = { ...variant('exact', true), precision: 'highest' as const };
  const fast = { ...variant('fast', true), precision: 'default' as const };
  const either = variant('either', true);
  const chosen = (precision?: Precision, wanted?: string, measured?: string) => {
    const choices = measured === undefined ? undefined : new Map([[choiceKey('kernel', specs, {}), measured]]);
    return chooseVariant('kernel', [exact, fast, either], specs, {}, { precision }, wanted, choices).name;
  };
  expect([chosen(), chosen('default'), chosen('highest')]).toEqual(['fast', 'fast', 'exact']);
  expect(chosen('default', 'exact')).toBe('exact');
  expect(chosen('default', undefined, 'exact')).toBe('fast');
  expect(chosen('default', undefined, 'either')).toBe('either');
  expect(identityWith('gpu', { precision: 'highest', choices: new Map([['a', 'b']]) })).toBe('gpu / highest precision');
});
