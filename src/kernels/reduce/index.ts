import type { Kernel } from '../../devices/kernel.ts';
import { argReduceReference, reduceReference } from './reduce.reference.ts';
import { type ArgReduceParams, argReduceDefinition, type ReduceParams, reduceDefinition } from './reduce.ts';
import { reduceWasm } from './reduce.wasm.ts';
import { reduceWgsl } from './reduce.wgsl.ts';
import { argReduceWasm } from './search.wasm.ts';
import { argReduceWgsl } from './search.wgsl.ts';

export type { ArgReduceParams, ReduceOp, ReduceParams } from './reduce.ts';

export const reduce: Kernel<ReduceParams> = {
  ...reduceDefinition,
  reference: reduceReference,
  wgsl: reduceWgsl,
  wasm: reduceWasm,
};

export const argReduce: Kernel<ArgReduceParams> = {
  ...argReduceDefinition,
  reference: argReduceReference,
  wgsl: argReduceWgsl,
  wasm: argReduceWasm,
};
