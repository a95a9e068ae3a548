/**
 * Opens an image data set in a folder, whatever it is: IDX files, CIFAR-10's binary files, an .npz archive, or a folder of
 * pictures. Which it is follows from the names of the files, in this order; nothing is downloaded.
 */
import { stat } from 'node:fs/promises';
import { DataError } from '../devices/errors.ts';
import { findCifar10, readCifar10 } from './cifar10.node.ts';
import { type Dataset, type DatasetFormat, type DatasetParts, makeDataset } from './dataset.ts';
import { checkDatasetOptions, type DatasetOptions, refuseOtherOptions } from './dataset-options.ts';
import { findIdxFiles, readIdxFolder } from './idx-folder.node.ts';
import { findNpz, readNpz } from './npz.node.ts';
import { readPictures } from './picture-dataset.node.ts';
import { listPictures } from './picture-folder.node.ts';

/**
 * Reads the image data set at `path`.
 *
 * @param path a folder, or an .npz file
 * @returns images `[N, H, W, C]` and labels of both splits, class names, statistics, provenance; what is odd but can be
 *   worked with stands in `warnings`
 * @throws DataError in one sentence for a folder that holds no data set, or one that cannot be read without guessing
 * @throws UsageError for an option that cannot mean anything, or not for this kind of data set
 * @example
 * const { train, classNames } = await openDataset('digits');
 * console.log(train.count, classNames.join(', '));
 */
export async function openDataset(path: string, options: DatasetOptions = {}): Promise<Dataset> {
  checkDatasetOptions(options);
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new DataError(`There is no folder or .npz file ${path}.`);
  const begin = (format: DatasetFormat): void => refuseOtherOptions(options, format, path);
  return makeDataset(await readAny(path, found.isDirectory(), options, begin));
}

async function readAny(
  path: string,
  isFolder: boolean,
  options: DatasetOptions,
  begin: (format: DatasetFormat) => void,
): Promise<DatasetParts> {
  if (isFolder) {
    const idx = await findIdxFiles(path);
    if (idx.length > 0) {
      begin('idx');
      return readIdxFolder(idx, path, options);
    }
    const cifar = await findCifar10(path);
    if (cifar !== undefined) {
      begin('cifar-10');
      return readCifar10(cifar, path);
    }
  }
  const npz = await findNpz(path);
  if (npz !== undefined) {
    begin('npz');
    return readNpz(npz, options);
  }
  const pictures = isFolder ? await listPictures(path) : undefined;
  if (pictures) {
    begin('pictures');
    return readPictures(pictures, path, options);
  }
  throw new DataError(
    `${path} holds no data set that is read here: IDX files (train-images-idx3-ubyte and so on), CIFAR-10's ` +
      'data_batch_1.bin, an .npz archive with x_train and y_train, or pictures in folders of the classes ' +
      '(train/cat/1.png).',
  );
}
