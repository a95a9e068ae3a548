import type { WgslVariant } from '../../devices/kernel.ts';

export const randomBitsWgsl: readonly WgslVariant[] = [];
export const randomUniformWgsl: readonly WgslVariant[] = [];
export const bernoulliWgsl: readonly WgslVariant[] = [];
export const dropoutWgsl: readonly WgslVariant[] = [];
export const advanceStateWgsl: readonly WgslVariant[] = [];
