/**
 * A look inside: the activations of one named layer, and the gradient of each image's target logit with respect to them.
 * Models are traced by module path; any other function is given as its two halves.
 */
import { detach, gradients, noGrad, watch } from '../autograd/index.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { inEvaluation } from '../nn/evaluation-mode.ts';
import { AvgPool2d, GlobalAvgPool, MaxPool2d, Module } from '../nn/index.ts';
import { collect } from '../nn/tracing.ts';
import { zerosLike } from '../tensor/creation.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { asLogits, imageRows, targetUpstream } from './evaluation.ts';

/** A function cut in two: logits are `head(features(x))`. */
export interface SplitFunction {
  /** Images [N, ...] to activations [N, h, w, K]. */
  readonly features: (x: Tensor) => Tensor;
  readonly head: (activations: Tensor) => Tensor;
  /** What the cut is called in results. Default `features`. */
  readonly name?: string;
}

export type Traceable = Module | SplitFunction;

export interface InnerLayer {
  readonly logits: Tensor;
  /** A: [N, h, w, K] */
  readonly activations: Tensor;
  /** g = dy_c / dA, of the same shape. */
  readonly gradient: Tensor;
}

/** The layer to look at: `layer` if it is given, otherwise the last convolutional stage's output. */
export function layerOf(f: Traceable, x: Tensor, layer: string | undefined): string {
  if (!(f instanceof Module)) return f.name ?? 'features';
  return layer ?? lastConvolutionalOutput(f, x);
}

const isPooling = (module: Module | undefined): boolean =>
  module instanceof MaxPool2d || module instanceof AvgPool2d || module instanceof GlobalAvgPool;

/**
 * The path of the last module whose output still is a map of more than one pixel and that is no pooling: a stage where
 * there are stages, the last activation of a plain network.
 */
export function lastConvolutionalOutput(model: Module, x: Tensor): string {
  const modules = new Map(model.modules().map(module => [module.path, module]));
  return tidy(() => {
    const { found } = noGrad(() => inEvaluation(model, () => collect('all', () => model.call(imageRows(x, 0, 1)))));
    let last: string | undefined;
    for (const [path, { shape }] of found) {
      if (path !== '' && shape.length === 4 && shape[1] * shape[2] > 1 && !isPooling(modules.get(path))) last = path;
    }
    if (last !== undefined) return last;
    throw new UsageError('This model has no layer with a map of pixels to explain; name one with { layer }.');
  });
}

/** Logits and activations without gradients. */
export function innerActivations(f: Traceable, x: Tensor, layer: string): Omit<InnerLayer, 'gradient'> {
  return tidy(() => {
    const { logits, activations } = noGrad(() => run(f, x, layer));
    return { logits: detach(logits), activations: detach(activations) };
  });
}

/** Logits, activations and the gradient of each image's target logit (undefined: its largest). */
export function innerGradient(f: Traceable, x: Tensor, layer: string, targets: Int32Array | undefined): InnerLayer {
  return tidy(() => {
    const { logits, activations } = run(f, watch(detach(x)), layer);
    const gradient =
      logits.node && activations.node
        ? gradients(logits, [activations], { upstream: targetUpstream(logits, targets) })[0]
        : zerosLike(activations);
    return { logits: detach(logits), activations: detach(activations), gradient };
  });
}

function run(f: Traceable, x: Tensor, layer: string): Omit<InnerLayer, 'gradient'> {
  let activations: Tensor;
  let logits: Tensor;
  if (f instanceof Module) {
    const traced = inEvaluation(f, () => f.trace(x, [layer]));
    activations = traced.activations[layer];
    logits = traced.output;
    if (!activations) throw new UsageError(`The model did not run its layer "${layer}".`);
  } else {
    // Nothing below the cut is wanted, so nothing below it is recorded.
    activations = watch(detach(noGrad(() => f.features(x))));
    logits = f.head(activations);
  }
  if (activations.rank !== 4) {
    throw new ShapeError(
      `The layer "${layer}" gives ${formatShape(activations.shape)}; class activation maps need [N, h, w, channels].`,
    );
  }
  return { logits: asLogits(logits, x.shape[0]), activations };
}
