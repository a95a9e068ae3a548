/** Every kernel by its name, for tools that are told names: `weft bench --show conv2d`. */
import type { Kernel } from '../devices/kernel.ts';
import * as batchnorm from './batchnorm/index.ts';
import * as conv2d from './conv2d/index.ts';
import * as elementwise from './elementwise/index.ts';
import * as health from './health/index.ts';
import * as image from './image/index.ts';
import * as layout from './layout/index.ts';
import * as matmul from './matmul/index.ts';
import * as optimizer from './optimizer/index.ts';
import * as pool from './pool/index.ts';
import * as random from './random/index.ts';
import * as reduce from './reduce/index.ts';
import * as rescale from './rescale/index.ts';
import * as softmax from './softmax/index.ts';

const FAMILIES = [
  ...[batchnorm, conv2d, elementwise, health, image, layout, matmul],
  ...[optimizer, pool, random, reduce, rescale, softmax],
];

const isKernel = (value: unknown): value is Kernel =>
  typeof value === 'object' && value !== null && 'wgsl' in value && 'wasm' in value && 'reference' in value;

export const KERNELS: ReadonlyMap<string, Kernel> = new Map(
  FAMILIES.flatMap(family => Object.values(family))
    .filter(isKernel)
    .map(kernel => [kernel.name, kernel]),
);
