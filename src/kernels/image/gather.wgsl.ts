import type { WgslVariant } from '../../devices/kernel.ts';

export const gatherImagesWgsl: readonly WgslVariant[] = [];
export const gatherLabelsWgsl: readonly WgslVariant[] = [];
