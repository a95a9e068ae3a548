import type { Kernel } from '../../devices/kernel.ts';
import { gridForcesReference, realFourier2dReference } from './fourier.reference.ts';
import { type FourierParams, gridForcesDefinition, realFourier2dDefinition } from './fourier.ts';
import { gridForcesWasm, realFourier2dWasm } from './fourier.wasm.ts';
import { gridForcesWgsl, realFourier2dWgsl } from './fourier.wgsl.ts';

export { type FourierParams, isFourierSize, keptColumns, twiddlesOf } from './fourier.ts';

export const realFourier2d: Kernel<FourierParams> = {
  ...realFourier2dDefinition,
  reference: realFourier2dReference,
  wgsl: realFourier2dWgsl,
  wasm: realFourier2dWasm,
};

export const gridForces: Kernel<FourierParams> = {
  ...gridForcesDefinition,
  reference: gridForcesReference,
  wgsl: gridForcesWgsl,
  wasm: gridForcesWasm,
};
