import type { WgslVariant } from '../../devices/kernel.ts';

export const augmentImagesWgsl: readonly WgslVariant[] = [];
