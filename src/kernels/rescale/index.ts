import type { Kernel } from '../../devices/kernel.ts';
import { rescaleReference } from './rescale.reference.ts';
import { type RescaleParams, rescaleDefinition } from './rescale.ts';
import { rescaleWasm } from './rescale.wasm.ts';
import { rescaleWgsl } from './rescale.wgsl.ts';

export { type RescaleParams, ROUNDING } from './rescale.ts';

export const rescale: Kernel<RescaleParams> = {
  ...rescaleDefinition,
  reference: rescaleReference,
  wgsl: rescaleWgsl,
  wasm: rescaleWasm,
};
