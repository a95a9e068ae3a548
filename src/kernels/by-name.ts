/**
 * Every kernel by the folder it lives in and by its name, for tools that are told names (`weft bench --show conv2d`) and
 * for the tests that leave none out. Not here: `ceilings`, whose loops measure a machine and compute nothing.
 */
import type { Kernel } from '../devices/kernel.ts';
import * as batchnorm from './batchnorm/index.ts';
import * as conv2d from './conv2d/index.ts';
import * as elementwise from './elementwise/index.ts';
import * as fourier from './fourier/index.ts';
import * as health from './health/index.ts';
import * as image from './image/index.ts';
import * as layout from './layout/index.ts';
import * as likeness from './likeness/index.ts';
import * as matmul from './matmul/index.ts';
import * as nearest from './nearest/index.ts';
import * as optimizer from './optimizer/index.ts';
import * as pool from './pool/index.ts';
import * as random from './random/index.ts';
import * as reduce from './reduce/index.ts';
import * as rescale from './rescale/index.ts';
import * as softmax from './softmax/index.ts';
import * as tsne from './tsne/index.ts';

const isKernel = (value: unknown): value is Kernel =>
  typeof value === 'object' && value !== null && 'wgsl' in value && 'wasm' in value && 'reference' in value;

const folders = {
  batchnorm,
  conv2d,
  elementwise,
  fourier,
  health,
  image,
  layout,
  likeness,
  matmul,
  nearest,
  optimizer,
  pool,
  random,
  reduce,
  rescale,
  softmax,
  tsne,
};

/** The kernels of each folder of `src/kernels`. */
export const KERNEL_FAMILIES: ReadonlyMap<string, readonly Kernel[]> = new Map(
  Object.entries(folders).map(([folder, exported]) => [folder, Object.values(exported).filter(isKernel)]),
);

export const KERNELS: ReadonlyMap<string, Kernel> = new Map(
  [...KERNEL_FAMILIES.values()].flat().map(kernel => [kernel.name, kernel]),
);
