import type { Kernel } from '../../devices/kernel.ts';
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

export type {
  AffineParams,
  ArithmeticOp,
  BinaryOp,
  BinaryParams,
  CastParams,
  ClampParams,
  ComparisonOp,
  FillParams,
  LogicalOp,
  NoParams,
  UnaryOp,
  UnaryParams,
} from './elementwise.ts';

export const unary: Kernel<UnaryParams> = { ...unaryDefinition, reference: unaryReference, wgsl: [], wasm: [] };

export const unaryGradient: Kernel<UnaryParams> = {
  ...unaryGradientDefinition,
  reference: unaryGradientReference,
  wgsl: [],
  wasm: [],
};

export const binary: Kernel<BinaryParams> = { ...binaryDefinition, reference: binaryReference, wgsl: [], wasm: [] };

export const affine: Kernel<AffineParams> = { ...affineDefinition, reference: affineReference, wgsl: [], wasm: [] };

export const clamp: Kernel<ClampParams> = { ...clampDefinition, reference: clampReference, wgsl: [], wasm: [] };

export const where: Kernel<NoParams> = { ...whereDefinition, reference: whereReference, wgsl: [], wasm: [] };

export const cast: Kernel<CastParams> = { ...castDefinition, reference: castReference, wgsl: [], wasm: [] };

export const fill: Kernel<FillParams> = { ...fillDefinition, reference: fillReference, wgsl: [], wasm: [] };

export const accumulate: Kernel<NoParams> = {
  ...accumulateDefinition,
  reference: accumulateReference,
  wgsl: [],
  wasm: [],
};
