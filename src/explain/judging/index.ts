/** Measures that judge explanations, one by one or as a table of methods and measures. */
export * from './agreement-matrix.ts';
export * from './baselines.ts';
export * from './batch-statistics.ts';
export * from './deletion-insertion.ts';
export { type Explainer, type Judged, type JudgedMaps, type JudgingOptions, pixelOrder } from './images.ts';
export * from './infidelity.ts';
export * from './judge.ts';
export {
  type Estimate,
  intervalText,
  type JudgedMeasure,
  type JudgedMethod,
  type Judgement,
  type MethodScore,
} from './judgement.ts';
export * from './measures.ts';
export { withRestoredModel } from './model-state.ts';
export {
  cascade,
  parameterRandomisation,
  type RandomisationOptions,
  type RandomisationStage,
} from './parameter-randomisation.ts';
export * from './planted-cue.ts';
export * from './road.ts';
export * from './sensitivity.ts';
