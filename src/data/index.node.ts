/** What `./index.ts` offers, and the loaders that need a machine with files. */
export * from './fashion-mnist.node.ts';
export * from './index.ts';
export * from './open-dataset.node.ts';
export * from './photo-folder.node.ts';
export { readPictureLike } from './picture-decoding.node.ts';
export * from './picture-file.node.ts';
