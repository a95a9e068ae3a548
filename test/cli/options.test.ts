/** Values of options: the word `all`, or what the option takes otherwise. */
import { InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { allOr, wholeNumber } from '../../src/cli/options.ts';

test('all, or a whole number', () => {
  const parse = allOr(wholeNumber(30));
  expect(parse('all')).toBe('all');
  expect(parse('2500')).toBe(2500);
  for (const text of ['29', 'ALL', '', 'all of them']) expect(() => parse(text)).toThrow(InvalidArgumentError);
});
