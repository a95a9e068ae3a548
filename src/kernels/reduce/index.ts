import type { Kernel } from '../../devices/kernel.ts';
import { argReduceReference, nonFiniteReference, reduceReference } from './reduce.reference.ts';
import {
  type ArgReduceParams,
  argReduceDefinition,
  nonFiniteDefinition,
  type ReduceParams,
  reduceDefinition,
} from './reduce.ts';

export type { ArgReduceParams, ReduceOp, ReduceParams } from './reduce.ts';

export const reduce: Kernel<ReduceParams> = { ...reduceDefinition, reference: reduceReference, wgsl: [], wasm: [] };

export const argReduce: Kernel<ArgReduceParams> = {
  ...argReduceDefinition,
  reference: argReduceReference,
  wgsl: [],
  wasm: [],
};

export const nonFinite: Kernel<Record<string, never>> = {
  ...nonFiniteDefinition,
  reference: nonFiniteReference,
  wgsl: [],
  wasm: [],
};
