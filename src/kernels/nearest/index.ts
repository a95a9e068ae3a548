import type { Kernel } from '../../devices/kernel.ts';
import { keepNearestReference } from './nearest.reference.ts';
import { type KeepNearestParams, keepNearestDefinition } from './nearest.ts';
import { keepNearestWasm } from './nearest.wasm.ts';
import { keepNearestWgsl } from './nearest.wgsl.ts';

export type { KeepNearestParams } from './nearest.ts';

export const keepNearest: Kernel<KeepNearestParams> = {
  ...keepNearestDefinition,
  reference: keepNearestReference,
  wgsl: keepNearestWgsl,
  wasm: keepNearestWasm,
};
