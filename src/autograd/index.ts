export {
  type BackwardOptions,
  backward,
  grad,
  gradients,
  onGradient,
  type Rule,
  type RuleSet,
  type RuleSubject,
  valueAndGrad,
  watch,
} from './backward.ts';
export { withConvolution } from './convolution.ts';
export { type GradcheckResult, gradcheck } from './gradcheck.ts';
export type { GradientContext, OpName, VectorJacobianProduct } from './op.ts';
export * from './ops/index.ts';
export { detach, noGrad } from './tape.ts';
