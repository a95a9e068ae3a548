/**
 * What Fashion-MNIST is: four IDX files, ten classes, and the SHA-256 by which its bytes are known. Whatever way the
 * files came (a disk, a download, a drop onto a page), they become data only here, after each has been checked against
 * those sums. The sums are of the decompressed bytes, because packagers recompress: Debian's .gz files differ from the
 * publisher's, their contents do not.
 *
 * There are two editions: the full set (60,000 + 10,000 images) and the balanced sample that lies in this package.
 *
 * H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms.
 * arXiv:1708.07747, 2017. Licence: MIT, (c) 2017 Zalando SE.
 */
import { DataError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { parseIdx } from './idx.ts';

/** Class names by label, as the authors wrote them. */
export const CLASS_NAMES: readonly string[] = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];

/** Images and their labels; `images` is `[count, height, width, channels]`, one byte per value, 0 black .. 255 white. */
export interface ImageSet {
  images: Uint8Array;
  /** `[count]`, each below the number of classes: 0 .. 9 in Fashion-MNIST */
  labels: Uint8Array;
  count: number;
  height: number;
  width: number;
  channels: number;
}

/** Where a data set came from. */
export interface DataSource {
  kind: 'directory' | 'cache' | 'system' | 'download' | 'debian-package' | 'sample' | 'memory';
  /** Directory, or what stands for one. */
  path: string;
}

export interface FashionMnist {
  train: ImageSet;
  test: ImageSet;
  source: DataSource;
  /** True when these are not all 70,000 images but the package's small sample; a report must say so. */
  isSample: boolean;
}

export type Split = 'train' | 'test';

/** One file of an edition. */
export interface DataFile {
  /** Without `.gz`. */
  name: string;
  split: Split;
  content: 'images' | 'labels';
  /** Size once decompressed. */
  bytes: number;
  /** Of the decompressed bytes, in lower-case hexadecimal. */
  sha256: string;
}

export interface Edition {
  name: string;
  isSample: boolean;
  files: readonly DataFile[];
}

function edition(name: string, isSample: boolean, counts: Record<Split, number>, sums: readonly string[]): Edition {
  const file = (split: Split, content: DataFile['content'], sha256: string): DataFile => ({
    name: `${split === 'train' ? 'train' : 't10k'}-${content}-idx${content === 'images' ? 3 : 1}-ubyte`,
    split,
    content,
    bytes: content === 'images' ? 16 + 784 * counts[split] : 8 + counts[split],
    sha256,
  });
  const files = [
    file('train', 'images', sums[0]),
    file('train', 'labels', sums[1]),
    file('test', 'images', sums[2]),
    file('test', 'labels', sums[3]),
  ];
  return { name, isSample, files };
}

/** All 70,000 images; sums of the contents of Debian's dataset-fashion-mnist 0.0~git20200523.55506a9-1. */
export const FULL_EDITION: Edition = edition('Fashion-MNIST', false, { train: 60_000, test: 10_000 }, [
  'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
  'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
  '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
  '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
]);

/** The balanced sample made by `scripts/make-sample.ts`, which prints these sums. */
export const SAMPLE_EDITION: Edition = edition('Fashion-MNIST sample', true, { train: 3_000, test: 1_000 }, [
  'e5f08b6c86df015130a98dab9cf48f582a77558c1429eb196e301362b3453c5f',
  '9edb2882f25c3c0992fc83fc3c4ca8da874f58de714fc5bf08a721ea066c2562',
  '7c164d93ba6aff14913283271b12b27793600538b581d20204aa64c2e94bc487',
  'ed898170758b4c4bd95fbf574574071ce16996741a01853f6ca2625a2906100b',
]);

/** SHA-256 in lower-case hexadecimal (Web Crypto: Node, and a browser on https or localhost). */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await globalThis.crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Checks one decompressed file: IDX of the right rank, whole, and with the edition's SHA-256.
 *
 * @param bytes the decompressed bytes
 * @param location what to call the file in an error, e.g. its path
 * @throws DataError: one sentence with the file, what was wrong, and both sums
 */
export async function verifyDataFile(file: DataFile, bytes: Uint8Array, location: string): Promise<void> {
  const found = await sha256(bytes);
  if (found === file.sha256) return;
  const sums = `SHA-256 of the decompressed bytes: expected ${file.sha256}, found ${found}.`;
  try {
    parseIdx(bytes, location, file.content === 'images' ? 3 : 1);
    if (bytes.length !== file.bytes) {
      throw new DataError(`${location} has ${bytes.length} bytes instead of ${file.bytes}.`);
    }
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${error.message.replace(/\.$/, '')}; ${sums}`);
  }
  throw new DataError(`${location} is not the file it should be: its checksum differs; ${sums}`);
}

/** A file that came with its place of origin; `bytes` are decompressed. */
export interface LoadedFile {
  bytes: Uint8Array;
  location: string;
}

/**
 * Makes a data set of four decompressed files, in any of the editions, after checking every one.
 *
 * @param files by name without `.gz`, e.g. `train-images-idx3-ubyte`
 * @throws DataError when a file is missing, damaged, or of another edition than the rest
 */
export async function assembleFashionMnist(
  files: ReadonlyMap<string, LoadedFile>,
  source: DataSource,
  editions: readonly Edition[] = [FULL_EDITION, SAMPLE_EDITION],
): Promise<FashionMnist> {
  for (const file of editions[0].files) if (!files.has(file.name)) throw missingFile(file, source.path);
  const chosen = await recognizeEdition(files, editions);
  for (const file of chosen.files) {
    const { bytes, location } = files.get(file.name)!;
    await verifyDataFile(file, bytes, location);
  }
  return {
    train: imageSet(files, chosen, 'train'),
    test: imageSet(files, chosen, 'test'),
    source,
    isSample: chosen.isSample,
  };
}

/** The edition one of the files belongs to by its sum, the small files first; the first edition when none is known. */
async function recognizeEdition(
  files: ReadonlyMap<string, LoadedFile>,
  editions: readonly Edition[],
): Promise<Edition> {
  for (const index of [1, 3, 2, 0]) {
    const sum = await sha256(files.get(editions[0].files[index].name)!.bytes);
    const known = editions.find(candidate => candidate.files[index].sha256 === sum);
    if (known !== undefined) return known;
  }
  return editions[0];
}

/** The error for a file that is not there. */
export function missingFile(file: DataFile, directory: string): DataError {
  return new DataError(
    `${directory} has no ${file.name} or ${file.name}.gz (SHA-256 of the decompressed bytes: ${file.sha256}).`,
  );
}

function imageSet(files: ReadonlyMap<string, LoadedFile>, from: Edition, split: Split): ImageSet {
  const part = (content: DataFile['content'], rank: number) => {
    const file = from.files.find(candidate => candidate.split === split && candidate.content === content)!;
    const { bytes, location } = files.get(file.name)!;
    return { ...parseIdx(bytes, location, rank), location };
  };
  const images = part('images', 3);
  const labels = part('labels', 1);
  const [count, height, width] = images.shape;
  if (labels.shape[0] !== count) {
    throw new DataError(
      `${labels.location} has ${formatShape(labels.shape)} labels for the ${formatShape(images.shape)} images of ${images.location}.`,
    );
  }
  return { images: images.data, labels: labels.data, count, height, width, channels: 1 };
}
