/** A folder of pictures as a data set: listed, split where no test images are marked, decoded or taken from the cache. */
import { stratifiedSplit } from './batches.ts';
import type { Dataset, DatasetParts, FileNames } from './dataset.ts';
import { type DatasetOptions, TEST_SHARE } from './dataset-options.ts';
import { cacheDirectory } from './fashion-mnist.node.ts';
import type { ImageSet } from './fashion-mnist.ts';
import { type CachedPictures, cachePlace, keepPictures, keptPictures, partSums } from './picture-cache.node.ts';
import { decodePictures } from './picture-decoding.node.ts';
import type { PictureListing } from './picture-folder.node.ts';
import { joinedPictures, type PictureList, pictureSelection } from './picture-list.ts';

/**
 * Reads a folder of pictures.
 * @throws DataError where sizes differ and the option `resize` is not given, and where no picture can be read
 */
export async function readPictures(
  listing: PictureListing,
  path: string,
  options: DatasetOptions,
): Promise<DatasetParts> {
  const { resize, cacheDir = cacheDirectory(process.env, 'datasets') } = options;
  const { train, test, warnings } = split(listing, options);
  const { classNames } = listing;
  const how = { resize, testShare: options.testShare, splitSeed: options.splitSeed };
  const place = cacheDir === null ? undefined : await cachePlace(cacheDir, path, listing, how);
  const kept = place && (await keptPictures(place));
  const pictures = kept ?? (await decode(train, test, path, options));
  const sums = kept?.sums ?? partSums(pictures);
  const refusal = place && !kept ? await keepPictures(place, pictures, sums) : undefined;
  return {
    train: pictures.train,
    test: pictures.test,
    files: filesOf(train, test, pictures.unread),
    classNames,
    provenance: {
      format: 'pictures',
      path,
      checksums: [
        { name: 'train', sha256: sums.train },
        { name: 'test', sha256: sums.test },
      ],
      preparation: resize
        ? [`Every picture was stretched to ${resize[0]} x ${resize[1]} pixels (height x width).`]
        : [],
    },
    warnings: [
      ...listing.warnings,
      ...warnings,
      ...pictures.warnings,
      ...(refusal === undefined
        ? []
        : [`Decoded pictures cannot be kept in ${cacheDir} (${refusal}); the next start takes as long.`]),
    ],
  };
}

/** Names of the files of the images, which are all pictures but those that could not be read. */
function filesOf(train: PictureList, test: PictureList, unread: readonly number[]): Dataset['files'] {
  const isUnread = new Set(unread);
  const named = (list: PictureList, first: number): FileNames => {
    const places = Uint32Array.from({ length: list.length }, (_, i) => i).filter(i => !isUnread.has(first + i));
    return { length: places.length, at: index => list.at(places[index]).name };
  };
  return { train: named(train, 0), test: named(test, train.length) };
}

interface Lists {
  readonly train: PictureList;
  readonly test: PictureList;
  readonly warnings: readonly string[];
}

function split({ train, test }: PictureListing, { testShare = TEST_SHARE, splitSeed = 0 }: DatasetOptions): Lists {
  if (test) return { train, test, warnings: [] };
  const parts = stratifiedSplit(train.labels(), testShare, splitSeed);
  const share = `${parts.heldOut.length} of the ${train.length} pictures`;
  return {
    train: pictureSelection(train, parts.train),
    test: pictureSelection(train, parts.heldOut),
    warnings: [`There is no folder of test images; ${share}, drawn with seed ${splitSeed}, are the test images.`],
  };
}

async function decode(
  train: PictureList,
  test: PictureList,
  path: string,
  options: DatasetOptions,
): Promise<CachedPictures> {
  const list = joinedPictures(train, test);
  const { images, kept, height, width, channels, warnings } = await decodePictures(list, path, options);
  const all = list.labels();
  const labels = Uint8Array.from(kept, index => all[index]);
  const trained = kept.filter(index => index < train.length).length;
  const pixels = height * width * channels;
  const part = (from: number, to: number): ImageSet => ({
    images: images.subarray(from * pixels, to * pixels),
    labels: labels.subarray(from, to),
    count: to - from,
    height,
    width,
    channels,
  });
  const isKept = new Set(kept);
  const unread = kept.length === list.length ? [] : [...all.keys()].filter(index => !isKept.has(index));
  return { train: part(0, trained), test: part(trained, kept.length), unread, warnings };
}
