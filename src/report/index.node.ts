/** What `./index.ts` offers, and what needs Node: PNG files. */
export * from './index.ts';
export * from './png.node.ts';
