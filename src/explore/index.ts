/** A data set before training: cleaning, principal components, maps, and how far classes overlap. */
export * from './affinities.ts';
export * from './animation.ts';
export * from './cleaning.ts';
export { type DivergenceOptions, klDivergence } from './divergence.ts';
export * from './exploration.ts';
export { Forces, fasterRepulsion, type RepulsionMethod } from './forces.ts';
export { fuzzyGraph, type SmoothNeighbours, smoothNeighbours } from './fuzzy-graph.ts';
export * from './map-comparison.ts';
export type { DrawnMap, MapImages, MapReport } from './map-report.ts';
export * from './mirrored.ts';
export * from './near-duplicates.ts';
export * from './neighbours.ts';
export * from './overlap.ts';
export * from './pca.ts';
export { type Points, pixelsOf, selectPoints, squaredDistance } from './points.ts';
export * from './quality.ts';
export * from './symmetric-eigen.ts';
export * from './transform-tsne.ts';
export * from './transform-umap.ts';
export {
  type TsneMap,
  type TsneOptions,
  type TsneProgress,
  type TsneSnapshot,
  tsne,
} from './tsne.ts';
export * from './umap.ts';
export { fitCurve } from './umap-curve.ts';
