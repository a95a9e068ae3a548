/**
 * A stage's figures where they lie. A study may come from somebody else, and what its results name goes into a page that is
 * passed on; so a figure is a PNG or SVG file of the stage's own `figures/`, and nothing that a path or a link leads to
 * elsewhere.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { DataError } from '../../devices/errors.ts';
import { plainText } from '../../devices/plain-text.ts';
import type { FigureSource } from './chapter.ts';

/** The eight bytes that every PNG file begins with. */
const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

/**
 * @param folder of the stage; its figures are in `figures/`
 * @returns a source that throws DataError for a figure that is not there, lies elsewhere, or is neither PNG nor SVG
 */
export function figuresOf(folder: string): FigureSource {
  return file => {
    const isName = typeof file === 'string' && /^[^/\\\0]+\.(png|svg)$/i.test(file);
    if (!isName) throw new DataError(`"${plainText(String(file))}" is no name of a figure (.png or .svg).`);
    const path = join(folder, 'figures', file);
    const bytes = readInside(folder, path);
    if (/\.svg$/i.test(file)) return { svg: bytes.toString('utf8') };
    if (!bytes.subarray(0, PNG_SIGNATURE.length).equals(PNG_SIGNATURE)) {
      throw new DataError(`${plainText(path)} is no PNG picture.`);
    }
    return { png: new Uint8Array(bytes) };
  };
}

function readInside(folder: string, path: string): Buffer {
  let real: string;
  let root: string;
  try {
    [root, real] = [realpathSync(folder), realpathSync(path)];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new DataError(
      code === 'ENOENT'
        ? `There is no figure ${plainText(path)}.`
        : `The figure ${plainText(path)} cannot be read (${code}).`,
    );
  }
  const way = relative(root, real);
  if (way.split(sep)[0] === '..' || way === real) {
    throw new DataError(`The figure ${plainText(path)} lies outside its study, so it is not shown.`);
  }
  // A pipe or a device would be waited for forever.
  if (!statSync(real).isFile()) throw new DataError(`The figure ${plainText(path)} is no file.`);
  return readFileSync(real);
}
