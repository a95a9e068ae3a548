/**
 * What photographs are known to show: a class of Fashion-MNIST, one of several that all count as right ("shoes"), or
 * something that is none of the ten. Labels come from the names of folders or from a list; both are words that people
 * use, so words other than the data set's own are understood too.
 */
import { DataError } from '../devices/errors.ts';
import { CLASS_NAMES } from './fashion-mnist.ts';

/** Classes that count as right; empty for something that is none of the ten. */
export type PhotoLabel = readonly number[];

/** Words for garments, without spaces, hyphens and case, and the classes they stand for. */
const WORDS: Readonly<Record<string, PhotoLabel>> = {
  ...Object.fromEntries(CLASS_NAMES.map((name, label) => [plain(name), [label]])),
  tshirt: [0],
  top: [0],
  trousers: [1],
  pants: [1],
  jeans: [1],
  longsleeve: [2],
  sweater: [2],
  jumper: [2],
  dresses: [3],
  outwear: [4],
  outerwear: [4],
  coats: [4],
  jacket: [4],
  sandals: [5],
  shirts: [6],
  blouse: [6],
  sneakers: [7],
  trainer: [7],
  bags: [8],
  handbag: [8],
  boot: [9],
  boots: [9],
  ankleboots: [9],
  shoe: [5, 7, 9],
  shoes: [5, 7, 9],
  hat: [],
  hats: [],
  shorts: [],
  skirt: [],
  skirts: [],
};

function plain(word: string): string {
  return word.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** The label that a word stands for: `pants`, `T-shirt/top`, `9`; undefined for a word that is not known. */
export function labelOfWord(word: string): PhotoLabel | undefined {
  const text = word.trim();
  if (/^\d$/.test(text)) return [Number(text)];
  const key = plain(text);
  return Object.hasOwn(WORDS, key) ? WORDS[key] : undefined;
}

/** What to call a label: "Coat", "Sandal, Sneaker or Ankle boot", "none of the ten classes". */
export function labelText(label: PhotoLabel): string {
  if (label.length === 0) return 'none of the ten classes';
  const names = label.map(one => CLASS_NAMES[one]);
  return names.length === 1 ? names[0] : `${names.slice(0, -1).join(', ')} or ${names[names.length - 1]}`;
}

/**
 * Reads labels by file or folder name: JSON `{ "photo.jpg": "Coat", "shoes": ["Sandal", "Sneaker"], "hats": [] }`, or CSV
 * lines `photo.jpg,Coat` where several words are separated by `|`.
 *
 * @param source the file's name, which says the format and stands in errors
 * @throws DataError naming the entry that cannot be understood
 */
export function parseLabels(text: string, source: string): Map<string, PhotoLabel> {
  const plain = text.replace(/^\ufeff/, '');
  const entries = /\.json$/i.test(source) ? jsonEntries(plain, source) : csvEntries(plain, source);
  const labels = new Map<string, PhotoLabel>();
  for (const [name, words] of entries) {
    const label = words.flatMap(word => {
      const found = labelOfWord(word);
      if (found === undefined) {
        throw new DataError(
          `${source}: "${word}" (for ${name}) is no class; use ${CLASS_NAMES.join(', ')}, or an empty list for none of them.`,
        );
      }
      return found;
    });
    labels.set(
      name,
      [...new Set(label)].sort((a, b) => a - b),
    );
  }
  return labels;
}

function jsonEntries(text: string, source: string): [string, string[]][] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${source} is no valid JSON: ${(error as Error).message}.`);
  }
  const isWord = (one: unknown): boolean => typeof one === 'string' || typeof one === 'number';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DataError(`${source} must hold one object: file or folder names with their classes.`);
  }
  return Object.entries(value).map(([name, words]) => {
    const list: unknown[] = Array.isArray(words) ? words : [words];
    if (!list.every(isWord))
      throw new DataError(`${source}: the label of ${name} must be a class or a list of classes.`);
    return [name, list.map(String)];
  });
}

function csvEntries(text: string, source: string): [string, string[]][] {
  const lines = text.split(/\r?\n/).filter(line => line.trim() !== '');
  const rows = lines.map((line, index): [string, string[]] => {
    const comma = line.lastIndexOf(',');
    if (comma < 0) throw new DataError(`${source}, line ${index + 1}: "${line}" is not of the form file,class.`);
    const unquoted = (part: string): string =>
      part.trim().replace(/^"(.*)"$/, (_, inside: string) => inside.replaceAll('""', '"'));
    const words = unquoted(line.slice(comma + 1)).split('|');
    return [unquoted(line.slice(0, comma)), words.map(word => word.trim()).filter(word => word !== '')];
  });
  const [first] = rows;
  const isHeading =
    first !== undefined && /^(file|image|photo|name|path)/i.test(first[0]) && /^(label|class)/i.test(first[1][0] ?? '');
  return isHeading ? rows.slice(1) : rows;
}
