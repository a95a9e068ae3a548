/** Models by name, as the command line and checkpoints know them. */
import { UsageError } from '../../devices/errors.ts';
import type { Module } from '../module.ts';
import { type CnnOptions, cnn } from './cnn.ts';
import { type LeNet5Options, leNet5 } from './lenet5.ts';
import { type Mcnn15Options, mcnn15 } from './mcnn15.ts';
import { type MiniResNetOptions, miniResNet } from './mini-resnet.ts';
import { type ResNet20Options, resNet20 } from './resnet20.ts';

/** A model to be: its name and options, as plain data. */
export type ModelSpec =
  | { readonly name: 'cnn'; readonly options: CnnOptions }
  | { readonly name: 'mini-resnet'; readonly options: MiniResNetOptions }
  | { readonly name: 'resnet20'; readonly options: ResNet20Options }
  | { readonly name: 'lenet5'; readonly options: LeNet5Options }
  | { readonly name: 'mcnn15'; readonly options: Mcnn15Options };

export type ModelName = ModelSpec['name'];

const BUILDERS: Readonly<Record<ModelName, (options: any) => Module>> = {
  cnn,
  'mini-resnet': miniResNet,
  resnet20: resNet20,
  lenet5: leNet5,
  mcnn15,
};

export const MODEL_NAMES = Object.keys(BUILDERS) as readonly ModelName[];

/** Builds a model (uninitialised). Throws UsageError when there is none of that name. */
export function buildModel({ name, options }: ModelSpec): Module {
  if (!Object.hasOwn(BUILDERS, name)) {
    throw new UsageError(`There is no model "${name}"; choose one of ${MODEL_NAMES.join(', ')}.`);
  }
  return BUILDERS[name](options);
}
