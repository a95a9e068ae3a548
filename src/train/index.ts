/** Training, evaluation and checkpoints. */
export * from './augmentation.ts';
export * from './build.ts';
export * from './calibration.ts';
export * from './checkpoint.ts';
export * from './comparison.ts';
export * from './ensemble.ts';
export * from './evaluate.ts';
export * from './fit.ts';
export * from './health.ts';
export * from './metrics.ts';
export * from './ranks.ts';
export * from './recipes.ts';
export * from './recorded-step.ts';
export * from './scores.ts';
export * from './step.ts';
export * from './tune.ts';
export * from './validation.ts';
