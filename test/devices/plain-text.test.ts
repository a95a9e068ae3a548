/** Text from outside as a person reads it: nothing that a terminal obeys or that turns the direction of writing is left. */
import { expect, test } from 'vitest';
import { plainJson, plainLines, plainText } from '../../src/devices/plain-text.ts';

const DANGEROUS = [0x00, 0x07, 0x08, 0x0d, 0x1b, 0x7f, 0x85, 0x9b, 0x9d, 0x61c, 0xad, 0x200b, 0x200e, 0x200f]
  .concat([0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069, 0xfeff, 0xe0041, 0xd800])
  .map(code => String.fromCodePoint(code));

test.each(DANGEROUS)('%j is written out', character => {
  const code = character.codePointAt(0)!.toString(16);
  expect(plainText(`a${character}b`)).toBe(`a\\u{${code}}b`);
  expect(plainLines(`a${character}b\n`)).toBe(`a\\u{${code}}b\n`);
  const json = plainJson({ [character]: character });
  expect(json).not.toContain(character);
  expect(JSON.parse(json)).toEqual({ [character]: character });
});

test('words of any script stay as they are', () => {
  const text = 'T-shirt/top, Kleid für 30 €, فستان, 连衣裙, می‌خواهم, 👩‍💻 \\u{1b}';
  expect([plainText(text), plainLines(`${text}\n\t${text}`)]).toEqual([text, `${text}\n\t${text}`]);
  expect(plainJson({ text })).toBe(JSON.stringify({ text }));
  expect(plainText('two\nlines\t')).toBe('two\\u{a}lines\\u{9}');
});
