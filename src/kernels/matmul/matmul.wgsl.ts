import type { WgslVariant } from '../../devices/kernel.ts';

export const matmulWgsl: readonly WgslVariant[] = [];
