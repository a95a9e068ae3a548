import type { WgslVariant } from '../../devices/kernel.ts';

export const sgdStepWgsl: readonly WgslVariant[] = [];
export const adamStepWgsl: readonly WgslVariant[] = [];
export const emaStepWgsl: readonly WgslVariant[] = [];
export const clipByGlobalNormWgsl: readonly WgslVariant[] = [];
