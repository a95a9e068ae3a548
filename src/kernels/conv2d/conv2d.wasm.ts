/** The WebAssembly forms of the convolution kernels, each list in order of preference. */
import type { WasmVariant } from '../../devices/kernel.ts';
import { conv2dDepthwise, conv2dInputGradientDepthwise } from './conv2d.depthwise.wasm.ts';
import {
  conv2dDirect,
  conv2dDirectFloat64,
  conv2dInputGradientDirect,
  conv2dInputGradientDirectFloat64,
} from './conv2d.direct.wasm.ts';
import { conv2dPatches } from './conv2d.patches.wasm.ts';
import { conv2dInputGradientPointwise, conv2dPointwise } from './conv2d.pointwise.wasm.ts';
import type { Conv2dInputGradientParams, Conv2dParams, Conv2dWeightGradientParams } from './conv2d.ts';
import { conv2dWeightGradientDirect, conv2dWeightGradientDirectFloat64 } from './conv2d.weight-gradient.wasm.ts';
import { conv2dInputGradientWinograd, conv2dWinograd } from './conv2d.winograd.wasm.ts';
import { conv2dWeightGradientWinograd } from './winograd.weight-gradient.wasm.ts';

export const conv2dWasm: readonly WasmVariant<Conv2dParams>[] = [
  conv2dDirectFloat64,
  conv2dWinograd,
  conv2dPointwise,
  conv2dDepthwise,
  conv2dPatches,
  conv2dDirect,
];
export const conv2dInputGradientWasm: readonly WasmVariant<Conv2dInputGradientParams>[] = [
  conv2dInputGradientDirectFloat64,
  conv2dInputGradientWinograd,
  conv2dInputGradientPointwise,
  conv2dInputGradientDepthwise,
  conv2dInputGradientDirect,
];
export const conv2dWeightGradientWasm: readonly WasmVariant<Conv2dWeightGradientParams>[] = [
  conv2dWeightGradientDirectFloat64,
  conv2dWeightGradientWinograd,
  conv2dWeightGradientDirect,
];
