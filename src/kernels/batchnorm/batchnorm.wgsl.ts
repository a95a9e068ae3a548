import type { WgslVariant } from '../../devices/kernel.ts';

export const batchNormTrainWgsl: readonly WgslVariant[] = [];
export const batchNormEvalWgsl: readonly WgslVariant[] = [];
export const batchNormTrainGradientWgsl: readonly WgslVariant[] = [];
export const batchNormEvalGradientWgsl: readonly WgslVariant[] = [];
