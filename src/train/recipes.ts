/** How each model is trained unless told otherwise: the options that reached the accuracies in the README. */
import type { AugmentParams } from '../kernels/image/index.ts';
import type { ModelName } from '../nn/index.ts';

export type OptimizerName = 'sgd' | 'adam' | 'adamw';

export const OPTIMIZER_NAMES: readonly OptimizerName[] = ['sgd', 'adam', 'adamw'];

export interface Recipe {
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: OptimizerName;
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly schedule: string;
  readonly smoothing: number;
  readonly augmentation: AugmentParams | null;
  /** Decay of the averaged parameters; 0 for none. */
  readonly ema: number;
  readonly maxGradientNorm: number | null;
}

/** Mirrored or not, moved by up to two pixels: garments keep their meaning. */
export const LIGHT_AUGMENTATION: AugmentParams = { crop: 2, flip: 'random', erase: null };

const BASE: Recipe = {
  epochs: 12,
  batchSize: 128,
  optimizer: 'sgd',
  learningRate: 0.1,
  momentum: 0.9,
  weightDecay: 5e-4,
  schedule: 'one-cycle',
  smoothing: 0.1,
  augmentation: LIGHT_AUGMENTATION,
  ema: 0,
  maxGradientNorm: null,
};

export const RECIPES: Readonly<Record<ModelName, Recipe>> = {
  cnn: BASE,
  'mini-resnet': { ...BASE, epochs: 30 },
};
