/** The images that a selection means, wherever they come from, as one small data set with what is known about each. */
import { basename } from 'node:path';
import type { Dataset } from '../data/dataset.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import { type PreparedPhoto, preparePhoto } from '../data/photo.ts';
import { readPictureLike } from '../data/picture-decoding.node.ts';
import { readPicture } from '../data/picture-file.node.ts';
import { UsageError } from '../devices/errors.ts';
import type { Module } from '../nn/index.ts';
import { confidentMistakes, predictedClasses, predictLogits, softmaxRows } from '../train/index.ts';
import { recognition } from '../train/robustness.ts';
import type { ImagePart, ImageSelection } from './image-selection.ts';
import type { Session } from './session.ts';

export interface ChosenImage {
  /** `test 17`, or the name of a file. */
  readonly source: string;
  /** Position in its part of the data set; null for a picture from a file. */
  readonly index: number | null;
  /** Null where it is not known what it shows. */
  readonly label: number | null;
  readonly photo?: PreparedPhoto;
}

export interface ChosenImages {
  /** The images in the order of the selection; the labels of pictures from files are 0 and mean nothing. */
  readonly set: ImageSet;
  readonly images: readonly ChosenImage[];
  /** What looking for mistakes found out about the test images. */
  readonly testAccuracy?: { readonly images: number; readonly accuracy: number };
}

/**
 * Gathers the images of a selection.
 *
 * @param model says which test images are mistakes
 * @throws UsageError for an image that is not there, or mistakes of a model that makes none; DataError for a picture
 *   that cannot be read
 */
export async function chooseImages(
  selection: ImageSelection,
  data: Pick<Dataset, 'train' | 'test' | 'kind'>,
  model: Module,
  session: Session,
): Promise<ChosenImages> {
  const { height, width, channels } = data.test;
  const size = height * width * channels;
  const images: ChosenImage[] = [];
  const pixels: Uint8Array[] = [];
  let testAccuracy: ChosenImages['testAccuracy'];
  const fromSet = (split: 'train' | 'test', index: number): void => {
    const set = data[split];
    if (index >= set.count) {
      throw new UsageError(`There is no image ${index} among the ${set.count} ${split} images.`);
    }
    images.push({ source: `${split} ${index}`, index, label: set.labels[index] });
    pixels.push(set.images.subarray(index * size, (index + 1) * size));
  };
  for (const part of selection) {
    if (part.kind === 'set') for (const index of part.indices) fromSet(part.split, index);
    else if (part.kind === 'file') {
      const shown = { source: basename(part.path), index: null, label: null };
      if (data.kind === 'other') {
        images.push(shown);
        pixels.push(await readPictureLike(part.path, [height, width, channels]));
        continue;
      }
      const photo = preparePhoto(await readPicture(part.path), { size: height });
      images.push({ ...shown, photo });
      pixels.push(photo.image);
    } else {
      const { found, ...counted } = await surestMistakes(part, data.test, model, session);
      testAccuracy = counted;
      for (const index of found) fromSet('test', index);
    }
  }
  const bytes = new Uint8Array(images.length * size);
  pixels.forEach((image, i) => {
    bytes.set(image, i * size);
  });
  const labels = Uint8Array.from(images, ({ label }) => label ?? 0);
  return { set: { images: bytes, labels, count: images.length, height, width, channels }, images, testAccuracy };
}

async function surestMistakes(
  { count, ifAny = false }: Extract<ImagePart, { kind: 'mistakes' }>,
  test: ImageSet,
  model: Module,
  { device, progress, signal }: Session,
): Promise<{ found: number[]; images: number; accuracy: number }> {
  const images = new DeviceDataset(test, device);
  try {
    const logits = await predictLogits(model, images, {
      signal,
      onProgress: (done, total) => progress.show(`Looking for mistakes: ${done} of ${total} images`),
    });
    const classes = logits.length / test.count;
    const found = confidentMistakes(softmaxRows(logits, classes), test.labels, count).map(({ index }) => index);
    if (found.length === 0 && !ifAny)
      throw new UsageError(`explain: there is no mistake among the ${test.count} test images.`);
    const { accuracy } = recognition(predictedClasses(logits, classes), test.labels);
    return { found, images: test.count, accuracy };
  } finally {
    images.dispose();
  }
}
