import type { WgslVariant } from '../../devices/kernel.ts';

export const softmaxWgsl: readonly WgslVariant[] = [];
export const logSoftmaxWgsl: readonly WgslVariant[] = [];
export const softmaxGradientWgsl: readonly WgslVariant[] = [];
export const logSoftmaxGradientWgsl: readonly WgslVariant[] = [];
export const crossEntropyWgsl: readonly WgslVariant[] = [];
export const crossEntropyGradientWgsl: readonly WgslVariant[] = [];
export const crossEntropySoftWgsl: readonly WgslVariant[] = [];
export const crossEntropySoftGradientWgsl: readonly WgslVariant[] = [];
