/** Data sets as bytes on the host: formats, checks, order of an epoch. Everything here runs in a browser too. */
export * from './batches.ts';
export * from './device-dataset.ts';
export * from './fashion-mnist.ts';
export * from './idx.ts';
