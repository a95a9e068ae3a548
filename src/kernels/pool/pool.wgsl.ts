import type { WgslVariant } from '../../devices/kernel.ts';

export const maxPool2dWgsl: readonly WgslVariant[] = [];
export const maxPool2dGradientWgsl: readonly WgslVariant[] = [];
export const maxPool2dPickWgsl: readonly WgslVariant[] = [];
export const avgPool2dWgsl: readonly WgslVariant[] = [];
export const avgPool2dGradientWgsl: readonly WgslVariant[] = [];
export const globalAveragePoolWgsl: readonly WgslVariant[] = [];
export const globalAveragePoolGradientWgsl: readonly WgslVariant[] = [];
