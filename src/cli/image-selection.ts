/**
 * Which images a command works on, as written on the command line: images of the data set (`test:0-15`,
 * `train:3,7,20-29`), the surest mistakes among the test images (`mistakes:8`), pictures from files (`photo.jpg`), or
 * several of these, separated by commas.
 */
import { InvalidArgumentError } from 'commander';
import { PICTURE_ENDING } from '../data/picture-file.node.ts';

export type ImagePart =
  | { readonly kind: 'set'; readonly split: 'train' | 'test'; readonly indices: readonly number[] }
  | { readonly kind: 'mistakes'; readonly count: number }
  | { readonly kind: 'file'; readonly path: string };

export type ImageSelection = readonly ImagePart[];

const FORMS = 'Write it as test:0-15, train:3,7,20-29, mistakes:8, photo.jpg, or several of these.';

/** Reads a selection; throws commander's error, which becomes a sentence. */
export function imageSelection(text: string): ImageSelection {
  const parts: ImagePart[] = [];
  for (const piece of text.split(',')) {
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
    } else if (PICTURE_ENDING.test(piece)) {
      parts.push({ kind: 'file', path: piece });
    } else throw new InvalidArgumentError(FORMS);
  }
  return parts;
}

/** 3 as [3], 20-22 as [20, 21, 22]. */
function numbers(range: string): number[] {
  const [first, last = first] = range.split('-').map(Number);
  if (last < first) throw new InvalidArgumentError(`${range} counts backwards.`);
  if (last - first >= 100_000) throw new InvalidArgumentError(`${range} are more images than there are.`);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
