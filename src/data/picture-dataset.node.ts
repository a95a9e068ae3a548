/** A folder of pictures as a data set: listed, split where no test images are marked, decoded or taken from the cache. */
import { stratifiedSplit } from './batches.ts';
import type { DatasetParts } from './dataset.ts';
import { type DatasetOptions, TEST_SHARE } from './dataset-options.ts';
import { cacheDirectory } from './fashion-mnist.node.ts';
import type { ImageSet } from './fashion-mnist.ts';
import { type CachedPictures, cachePlace, keepPictures, keptPictures, partSums } from './picture-cache.node.ts';
import { decodePictures } from './picture-decoding.node.ts';
import type { ListedPicture, PictureListing } from './picture-folder.node.ts';

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

interface Lists {
  readonly train: readonly ListedPicture[];
  readonly test: readonly ListedPicture[];
  readonly warnings: readonly string[];
}

function split({ train, test }: PictureListing, { testShare = TEST_SHARE, splitSeed = 0 }: DatasetOptions): Lists {
  if (test) return { train, test, warnings: [] };
  const labels = train.map(({ label }) => label);
  const parts = stratifiedSplit(labels, testShare, splitSeed);
  const chosen = (indices: Uint32Array): ListedPicture[] => Array.from(indices, index => train[index]);
  const share = `${parts.heldOut.length} of the ${train.length} pictures`;
  return {
    train: chosen(parts.train),
    test: chosen(parts.heldOut),
    warnings: [`There is no folder of test images; ${share}, drawn with seed ${splitSeed}, are the test images.`],
  };
}

async function decode(
  train: readonly ListedPicture[],
  test: readonly ListedPicture[],
  path: string,
  options: DatasetOptions,
): Promise<CachedPictures> {
  const list = [...train, ...test];
  const { images, kept, height, width, channels, warnings } = await decodePictures(list, path, options);
  const labels = Uint8Array.from(kept, index => list[index].label);
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
  return { train: part(0, trained), test: part(trained, kept.length), warnings };
}
