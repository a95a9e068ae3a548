/**
 * Data sets of IDX files, as the MNIST family comes: two or four files in a folder, plain or `.gz`, with `-idx3-ubyte` or
 * `.idx3-ubyte` at the end of their names, or below a torchvision root (`DIR/MNIST/raw`). Images of any size, grey
 * `[N, H, W]` or `[N, H, W, C]`; any number of classes that fits a byte.
 *
 * EMNIST's images are stored with rows and columns exchanged, and the labels of its letters begin at 1; nothing in a file
 * says so. Files named `emnist-...` are known to be like that; for others the options tell.
 *
 * G. Cohen, S. Afshar, J. Tapson, A. van Schaik: EMNIST: an extension of MNIST to handwritten letters. arXiv:1702.05373.
 */
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { DataError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { formatShape } from '../devices/shape.ts';
import { type Checksum, type DatasetParts, parseClassNames, someOf, splitOffTest } from './dataset.ts';
import { type DatasetOptions, TEST_SHARE } from './dataset-options.ts';
import { readDeclared } from './declared-bytes.node.ts';
import { CLASS_NAMES, FULL_EDITION, type ImageSet, SAMPLE_EDITION, type Split } from './fashion-mnist.ts';
import { checkIdxLength, type IdxHeader, parseIdxHeader } from './idx.ts';

const FILE_NAME = /^(?:(.+)-)?(train|test|t10k)-(images|labels)[-.]idx[134]-ubyte(\.gz)?$/;

type Content = 'images' | 'labels';

/** The files of one data set, by split and content. */
interface IdxFiles {
  /** The prefix of the files' names; where there is none, the name of the folder that holds them or their `raw`. */
  readonly name: string;
  readonly prefix: string;
  readonly directory: string;
  readonly paths: Map<`${Split} ${Content}`, string>;
}

/** Data sets of IDX files in a folder, its `raw`, or the `raw` of a folder in it; empty where there are none. */
export async function findIdxFiles(directory: string): Promise<IdxFiles[]> {
  const own = await filesIn(directory, directory);
  if (own.length > 0) return own;
  const below = await readdir(directory, { withFileTypes: true });
  const raws = [join(directory, 'raw'), ...below.map(({ name }) => join(directory, name, 'raw')).sort()];
  return (await Promise.all(raws.map(raw => filesIn(raw, dirname(raw))))).flat();
}

async function filesIn(directory: string, named: string): Promise<IdxFiles[]> {
  const sets = new Map<string, IdxFiles>();
  const names = await readdir(directory).catch(() => []);
  for (const file of names.sort()) {
    const [, prefix = '', part, content, packed] = FILE_NAME.exec(file) ?? [];
    if (part === undefined) continue;
    const set = sets.get(prefix) ?? { name: prefix || basename(named), prefix, directory, paths: new Map() };
    sets.set(prefix, set);
    const key = `${part === 'train' ? 'train' : 'test'} ${content as Content}` as const;
    // A plain file comes before its .gz, and spares the decompression.
    if (!set.paths.has(key) || packed === undefined) set.paths.set(key, join(directory, file));
  }
  return [...sets.values()];
}

/**
 * Reads a data set of IDX files.
 * @throws DataError for files that are missing, damaged, or do not fit together
 */
export async function readIdxFolder(
  sets: readonly IdxFiles[],
  path: string,
  options: DatasetOptions,
): Promise<DatasetParts> {
  const set = chosenSet(sets, path, options.name);
  const isEmnist = set.prefix.startsWith('emnist-');
  const { transpose = isEmnist, labelBase = set.prefix === 'emnist-letters' ? 1 : 0 } = options;
  const checksums: Checksum[] = [];
  const warnings: string[] = [];
  const read = (split: Split): Promise<ImageSet> => readSplit(set, split, { transpose, labelBase }, checksums);
  let train = await read('train');
  let test: ImageSet;
  const { testShare = TEST_SHARE, splitSeed = 0 } = options;
  if (set.paths.has('test images') || set.paths.has('test labels')) test = await read('test');
  else {
    ({ train, test } = splitOffTest(train, testShare, splitSeed));
    warnings.push(
      `There are no test files; ${test.count} of the ${train.count + test.count} training images, drawn with seed ` +
        `${splitSeed}, are the test images.`,
    );
  }
  const fashion = fashionMnist(set, checksums, transpose || labelBase !== 0);
  const classNames = fashion ? CLASS_NAMES : await namesOf(set, path, [train, test], labelBase);
  const preparation = [
    ...(transpose ? ['Rows and columns of each image were exchanged.'] : []),
    ...(labelBase > 0 ? [`Labels begin at ${labelBase} in the files, at 0 here.`] : []),
  ];
  return { ...fashion, train, test, classNames, provenance: { format: 'idx', path, checksums, preparation }, warnings };
}

function chosenSet(sets: readonly IdxFiles[], path: string, name: string | undefined): IdxFiles {
  const found = sets.filter(set => name === undefined || set.name === name);
  if (found.length === 1) return found[0];
  const names = someOf(sets.map(set => set.name));
  throw new DataError(
    name === undefined
      ? `${path} holds several data sets (${names}); say which by the option name (--data-name).`
      : `${path} holds no data set of the name ${plainText(name)}; there are ${names}.`,
  );
}

async function readSplit(
  set: IdxFiles,
  split: Split,
  { transpose, labelBase }: { transpose: boolean; labelBase: number },
  checksums: Checksum[],
): Promise<ImageSet> {
  const part = async (content: Content) => {
    const path = set.paths.get(`${split} ${content}`);
    if (path === undefined) {
      throw new DataError(`${set.directory} has no ${split === 'train' ? 'training' : 'test'} ${content}.`);
    }
    const { header, data, sha256 } = await readIdxFile(path, content);
    checksums.push({ name: basename(path).replace(/\.gz$/, ''), sha256 });
    return { path, shape: header.shape, data };
  };
  const labels = await part('labels');
  const images = await part('images');
  const [count, height, width, channels = 1] = images.shape;
  if (labels.shape[0] !== count) {
    throw new DataError(
      `${labels.path} has ${formatShape(labels.shape)} labels for the ${formatShape(images.shape)} images of ${images.path}.`,
    );
  }
  if (labelBase > 0) {
    const below = labels.data.findIndex(label => label < labelBase);
    if (below >= 0) {
      throw new DataError(
        `${labels.path}: label ${below} is ${labels.data[below]}, below ${labelBase}, where labels should begin.`,
      );
    }
    for (let i = 0; i < count; i++) labels.data[i] -= labelBase;
  }
  const whole = { images: images.data, labels: labels.data, count, height, width, channels };
  return transpose ? transposed(whole) : whole;
}

/**
 * One IDX file, plain or `.gz`.
 * @throws DataError in one sentence for a file that is not that
 */
async function readIdxFile(path: string, content: Content) {
  const { size } = await stat(path);
  const isPacked = path.endsWith('.gz');
  const parse = (head: Uint8Array, ended: boolean): IdxHeader | undefined => {
    const rank = content === 'labels' ? 1 : head[2] === 8 && head[3] === 4 ? 4 : 3;
    return ended || head.length >= 4 + 4 * rank ? parseIdxHeader(head, path, rank) : undefined;
  };
  const check = (header: IdxHeader): void => {
    if (!isPacked) checkIdxLength(header, size, path);
    // Deflate cannot shrink anything to less than a 1032nd.
    else if (header.dataBytes > 1032 * size) {
      throw new DataError(
        `${path} is truncated: its ${size} bytes cannot hold the shape ${formatShape(header.shape)} of its header.`,
      );
    }
    if (header.shape.slice(1).includes(0)) {
      throw new DataError(`${path} has images without pixels: its shape is ${formatShape(header.shape)}.`);
    }
  };
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  if (!isPacked) return readDeclared(file, path, parse, check);
  const unpacked = createGunzip({ chunkSize: 1 << 18 });
  file.on('error', error => unpacked.destroy(error)).pipe(unpacked);
  try {
    return await readDeclared(unpacked, path, parse, check);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path} is damaged: it does not decompress (${(error as Error).message}).`);
  } finally {
    file.destroy();
  }
}

/** Images with rows and columns exchanged, in the same memory. */
function transposed(set: ImageSet): ImageSet {
  const { images, count, height, width, channels } = set;
  const before = new Uint8Array(height * width * channels);
  for (let image = 0; image < count; image++) {
    const after = images.subarray(image * before.length, (image + 1) * before.length);
    before.set(after);
    let to = 0;
    for (let x = 0; x < width; x++) {
      for (let y = 0; y < height; y++) {
        const from = (y * width + x) * channels;
        for (let channel = 0; channel < channels; channel++) after[to++] = before[from + channel];
      }
    }
  }
  return { ...set, height: width, width: height };
}

/**
 * Whether the files are Fashion-MNIST's, by their checksums: MNIST's have the same names.
 * @throws DataError where some are and others are not
 */
function fashionMnist(
  { directory }: IdxFiles,
  checksums: readonly Checksum[],
  isChanged: boolean,
): Pick<DatasetParts, 'kind' | 'isSample'> | undefined {
  for (const { name, isSample, files } of [FULL_EDITION, SAMPLE_EDITION]) {
    const known = files.map(file => checksums.find(({ sha256 }) => sha256 === file.sha256));
    const other = checksums.find(checksum => !known.includes(checksum));
    if (known.every(found => found === undefined)) continue;
    if (other === undefined && known.every(found => found !== undefined)) {
      return isChanged ? undefined : { kind: 'fashion-mnist', isSample };
    }
    const expected = files[known.indexOf(undefined)];
    throw new DataError(
      `${join(directory, expected.name)} is not the file it should be: others beside it are of ${name}; SHA-256 of the ` +
        `decompressed bytes: expected ${expected.sha256}, found ${other?.sha256 ?? 'none'}.`,
    );
  }
  return undefined;
}

/** `classes.txt` beside the files or in the folder that was named; otherwise the labels as numbers. */
async function namesOf(
  { directory }: IdxFiles,
  path: string,
  sets: readonly ImageSet[],
  labelBase: number,
): Promise<string[]> {
  for (const list of new Set([join(directory, 'classes.txt'), join(path, 'classes.txt')])) {
    const text = await readFile(list, 'utf8').catch(() => undefined);
    if (text !== undefined) return parseClassNames(text, list);
  }
  let last = 0;
  for (const { labels } of sets) for (const label of labels) last = Math.max(last, label);
  return Array.from({ length: last + 1 }, (_, label) => String(label + labelBase));
}
