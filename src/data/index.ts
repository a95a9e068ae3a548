/** Data sets as bytes on the host: formats, checks, order of an epoch, corruptions, photographs. Everything here runs in a browser too. */
export * from './batches.ts';
export * from './corruption.ts';
export * from './csv.ts';
export {
  type Checksum,
  classCounts,
  type Dataset,
  type DatasetFormat,
  type DatasetKind,
  type DatasetParts,
  type FileNames,
  fashionMnistDataset,
  MOST_CLASSES,
  makeDataset,
  type Provenance,
  parseClassNames,
  pixelStatistics,
  splitOffTest,
} from './dataset.ts';
export * from './dataset-description.ts';
export type { DatasetOptions } from './dataset-options.ts';
export * from './device-dataset.ts';
export * from './fashion-mnist.ts';
export * from './idx.ts';
export * from './image-list.ts';
export * from './photo.ts';
export * from './photo-labels.ts';
