/**
 * Lists of images by their numbers, as people and programs write them: one number a line with `#` comments, or JSON. An
 * entry that names no image is refused where it stands; one that was skipped would leave the wrong images in or out.
 */
import { showValue } from '../devices/checks.ts';
import { DataError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';

interface Entry {
  /** Where it stands: `line 3`, `entry 3`. */
  readonly place: string;
  readonly value: unknown;
}

/**
 * Reads the numbers of images.
 *
 * @param text one number a line, empty lines and what follows a `#` aside; or a JSON list of numbers, or a JSON object whose
 *   `indices` are such a list
 * @param source the file's name, for errors
 * @param count images that there are: numbers go from 0 to count - 1
 * @returns ascending
 * @throws DataError for a list that is empty, and naming its place for an entry that is no whole number, none of the images,
 *   or there twice
 */
export function parseImageIndices(text: string, source: string, count: number): Uint32Array {
  const entries = isJson(text) ? jsonEntries(text, source) : lineEntries(text);
  if (entries.length === 0) throw new DataError(`${source} names no images.`);
  const places = new Map<number, string>();
  for (const { place, value } of entries) {
    const where = `${source}, ${place}`;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      const shown = typeof value === 'number' ? String(value) : plainText(showValue(value));
      throw new DataError(`${where}: ${shown} is not the number of an image, 0 to ${count - 1}.`);
    }
    if (value >= count) {
      throw new DataError(
        `${where}: there is no image ${value}; the ${count} images have the numbers 0 to ${count - 1}.`,
      );
    }
    const before = places.get(value);
    if (before !== undefined) throw new DataError(`${where}: image ${value} stands in ${before} already.`);
    places.set(value, place);
  }
  return Uint32Array.from(places.keys()).sort();
}

const isJson = (text: string): boolean => /^\ufeff?\s*[[{]/.test(text);

function jsonEntries(text: string, source: string): Entry[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    throw new DataError(`${source} begins like JSON and is none: ${plainText((error as Error).message)}.`);
  }
  const list = Array.isArray(parsed) ? parsed : (parsed as { indices?: unknown }).indices;
  if (!Array.isArray(list)) {
    throw new DataError(`${source} must be a JSON list of numbers, or an object whose indices are such a list.`);
  }
  return list.map((value, i) => ({ place: `entry ${i + 1}`, value }));
}

function lineEntries(text: string): Entry[] {
  return text
    .replace(/^\ufeff/, '')
    .split(/\r\n|[\r\n]/)
    .map((line, i) => ({ place: `line ${i + 1}`, value: line.replace(/#.*$/, '').trim() }))
    .filter(({ value }) => value !== '')
    .map(({ place, value }) => ({ place, value: /^\d+$/.test(value) ? Number(value) : value }));
}
