import type { Kernel } from '../../devices/kernel.ts';
import {
  crossEntropyGradientWasm,
  crossEntropySoftGradientWasm,
  crossEntropySoftWasm,
  crossEntropyWasm,
} from './crossentropy.wasm.ts';
import {
  crossEntropyGradientReference,
  crossEntropyReference,
  crossEntropySoftGradientReference,
  crossEntropySoftReference,
  logSoftmaxGradientReference,
  logSoftmaxReference,
  softmaxGradientReference,
  softmaxReference,
} from './softmax.reference.ts';
import {
  type CrossEntropyParams,
  crossEntropyDefinition,
  crossEntropyGradientDefinition,
  crossEntropySoftDefinition,
  crossEntropySoftGradientDefinition,
  logSoftmaxDefinition,
  logSoftmaxGradientDefinition,
  type SoftmaxParams,
  softmaxDefinition,
  softmaxGradientDefinition,
} from './softmax.ts';
import { logSoftmaxGradientWasm, logSoftmaxWasm, softmaxGradientWasm, softmaxWasm } from './softmax.wasm.ts';
import {
  crossEntropyGradientWgsl,
  crossEntropySoftGradientWgsl,
  crossEntropySoftWgsl,
  crossEntropyWgsl,
  logSoftmaxGradientWgsl,
  logSoftmaxWgsl,
  softmaxGradientWgsl,
  softmaxWgsl,
} from './softmax.wgsl.ts';

export type { CrossEntropyParams, SoftmaxParams } from './softmax.ts';

export const softmax: Kernel<SoftmaxParams> = {
  ...softmaxDefinition,
  reference: softmaxReference,
  wgsl: softmaxWgsl,
  wasm: softmaxWasm,
};

export const logSoftmax: Kernel<SoftmaxParams> = {
  ...logSoftmaxDefinition,
  reference: logSoftmaxReference,
  wgsl: logSoftmaxWgsl,
  wasm: logSoftmaxWasm,
};

export const softmaxGradient: Kernel<SoftmaxParams> = {
  ...softmaxGradientDefinition,
  reference: softmaxGradientReference,
  wgsl: softmaxGradientWgsl,
  wasm: softmaxGradientWasm,
};

export const logSoftmaxGradient: Kernel<SoftmaxParams> = {
  ...logSoftmaxGradientDefinition,
  reference: logSoftmaxGradientReference,
  wgsl: logSoftmaxGradientWgsl,
  wasm: logSoftmaxGradientWasm,
};

export const crossEntropy: Kernel<CrossEntropyParams> = {
  ...crossEntropyDefinition,
  reference: crossEntropyReference,
  wgsl: crossEntropyWgsl,
  wasm: crossEntropyWasm,
};

export const crossEntropyGradient: Kernel<CrossEntropyParams> = {
  ...crossEntropyGradientDefinition,
  reference: crossEntropyGradientReference,
  wgsl: crossEntropyGradientWgsl,
  wasm: crossEntropyGradientWasm,
};

export const crossEntropySoft: Kernel<SoftmaxParams> = {
  ...crossEntropySoftDefinition,
  reference: crossEntropySoftReference,
  wgsl: crossEntropySoftWgsl,
  wasm: crossEntropySoftWasm,
};

export const crossEntropySoftGradient: Kernel<SoftmaxParams> = {
  ...crossEntropySoftGradientDefinition,
  reference: crossEntropySoftGradientReference,
  wgsl: crossEntropySoftGradientWgsl,
  wasm: crossEntropySoftGradientWasm,
};
