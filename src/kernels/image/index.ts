import type { Kernel } from '../../devices/kernel.ts';
import { augmentImagesReference } from './augment.reference.ts';
import { type AugmentParams, augmentImagesDefinition } from './augment.ts';
import { augmentImagesWasm } from './augment.wasm.ts';
import { augmentImagesWgsl } from './augment.wgsl.ts';
import { gatherImagesReference, gatherLabelsReference } from './gather.reference.ts';
import { type GatherParams, gatherImagesDefinition, gatherLabelsDefinition } from './gather.ts';
import { gatherImagesWasm, gatherLabelsWasm } from './gather.wasm.ts';
import { gatherImagesWgsl, gatherLabelsWgsl } from './gather.wgsl.ts';
import {
  affineImagesReference,
  resizeBilinearGradientReference,
  resizeBilinearReference,
} from './resample.reference.ts';
import {
  type AffineParams,
  affineImagesDefinition,
  type ResizeGradientParams,
  type ResizeParams,
  resizeBilinearDefinition,
  resizeBilinearGradientDefinition,
} from './resample.ts';
import { affineImagesWasm, resizeBilinearGradientWasm, resizeBilinearWasm } from './resample.wasm.ts';
import { affineImagesWgsl, resizeBilinearGradientWgsl, resizeBilinearWgsl } from './resample.wgsl.ts';

export type { AugmentParams, EraseParams } from './augment.ts';
export type { GatherParams } from './gather.ts';
export type { AffineParams, ResizeGradientParams, ResizeParams } from './resample.ts';

export const gatherImages: Kernel<GatherParams> = {
  ...gatherImagesDefinition,
  reference: gatherImagesReference,
  wgsl: gatherImagesWgsl,
  wasm: gatherImagesWasm,
};

export const gatherLabels: Kernel<GatherParams> = {
  ...gatherLabelsDefinition,
  reference: gatherLabelsReference,
  wgsl: gatherLabelsWgsl,
  wasm: gatherLabelsWasm,
};

export const augmentImages: Kernel<AugmentParams> = {
  ...augmentImagesDefinition,
  reference: augmentImagesReference,
  wgsl: augmentImagesWgsl,
  wasm: augmentImagesWasm,
};

export const affineImages: Kernel<AffineParams> = {
  ...affineImagesDefinition,
  reference: affineImagesReference,
  wgsl: affineImagesWgsl,
  wasm: affineImagesWasm,
};

export const resizeBilinear: Kernel<ResizeParams> = {
  ...resizeBilinearDefinition,
  reference: resizeBilinearReference,
  wgsl: resizeBilinearWgsl,
  wasm: resizeBilinearWasm,
};

export const resizeBilinearGradient: Kernel<ResizeGradientParams> = {
  ...resizeBilinearGradientDefinition,
  reference: resizeBilinearGradientReference,
  wgsl: resizeBilinearGradientWgsl,
  wasm: resizeBilinearGradientWasm,
};
