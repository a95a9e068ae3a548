/**
 * CIFAR-10 in its binary version: records of one label byte and 3,072 pixels, all of red, then green, then blue, row by row
 * of a 32 x 32 image. `data_batch_*.bin` are the training images, `test_batch.bin` the test images, `batches.meta.txt` the
 * class names.
 *
 * A. Krizhevsky: Learning multiple layers of features from tiny images. Technical report, University of Toronto, 2009.
 */
import { createHash } from 'node:crypto';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../devices/errors.ts';
import { type Checksum, type DatasetParts, parseClassNames } from './dataset.ts';
import { allocate } from './declared-bytes.node.ts';
import type { ImageSet } from './fashion-mnist.ts';

const SIZE = 32;
const CHANNELS = 3;
const PLANE = SIZE * SIZE;
const PIXELS = CHANNELS * PLANE;
const RECORD = 1 + PIXELS;
/** Records that are read at a time. */
const PIECE = 1000;
const CLASSES = 10;

/** The folder of the binary files, at `path` or in it; undefined where there is none. */
export async function findCifar10(path: string): Promise<string | undefined> {
  for (const directory of [path, join(path, 'cifar-10-batches-bin')]) {
    const names = await readdir(directory).catch(() => []);
    if (names.some(isBatch)) return directory;
  }
  return undefined;
}

const isTrainBatch = (name: string): boolean => /^data_batch_\d+\.bin$/.test(name);
const isBatch = (name: string): boolean => isTrainBatch(name) || name === 'test_batch.bin';

/**
 * Reads CIFAR-10's binary files.
 * @throws DataError for a file that is missing or does not consist of whole records with labels from 0 to 9
 */
export async function readCifar10(directory: string, path: string): Promise<DatasetParts> {
  const names = (await readdir(directory)).filter(isBatch).sort();
  const training = names.filter(isTrainBatch);
  if (training.length === 0) throw new DataError(`${directory} has no training images (data_batch_1.bin and so on).`);
  if (training.length === names.length) throw new DataError(`${directory} has no test images (test_batch.bin).`);
  const meta = join(directory, 'batches.meta.txt');
  const text = await readFile(meta, 'utf8').catch(() => undefined);
  const classNames =
    text === undefined ? Array.from({ length: CLASSES }, (_, label) => String(label)) : parseClassNames(text, meta);
  const checksums: Checksum[] = [];
  const train = await readBatches(directory, training, checksums);
  const test = await readBatches(directory, ['test_batch.bin'], checksums);
  const provenance = { format: 'cifar-10', path, checksums, preparation: [] } as const;
  const warnings = training.length === 5 ? [] : [`There are ${training.length} training files; CIFAR-10 has 5.`];
  return { train, test, classNames, provenance, warnings };
}

async function readBatches(directory: string, names: readonly string[], checksums: Checksum[]): Promise<ImageSet> {
  const files: { path: string; name: string; records: number }[] = [];
  for (const name of names) {
    const path = join(directory, name);
    const { size } = await stat(path);
    if (size === 0 || size % RECORD !== 0) {
      throw new DataError(`${path} has ${size} bytes, not whole records of ${RECORD} bytes.`);
    }
    files.push({ path, name, records: size / RECORD });
  }
  const count = files.reduce((sum, { records }) => sum + records, 0);
  const images = allocate(count * PIXELS, directory);
  const labels = new Uint8Array(count);
  const piece = new Uint8Array(PIECE * RECORD);
  let image = 0;
  for (const { path, name, records } of files) {
    const hash = createHash('sha256');
    const file = await open(path);
    try {
      for (let done = 0; done < records; done += PIECE) {
        const bytes = piece.subarray(0, Math.min(PIECE, records - done) * RECORD);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, done * RECORD);
        if (bytesRead < bytes.length) throw new DataError(`${path} became shorter while it was read.`);
        hash.update(bytes);
        for (let at = 0; at < bytes.length; at += RECORD, image++) {
          if (bytes[at] >= CLASSES) {
            throw new DataError(
              `${path}: record ${done + at / RECORD} has the label ${bytes[at]}; CIFAR-10's are 0 to 9.`,
            );
          }
          labels[image] = bytes[at];
          interleave(bytes.subarray(at + 1, at + RECORD), images.subarray(image * PIXELS, (image + 1) * PIXELS));
        }
      }
    } finally {
      await file.close();
    }
    checksums.push({ name, sha256: hash.digest('hex') });
  }
  return { images, labels, count, height: SIZE, width: SIZE, channels: CHANNELS };
}

/** [C, H, W] to [H, W, C]. */
function interleave(planes: Uint8Array, pixels: Uint8Array): void {
  for (let i = 0; i < PLANE; i++) {
    for (let channel = 0; channel < CHANNELS; channel++) pixels[CHANNELS * i + channel] = planes[channel * PLANE + i];
  }
}
