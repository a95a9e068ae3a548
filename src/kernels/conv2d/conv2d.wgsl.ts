import type { WgslVariant } from '../../devices/kernel.ts';

export const conv2dWgsl: readonly WgslVariant[] = [];
export const conv2dInputGradientWgsl: readonly WgslVariant[] = [];
export const conv2dWeightGradientWgsl: readonly WgslVariant[] = [];
