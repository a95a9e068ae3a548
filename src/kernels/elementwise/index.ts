import type { Kernel } from '../../devices/kernel.ts';
import { castWasm } from './cast.wasm.ts';
import { castWgsl } from './cast.wgsl.ts';
import {
  accumulateReference,
  affineReference,
  binaryReference,
  castReference,
  clampReference,
  fillReference,
  unaryGradientReference,
  unaryReference,
  whereReference,
} from './elementwise.reference.ts';
import {
  type AffineParams,
  accumulateDefinition,
  affineDefinition,
  type BinaryParams,
  binaryDefinition,
  type CastParams,
  type ClampParams,
  castDefinition,
  clampDefinition,
  type FillParams,
  fillDefinition,
  type NoParams,
  type UnaryParams,
  unaryDefinition,
  unaryGradientDefinition,
  whereDefinition,
} from './elementwise.ts';
import {
  accumulateWasm,
  affineWasm,
  binaryWasm,
  clampWasm,
  fillWasm,
  unaryGradientWasm,
  unaryWasm,
  whereWasm,
} from './elementwise.wasm.ts';
import {
  accumulateWgsl,
  affineWgsl,
  binaryWgsl,
  clampWgsl,
  fillWgsl,
  unaryGradientWgsl,
  unaryWgsl,
  whereWgsl,
} from './elementwise.wgsl.ts';

export type {
  AffineParams,
  BinaryOp,
  BinaryParams,
  CastParams,
  ClampParams,
  ComparisonOp,
  FillParams,
  NoParams,
  UnaryOp,
  UnaryParams,
} from './elementwise.ts';

export const unary: Kernel<UnaryParams> = {
  ...unaryDefinition,
  reference: unaryReference,
  wgsl: unaryWgsl,
  wasm: unaryWasm,
};

export const unaryGradient: Kernel<UnaryParams> = {
  ...unaryGradientDefinition,
  reference: unaryGradientReference,
  wgsl: unaryGradientWgsl,
  wasm: unaryGradientWasm,
};

export const binary: Kernel<BinaryParams> = {
  ...binaryDefinition,
  reference: binaryReference,
  wgsl: binaryWgsl,
  wasm: binaryWasm,
};

export const affine: Kernel<AffineParams> = {
  ...affineDefinition,
  reference: affineReference,
  wgsl: affineWgsl,
  wasm: affineWasm,
};

export const clamp: Kernel<ClampParams> = {
  ...clampDefinition,
  reference: clampReference,
  wgsl: clampWgsl,
  wasm: clampWasm,
};

export const where: Kernel<NoParams> = {
  ...whereDefinition,
  reference: whereReference,
  wgsl: whereWgsl,
  wasm: whereWasm,
};

export const cast: Kernel<CastParams> = { ...castDefinition, reference: castReference, wgsl: castWgsl, wasm: castWasm };

export const fill: Kernel<FillParams> = { ...fillDefinition, reference: fillReference, wgsl: fillWgsl, wasm: fillWasm };

export const accumulate: Kernel<NoParams> = {
  ...accumulateDefinition,
  reference: accumulateReference,
  wgsl: accumulateWgsl,
  wasm: accumulateWasm,
};
