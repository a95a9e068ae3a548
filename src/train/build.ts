/** From plain options to a model, an optimizer and its average on a device. */
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import {
  Adam,
  AdamW,
  buildModel,
  ExponentialMovingAverage,
  type ModelSpec,
  type Module,
  type Optimizer,
  SGD,
} from '../nn/index.ts';
import { OPTIMIZER_NAMES, type Recipe } from './recipes.ts';

export interface Trainee {
  readonly model: Module;
  readonly optimizer: Optimizer;
  readonly ema: ExponentialMovingAverage | undefined;
  dispose(): void;
}

/** A freshly initialised model with what its recipe needs to train it. */
export function buildTrainee(spec: ModelSpec, recipe: Recipe, device: Device, seed: number): Trainee {
  const model = buildModel(spec).initialize({ device, seed });
  let optimizer: Optimizer | undefined;
  let ema: ExponentialMovingAverage | undefined;
  try {
    optimizer = buildOptimizer(model, recipe);
    ema = recipe.ema > 0 ? new ExponentialMovingAverage(model, recipe.ema) : undefined;
  } catch (error) {
    optimizer?.dispose();
    model.dispose();
    throw error;
  }
  return trainee(model, optimizer, ema);
}

function trainee(model: Module, optimizer: Optimizer, ema: ExponentialMovingAverage | undefined): Trainee {
  return {
    model,
    optimizer,
    ema,
    dispose() {
      ema?.dispose();
      optimizer.dispose();
      model.dispose();
    },
  };
}

function buildOptimizer(model: Module, recipe: Recipe): Optimizer {
  const { learningRate, weightDecay } = recipe;
  const shared = { learningRate, weightDecay, maxGradientNorm: recipe.maxGradientNorm ?? undefined };
  switch (recipe.optimizer) {
    case 'sgd':
      return new SGD(model, { ...shared, momentum: recipe.momentum, nesterov: recipe.momentum > 0 });
    case 'adam':
      return new Adam(model, shared);
    case 'adamw':
      return new AdamW(model, shared);
    default:
      throw new UsageError(`There is no optimizer "${recipe.optimizer}"; choose one of ${OPTIMIZER_NAMES.join(', ')}.`);
  }
}
