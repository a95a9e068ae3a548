/** Tables: what is written is read back by a reader that takes RFC 4180 at its word. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvLine } from '../../src/data/index.ts';
import { parseCsv } from '../support/csv.ts';

test('fields with commas, quotes and line ends are quoted, others are as they are', () => {
  expect(csvLine(['plain text', 0.5, 'a,b', 'say "no"', 'two\nlines', ''])).toBe(
    'plain text,0.5,"a,b","say ""no""","two\nlines",\r\n',
  );
});

test('any table is read back', () => {
  const field = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(',', '"', '\r', '\n', 'x', 'ä') }));
  fc.assert(
    fc.property(fc.array(fc.array(field, { minLength: 1 })), rows => {
      expect(parseCsv(rows.map(csvLine).join(''))).toEqual(rows);
    }),
  );
});
