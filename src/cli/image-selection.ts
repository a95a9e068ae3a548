/**
 * How images are named on the command line: images of the data set (`test:0-15`,
 * `train:3,7,20-29`), the surest mistakes among the test images (`mistakes:8`), pictures from files (`photo.jpg`), or
 * several of these, separated by commas.
 */
import { existsSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { OTHER_PICTURE_ENDING, PICTURE_ENDING } from '../data/picture-file.node.ts';
import type { ImagePart, ImageSelection } from '../study/index.ts';

const FORMS = 'Write it as test:0-15, train:3,7,20-29, mistakes:8, photo.jpg, or several of these.';

/** Reads a selection; throws commander's error, which becomes a sentence. */
export function imageSelection(text: string): ImageSelection {
  const parts: ImagePart[] = [];
  for (const piece of piecesOf(text)) {
    const last = parts[parts.length - 1];
    const range = /^(?:(train|test):)?(\d+(?:-\d+)?)$/.exec(piece);
    const mistakes = /^mistakes:(\d+)$/.exec(piece);
    if (range?.[1]) {
      parts.push({ kind: 'set', split: range[1] as 'train' | 'test', indices: numbers(range[2]) });
    } else if (range && last?.kind === 'set') {
      // `test:3,7` goes on with the set that it began with.
      parts[parts.length - 1] = { ...last, indices: [...last.indices, ...numbers(range[2])] };
    } else if (mistakes && Number(mistakes[1]) > 0) {
      parts.push({ kind: 'mistakes', count: Number(mistakes[1]) });
    } else if (isPictureName(piece)) {
      parts.push({ kind: 'file', path: piece });
    } else throw new InvalidArgumentError(FORMS);
  }
  return parts;
}

/**
 * The pieces between commas. A comma may belong to a file's name: the longest run of pieces that is a file there is one
 * piece; where there is none, words that mean nothing by themselves belong to the file whose name they begin.
 */
function piecesOf(text: string): string[] {
  const words = text.split(',');
  const pieces: string[] = [];
  let begun: string | undefined;
  for (let at = 0; at < words.length; ) {
    const file = begun === undefined ? longestFile(words.slice(at)) : undefined;
    if (file) {
      pieces.push(file.path);
      at += file.words;
      continue;
    }
    const word = words[at++];
    const whole = begun === undefined ? word : `${begun},${word}`;
    if (begun === undefined && MEANING.test(word.trim())) pieces.push(word.trim());
    else if (isPictureName(whole)) {
      pieces.push(whole.trim());
      begun = undefined;
    } else begun = whole;
  }
  return begun === undefined ? pieces : [...pieces, begun];
}

const MEANING = /^((train|test):)?\d+(-\d+)?$|^mistakes:\d+$/;

const isPictureName = (name: string): boolean => PICTURE_ENDING.test(name) || OTHER_PICTURE_ENDING.test(name);

/** The longest beginning of the words, with their commas, that is the path of a picture there. */
function longestFile(words: readonly string[]): { path: string; words: number } | undefined {
  for (let count = words.length; count > 0; count--) {
    if (!isPictureName(words[count - 1])) continue;
    const joined = words.slice(0, count).join(',');
    const path = [joined, joined.trim()].find(one => existsSync(one));
    if (path !== undefined) return { path, words: count };
  }
  return undefined;
}

/** 3 as [3], 20-22 as [20, 21, 22]. */
function numbers(range: string): number[] {
  const [first, last = first] = range.split('-').map(Number);
  if (last < first) throw new InvalidArgumentError(`${range} counts backwards.`);
  if (last - first >= 100_000) throw new InvalidArgumentError(`${range} are more images than there are.`);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
