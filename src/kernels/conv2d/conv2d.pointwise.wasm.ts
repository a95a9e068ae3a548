/**
 * 1 x 1 convolutions with stride 1 and no padding are matrix products over all pixels of the batch: y = x w with x as
 * [N H W, C], and dx = dy w'. They run the matrix multiplication's own plan.
 */
import type { Spec, WasmVariant } from '../../devices/kernel.ts';
import { planPacked } from '../matmul/matmul.packed.wasm.ts';
import {
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dSizes,
  conv2dInputGradientSizes,
  conv2dSizes,
} from './conv2d.ts';

function isPointwise({ kernelHeight, kernelWidth, strides, padding, groups }: Conv2dSizes): boolean {
  return (
    [kernelHeight, kernelWidth, ...strides, groups].every(one => one === 1) && padding.every(pixels => pixels === 0)
  );
}

/** Images as one matrix: a row per pixel. */
function pixels({ shape, dtype }: Spec): Spec {
  const [batch, height, width, channels] = shape;
  return { shape: [batch * height * width, channels], dtype };
}

const filters = ({ shape, dtype }: Spec): Spec => ({ shape: shape.slice(2), dtype });

export const conv2dPointwise: WasmVariant<Conv2dParams> = {
  name: 'pointwise',
  applies: (specs, params) => isPointwise(conv2dSizes(specs, params)),
  plan([x, w, ...bias], { activation }, adapter) {
    const params = { transposeA: false, transposeB: false, activation };
    return planPacked([pixels(x), filters(w), ...bias], params, adapter);
  },
};

export const conv2dInputGradientPointwise: WasmVariant<Conv2dInputGradientParams> = {
  name: 'pointwise',
  applies: (specs, params) => isPointwise(conv2dInputGradientSizes(specs, params)),
  plan([dy, w], _, adapter) {
    const params = { transposeA: false, transposeB: true, activation: 'none' as const };
    return planPacked([pixels(dy), filters(w)], params, adapter);
  },
};
