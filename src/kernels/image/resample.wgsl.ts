import type { WgslVariant } from '../../devices/kernel.ts';

export const affineImagesWgsl: readonly WgslVariant[] = [];
export const resizeBilinearWgsl: readonly WgslVariant[] = [];
export const resizeBilinearGradientWgsl: readonly WgslVariant[] = [];
