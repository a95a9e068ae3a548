/** What a checkpoint says about pictures as a table that any spreadsheet reads: `weft predict --csv`. */
import { realpath } from 'node:fs/promises';
import { csvLine } from '../data/index.ts';
import { UsageError } from '../devices/errors.ts';
import { checkNewFile, writeFileAtomically } from '../train/atomic-file.node.ts';

/** A picture with the probabilities of all classes, by label. */
export interface PicturePrediction {
  readonly file: string;
  readonly probabilities: ArrayLike<number>;
}

/**
 * Checks that a table can be written, before anything is predicted.
 * @param pictures paths of the files that are read: none of them may be written over
 * @throws DataError, UsageError
 */
export async function checkTable(path: string, pictures: readonly string[]): Promise<void> {
  const real = await realpath(path).catch(() => undefined);
  for (const picture of real === undefined ? [] : pictures) {
    if ((await realpath(picture).catch(() => undefined)) !== real) continue;
    throw new UsageError(`predict: --csv ${path} is one of the pictures; name another file.`);
  }
  await checkNewFile(path);
}

/**
 * Writes a line for each picture: its file, the likeliest class and its probability, and the probabilities of all classes.
 * Fields and quotes are those of RFC 4180.
 */
export async function writeTable(
  path: string,
  pictures: readonly PicturePrediction[],
  classNames: readonly string[],
): Promise<void> {
  const lines = [csvLine(['file', 'class', 'probability', ...classNames.map(name => `p(${name})`)])];
  for (const { file, probabilities } of pictures) {
    const all = Array.from(probabilities);
    const likeliest = all.indexOf(Math.max(...all));
    lines.push(csvLine([file, classNames[likeliest], all[likeliest], ...all]));
  }
  await writeFileAtomically(path, lines.join(''));
}
