/**
 * The methods by name, for whoever lets others choose (the command line, a table of methods and measures): what each one
 * needs, how its maps are to be shown, and one way to call them all.
 */
import { UsageError } from '../devices/errors.ts';
import type { Module } from '../nn/index.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Attribution, ExplainOptions } from './attribution.ts';
import { eigenCam, gradCam, gradCamPlusPlus, hiResCam, layerCam, scoreCam, xGradCam } from './cam.ts';
import { deepShap } from './deep-shap.ts';
import { guidedBackprop, inputXGradient, saliency, smoothGrad } from './gradients.ts';
import { guidedGradCam } from './guided-grad-cam.ts';
import { kernelShap } from './kernel-shap.ts';
import { lime } from './lime.ts';
import { featureAblation, occlusion } from './occlusion.ts';
import { expectedGradients, integratedGradients } from './path-gradients.ts';
import type { Segmentation } from './segmentation/index.ts';

/** What a method may draw on. */
export interface MethodContext extends ExplainOptions {
  /** Training images [B, ...] for the methods that compare with a background. */
  readonly background: Tensor;
  /** For class activation maps. Default: the last convolutional stage's output. */
  readonly layer?: string;
  /** For Grad-CAM++ and XGrad-CAM: take their formulas at a layer with negative activations too. Default false. */
  readonly allowNegative?: boolean;
  /** For methods that explain by pieces of the image. Default: SLIC superpixels. */
  readonly segments?: Segmentation;
  /** About how many pieces. Default 50. */
  readonly segmentCount?: number;
  /** Points of integrated gradients. Default 50. */
  readonly steps?: number;
  /** Noisy copies, random points, altered images or coalitions per image, for methods that sample. Default: their own. */
  readonly samples?: number;
  readonly seed?: number;
}

export interface NamedMethod {
  /**
   * `signed`: positive and negative speak for and against the class, zero is neutral. `positive`: only what is above zero
   * is shown.
   */
  readonly display: 'signed' | 'positive';
  run(model: Module, x: Tensor, context: MethodContext): Promise<Attribution>;
}

const signed = (run: NamedMethod['run']): NamedMethod => ({ display: 'signed', run });
const positive = (run: NamedMethod['run']): NamedMethod => ({ display: 'positive', run });

export const METHODS = {
  'grad-cam': positive(gradCam),
  'grad-cam++': positive(gradCamPlusPlus),
  'layer-cam': positive(layerCam),
  'hires-cam': positive(hiResCam),
  'xgrad-cam': positive(xGradCam),
  'score-cam': positive(scoreCam),
  'eigen-cam': positive(eigenCam),
  saliency: positive(saliency),
  'input-x-gradient': signed(inputXGradient),
  'smooth-grad': signed(smoothGrad),
  'guided-backprop': signed(guidedBackprop),
  'guided-grad-cam': signed(guidedGradCam),
  'integrated-gradients': signed(integratedGradients),
  'expected-gradients': signed(expectedGradients),
  'deep-shap': signed(deepShap),
  lime: signed(lime),
  'kernel-shap': signed(kernelShap),
  occlusion: signed(occlusion),
  'feature-ablation': signed(featureAblation),
} satisfies Record<string, NamedMethod>;

export type MethodName = keyof typeof METHODS;

export const METHOD_NAMES = Object.keys(METHODS) as MethodName[];

/** The method called `name`; throws UsageError listing those there are. */
export function methodNamed(name: string): NamedMethod {
  if (Object.hasOwn(METHODS, name)) return METHODS[name as MethodName];
  throw new UsageError(`There is no method "${name}"; choose from ${METHOD_NAMES.join(', ')}.`);
}
