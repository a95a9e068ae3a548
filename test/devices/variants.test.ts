import { expect, test } from 'vitest';
import { DeviceError } from '../../src/devices/errors.ts';
import type { Precision } from '../../src/devices/kernel.ts';
import { choiceKey, chooseVariant, identityWith } from '../../src/devices/variants.ts';
import { full } from '../../src/tensor/creation.ts';
import { openTestDevices } from '../support/devices.ts';

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

test('a variant made for one way of convolution runs unasked on no other, whatever was measured', () => {
  const transformed = { ...variant('transformed', true), convolution: 'default' as const };
  const summed = variant('summed', true);
  const chosen = (convolution?: 'default' | 'direct', wanted?: string) => {
    const choices = new Map([[choiceKey('kernel', specs, {}), 'transformed']]);
    return chooseVariant('kernel', [transformed, summed], specs, {}, { convolution }, wanted, choices).name;
  };
  expect([chosen(), chosen('default'), chosen('direct')]).toEqual(['transformed', 'transformed', 'summed']);
  expect(chosen('direct', 'transformed')).toBe('transformed');
  const identity = (precision: Precision, convolution: 'default' | 'direct', choices?: Map<string, string>) =>
    identityWith('gpu', { precision, convolution, choices });
  expect(identity('default', 'direct')).toBe('gpu / direct convolution');
  expect(identity('default', 'direct', new Map([['a', 'b']]))).toMatch(
    /^gpu \/ tuned [0-9a-f]{8} \/ direct convolution$/,
  );
  // In highest precision convolutions are direct anyway.
  expect(identity('highest', 'direct')).toBe(identity('highest', 'default'));
});

test('calls have equal keys exactly when their parameters are equal: numbers that JSON writes alike, too', () => {
  const values = [0, -0, 1, Number.NaN, Infinity, -Infinity, null];
  expect(new Set(values.map(value => choiceKey('fill', specs, { value }))).size).toBe(values.length);
  expect(choiceKey('pad', specs, { value: 1, before: [2] })).toBe(choiceKey('pad', specs, { before: [2], value: 1 }));
});

for (const { name, device } of await openTestDevices()) {
  test.skipIf(!device)(
    `one kernel fills with NaN, infinities and zeros in turn, each from its own plan (${name})`,
    async () => {
      const values = [Number.NaN, Infinity, -Infinity, 0, -0, 1];
      for (const value of [...values, ...values]) {
        const filled = full([1], value, { device });
        expect((await filled.data())[0]).toBe(value);
        filled.dispose();
      }
      device!.destroy();
    },
  );
}
