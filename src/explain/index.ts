/** Explanations of what a network decided, raw and signed, with the figures that say how far to trust them. */
export * from './agreement.ts';
export * from './attribution.ts';
export * from './cam.ts';
export {
  type Baseline,
  type CoalitionOptions,
  coalitionScores,
  type Players,
  type Predict,
  pixelPlayers,
} from './coalitions.ts';
export * from './deep-shap.ts';
export * from './exciting-images.ts';
export * from './global-shap.ts';
export {
  guidedBackprop,
  inputXGradient,
  type Method,
  type SaliencyOptions,
  type SmoothedAttribution,
  type SmoothGradOptions,
  saliency,
  smoothGrad,
} from './gradients.ts';
export * from './guided-grad-cam.ts';
export { imageKeys } from './image-keys.ts';
export { lastConvolutionalOutput, type SplitFunction, type Traceable } from './inner-layer.ts';
export * from './judging/index.ts';
export { defaultBudget, kernelCoalitions, kernelWeight, type WeightedCoalitions } from './kernel-coalitions.ts';
export { type KernelShapAttribution, type KernelShapOptions, kernelShap } from './kernel-shap.ts';
export * from './lime.ts';
export * from './maps.ts';
export * from './methods.ts';
export * from './occlusion.ts';
export {
  type ExpectedGradientsAttribution,
  type ExpectedGradientsOptions,
  expectedGradients,
  gradientShap,
  type IntegratedGradientsOptions,
  integratedGradients,
} from './path-gradients.ts';
export { forTarget, type PlayerAttribution, type PlayerOptions, type PlayerValues } from './player-attribution.ts';
export { type ChosenPlayers, choosePlayers, type PlayerChoice } from './players.ts';
export * from './segmentation/index.ts';
export * from './shapley.ts';
export { fitLinear, type LinearFit, proximity } from './surrogate.ts';
