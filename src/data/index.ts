/** Data sets as bytes on the host: formats, checks, order of an epoch, corruptions, photographs. Everything here runs in a browser too. */
export * from './batches.ts';
export * from './corruption.ts';
export * from './device-dataset.ts';
export * from './fashion-mnist.ts';
export * from './idx.ts';
export * from './photo.ts';
export * from './photo-labels.ts';
