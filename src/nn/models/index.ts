/** Models by name, as the command line and checkpoints know them. */
import { UsageError } from '../../devices/errors.ts';
import type { Module } from '../module.ts';
import { type CnnOptions, cnn } from './cnn.ts';
import { type MiniResNetOptions, miniResNet } from './mini-resnet.ts';

/** A model to be: its name and options, as plain data. */
export type ModelSpec =
  | { readonly name: 'cnn'; readonly options: CnnOptions }
  | { readonly name: 'mini-resnet'; readonly options: MiniResNetOptions };

export type ModelName = ModelSpec['name'];

export const MODEL_NAMES: readonly ModelName[] = ['cnn', 'mini-resnet'];

/** Builds a model (uninitialised). */
export function buildModel(spec: ModelSpec): Module {
  switch (spec.name) {
    case 'cnn':
      return cnn(spec.options);
    case 'mini-resnet':
      return miniResNet(spec.options);
    default:
      throw new UsageError(`There is no model "${(spec as ModelSpec).name}"; choose one of ${MODEL_NAMES.join(', ')}.`);
  }
}
