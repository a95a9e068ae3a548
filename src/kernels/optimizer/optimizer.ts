/**
 * Optimizer steps over flat arenas: one kernel call changes every parameter of a model. The arrays are one-dimensional
 * float32 of any length; parameters and optimizer state are outputs that are changed in place. What changes from step to
 * step (learning rate, bias corrections) comes in the small input `hyper`, so that a captured step can be replayed.
 */
import { DTypeError, ShapeError, UsageError } from '../../devices/errors.ts';
import type { KernelDefinition, Spec } from '../../devices/kernel.ts';
import { checkShape, formatShape, sizeOf } from '../../devices/shape.ts';

export interface SgdParams {
  /** 0: plain gradient descent, and the kernel has no velocity output. */
  readonly momentum: number;
  readonly nesterov: boolean;
  /** L2 penalty: weightDecay * parameter is added to the gradient. */
  readonly weightDecay: number;
}

export interface AdamParams {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** true: AdamW, the parameter shrinks by learningRate * weightDecay; false: the penalty joins the gradient. */
  readonly decoupled: boolean;
}

export type EmaParams = Readonly<Record<string, never>>;

export interface ClipParams {
  readonly maxNorm: number;
  /** Shape of the gradient (it is an output, so nothing else tells). */
  readonly shape: readonly number[];
}

function checkFloats(what: string, inputs: readonly Spec[]): void {
  for (const { dtype } of inputs) if (dtype !== 'float32') throw new DTypeError(`${what} takes float32, not ${dtype}.`);
}

function checkHyper(what: string, hyper: Spec, meaning: readonly string[]): void {
  if (hyper.shape.length !== 1 || hyper.shape[0] < meaning.length) {
    throw new ShapeError(
      `${what}: hyper-parameters ${formatShape(hyper.shape)} should be [${meaning.length}]: ${meaning.join(', ')}.`,
    );
  }
}

/**
 * Inputs [gradient, hyper = [learningRate]]; outputs [parameter, velocity], or [parameter] where momentum is 0.
 *
 *     g = gradient + weightDecay * parameter
 *     velocity = momentum * velocity + g             (start with zeros)
 *     parameter -= learningRate * (nesterov ? g + momentum * velocity : velocity)
 *
 * The formulas of torch.optim.SGD without dampening.
 */
export const sgdStepDefinition: KernelDefinition<SgdParams> = {
  name: 'sgdStep',
  updates: [0, 1],
  infer(inputs, { momentum, nesterov }) {
    checkFloats('sgdStep', inputs);
    const [gradient, hyper] = inputs;
    checkHyper('sgdStep', hyper, ['learning rate']);
    if (nesterov && momentum === 0) throw new UsageError('sgdStep: Nesterov momentum needs a momentum above 0.');
    const spec: Spec = { shape: gradient.shape, dtype: 'float32' };
    return momentum === 0 ? [spec] : [spec, spec];
  },
  cost([gradient], { momentum, nesterov }) {
    const length = sizeOf(gradient.shape);
    return {
      flops: length * (momentum === 0 ? 4 : nesterov ? 8 : 6),
      bytes: 4 * length * (momentum === 0 ? 3 : 5),
    };
  },
};

/**
 * Inputs [gradient, hyper = [learningRate, 1 - beta1^t, 1 - beta2^t]] (t counts from 1; computed by the host in float64);
 * outputs [parameter, m, v].
 *
 *     g = gradient + (decoupled ? 0 : weightDecay * parameter)
 *     parameter -= decoupled ? learningRate * weightDecay * parameter : 0
 *     m = beta1 * m + (1 - beta1) * g
 *     v = beta2 * v + (1 - beta2) * g^2
 *     parameter -= learningRate / correction1 * m / (sqrt(v) / sqrt(correction2) + epsilon)
 *
 * The formulas of torch.optim.Adam and AdamW. D. P. Kingma, J. Ba: Adam, ICLR 2015; I. Loshchilov, F. Hutter: Decoupled
 * weight decay regularization, ICLR 2019.
 */
export const adamStepDefinition: KernelDefinition<AdamParams> = {
  name: 'adamStep',
  updates: [0, 1, 2],
  infer(inputs) {
    checkFloats('adamStep', inputs);
    const [gradient, hyper] = inputs;
    checkHyper('adamStep', hyper, ['learning rate', '1 - beta1^t', '1 - beta2^t']);
    const spec: Spec = { shape: gradient.shape, dtype: 'float32' };
    return [spec, spec, spec];
  },
  cost([gradient]) {
    const length = sizeOf(gradient.shape);
    return { flops: 16 * length, bytes: 28 * length };
  },
};

/**
 * Inputs [parameter, hyper = [1 - decay, decay]] (both from the host's float64: a decay near 1 that was rounded has lost
 * what it differs by); output [average] = decay * average + (1 - decay) * parameter, as a step from the nearer of the two:
 *
 *     1 - decay < 1/2:  average += (1 - decay) * (parameter - average)
 *     otherwise:        average = parameter - decay * (parameter - average)
 *
 * So an average that has arrived stays, and a decay of 0 gives the parameter itself. The formulas of torch.lerp.
 */
export const emaStepDefinition: KernelDefinition<EmaParams> = {
  name: 'emaStep',
  updates: [0],
  infer(inputs) {
    checkFloats('emaStep', inputs);
    const [parameter, hyper] = inputs;
    checkHyper('emaStep', hyper, ['1 - decay', 'decay']);
    return [{ shape: parameter.shape, dtype: 'float32' }];
  },
  cost([parameter]) {
    const length = sizeOf(parameter.shape);
    return { flops: 3 * length, bytes: 12 * length };
  },
};

/** Gradients are multiplied by this where the sum of their squares is beyond float32: no product or sum is then. */
export const CLIP_UNIT = 2 ** -80;

/**
 * Input [sums of shape [2]]: the sum of squares of the gradient, and of CLIP_UNIT times the gradient, which counts where the
 * first is infinite. Output [gradient] scaled in place by min(1, maxNorm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_
 * does. A norm of what is not finite turns the whole gradient into NaN, so that the mistake is seen and not clipped away.
 */
export const clipByGlobalNormDefinition: KernelDefinition<ClipParams> = {
  name: 'clipByGlobalNorm',
  updates: [0],
  infer(inputs, { maxNorm, shape }) {
    checkFloats('clipByGlobalNorm', inputs);
    checkShape(shape, 'clipByGlobalNorm');
    if (sizeOf(inputs[0].shape) !== 2) {
      throw new ShapeError(`clipByGlobalNorm: the sums of squares are two, not ${formatShape(inputs[0].shape)}.`);
    }
    if (!(maxNorm > 0)) throw new UsageError(`clipByGlobalNorm: the largest norm must be above 0, not ${maxNorm}.`);
    return [{ shape, dtype: 'float32' }];
  },
  cost(_, { shape }) {
    const length = sizeOf(shape);
    return { flops: length, bytes: 8 + 8 * length };
  },
};
