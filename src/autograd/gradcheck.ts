/**
 * Gradients by finite differences, in float64 on the reference device: the definition that every hand-written gradient
 * is checked against.
 */
import type { TypedArray } from '../devices/dtype.ts';
import { tensor } from '../tensor/creation.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type BackwardOptions, grad } from './backward.ts';
import { noGrad } from './tape.ts';

export interface GradcheckResult {
  /** Largest |analytic - numeric| / max(1, |numeric|) over all elements of all inputs. */
  readonly error: number;
  /** Where it occurs: input and element. */
  readonly input: number;
  readonly element: number;
  readonly analytic: number;
  readonly numeric: number;
}

/**
 * Compares the gradients of a scalar function with central differences (fourth order, step `epsilon`). The inputs must be
 * float32 tensors of the reference device, away from kinks and ties.
 * @param f scalar function of tensors; called many times
 * @param maxElements check at most this many elements per input, evenly spread; default all
 */
export async function gradcheck(
  f: (...xs: Tensor[]) => Tensor,
  xs: readonly Tensor[],
  options: BackwardOptions & { epsilon?: number; maxElements?: number } = {},
): Promise<GradcheckResult> {
  const { epsilon = 1e-3, maxElements = Number.POSITIVE_INFINITY, ...backwardOptions } = options;
  const grads = grad(() => f(...xs), xs, backwardOptions);
  let worst: GradcheckResult = { error: 0, input: 0, element: 0, analytic: 0, numeric: 0 };
  for (let input = 0; input < xs.length; input++) {
    const values = Float64Array.from(await xs[input].data());
    const analytic = await grads[input].data();
    const stride = Math.max(1, Math.ceil(values.length / maxElements));
    for (let element = 0; element < values.length; element += stride) {
      const at = (offset: number) => evaluate(f, xs, input, values, element, offset);
      const near = (await at(epsilon)) - (await at(-epsilon));
      const far = (await at(2 * epsilon)) - (await at(-2 * epsilon));
      const numeric = (8 * near - far) / (12 * epsilon);
      const error = Math.abs(analytic[element] - numeric) / Math.max(1, Math.abs(numeric));
      if (!(error <= worst.error)) worst = { error, input, element, analytic: analytic[element], numeric };
    }
  }
  for (const gradient of grads) gradient.dispose();
  return worst;
}

async function evaluate(
  f: (...xs: Tensor[]) => Tensor,
  xs: readonly Tensor[],
  input: number,
  values: TypedArray,
  element: number,
  offset: number,
): Promise<number> {
  const moved = values.slice();
  moved[element] += offset;
  const y = tidy(() =>
    noGrad(() => f(...xs.map((x, i) => (i === input ? tensor(moved, x.shape, { device: x.device }) : x)))),
  );
  const value = await y.item();
  y.dispose();
  return value;
}
