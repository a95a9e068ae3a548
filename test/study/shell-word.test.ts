/** Commands printed to be copied mean the same in a shell. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shellWord } from '../../src/study/shell-word.ts';

test('plain words stay as they are', () => {
  for (const word of ['runs/quick', 'test:0-7,mistakes:4', '--out', 'a_b.c@d%e+f=g'])
    expect(shellWord(word)).toBe(word);
});

test.skipIf(process.platform === 'win32')('a shell reads every other word as it was', () => {
  const words = [
    '',
    'my run',
    "it's",
    '"',
    '$HOME',
    '`id`',
    '*',
    'a;b',
    'a&b',
    '~/x',
    '#',
    '\\',
    '(x)',
    'zwei\nZeilen',
    'ä',
  ];
  for (const word of words) {
    expect(execFileSync('sh', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' })).toBe(word);
  }
});
