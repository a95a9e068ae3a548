/** Which images a command works on, as written on the command line: `test:0-15`, `train:3,7,20-29`. */
import { InvalidArgumentError } from 'commander';

export interface ImageSelection {
  readonly split: 'train' | 'test';
  readonly indices: readonly number[];
}

/** Reads a selection; throws commander's error, which becomes a sentence. */
export function imageSelection(text: string): ImageSelection {
  const match = /^(train|test):(\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)$/.exec(text);
  if (!match) throw new InvalidArgumentError('Write it as test:0-15 or train:3,7,20-29.');
  const indices = match[2].split(',').flatMap(part => {
    const [first, last = first] = part.split('-').map(Number);
    if (last < first) throw new InvalidArgumentError(`${part} counts backwards.`);
    if (last - first >= 100_000) throw new InvalidArgumentError(`${part} are more images than there are.`);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return { split: match[1] as 'train' | 'test', indices };
}
