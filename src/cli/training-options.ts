/**
 * Options that describe a model and how it is trained, for every command that trains. What is not given comes from the
 * model's own defaults and from the recipe of its name; an option that a model does not have is refused, not ignored.
 */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { showValue } from '../devices/checks.ts';
import { UsageError } from '../devices/errors.ts';
import type { AugmentParams } from '../kernels/image/index.ts';
import {
  ACTIVATION_NAMES,
  type ActivationName,
  MODEL_NAMES,
  type ModelName,
  type ModelSpec,
  SCHEDULE_NAMES,
  STEM_NAMES,
  type Stem,
} from '../nn/index.ts';
import {
  type AffineRange,
  type ClassWeights,
  erasing,
  OPTIMIZER_NAMES,
  type OptimizerName,
  RECIPES,
  type Recipe,
  SAMPLINGS,
  type Sampling,
} from '../train/index.ts';
import { numberAbove, numberBetween, wholeNumber, wholeNumbers } from './options.ts';

export interface ModelOptions {
  readonly model: ModelName;
  readonly widths?: number[];
  readonly depth?: number;
  readonly filterSize?: number[];
  readonly activation?: ActivationName;
  readonly dropout?: number;
  readonly hidden?: number;
  readonly blocks?: number[];
  readonly block?: 'basic' | 'pre-activation';
  readonly stem?: Stem;
  /** Commander makes this true unless --no-residual is given. */
  readonly residual: boolean;
}

export interface RecipeOptions {
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly optimizer?: OptimizerName;
  readonly learningRate?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly schedule?: string;
  readonly warmUp?: number;
  readonly smoothing?: number;
  readonly smoothingEpochs?: number;
  readonly classWeights?: ClassWeights | 'none';
  readonly sampling?: Sampling;
  readonly augment: boolean;
  readonly crop?: number;
  readonly flip?: AugmentParams['flip'];
  readonly erase?: number;
  readonly affine?: AffineRange;
  readonly mixup?: number;
  readonly cutmix?: number;
  readonly ema?: number;
  readonly clip?: number;
  readonly patience?: number;
}

/** Which models have which options. */
const MODELS_WITH: Readonly<Record<Exclude<keyof ModelOptions, 'model'>, readonly ModelName[]>> = {
  widths: ['cnn', 'mini-resnet'],
  depth: ['cnn'],
  filterSize: ['cnn', 'mini-resnet', 'resnet20'],
  activation: MODEL_NAMES,
  dropout: ['cnn'],
  hidden: ['cnn'],
  blocks: ['mini-resnet'],
  block: ['mini-resnet', 'resnet20'],
  stem: ['mini-resnet'],
  residual: ['mini-resnet', 'resnet20'],
};

export function withModelOptions(command: Command): Command {
  return command
    .addOption(new Option('--model <name>', 'architecture').choices([...MODEL_NAMES]).default('cnn'))
    .option('--widths <list>', 'cnn, mini-resnet: channels per block or stage, e.g. 32,64', wholeNumbers(1))
    .option('--depth <n>', 'cnn: convolutions per block', wholeNumber(1, 20))
    .option('--filter-size <n>', 'size of the filters; cnn: also one per block, e.g. 5,3', wholeNumbers(1))
    .addOption(new Option('--activation <name>', 'nonlinearity').choices([...ACTIVATION_NAMES]))
    .option('--dropout <rate>', 'cnn: dropout before the last layer', numberBetween(0, 1))
    .option('--hidden <n>', 'cnn: width of the dense layer', wholeNumber(1))
    .option('--blocks <list>', 'mini-resnet: blocks per stage, e.g. 1,1,1', wholeNumbers(0))
    .addOption(
      new Option('--block <kind>', 'mini-resnet, resnet20: kind of block').choices(['basic', 'pre-activation']),
    )
    .addOption(new Option('--stem <kind>', 'mini-resnet: what comes before the first stage').choices([...STEM_NAMES]))
    .option('--no-residual', 'mini-resnet, resnet20: the plain network without shortcuts');
}

export function withRecipeOptions(command: Command): Command {
  return command
    .option('--epochs <n>', 'passes over the training images', wholeNumber(1))
    .option('--batch-size <n>', 'images per step; what does not fill one is left out of the epoch', wholeNumber(1))
    .addOption(new Option('--optimizer <name>', 'optimizer').choices([...OPTIMIZER_NAMES]))
    .option('--learning-rate <x>', 'peak learning rate', numberBetween(0, 100))
    .option('--momentum <x>', 'momentum of sgd (Nesterov)', numberBetween(0, 1))
    .option('--weight-decay <x>', 'weight decay of filters and matrices', numberBetween(0, 10))
    .addOption(new Option('--schedule <name>', 'course of the learning rate').choices(SCHEDULE_NAMES))
    .option('--warm-up <epochs>', 'let the learning rate rise from zero first', numberBetween(0, 1000))
    .option('--smoothing <x>', 'label smoothing', numberBetween(0, 1))
    .option('--smoothing-epochs <n>', 'end label smoothing after so many epochs', wholeNumber(0))
    .option(
      '--class-weights <which>',
      'what each class counts in the loss: none, balanced (alike, however many images it has), a list by label, e.g. 1,10, or a file with one',
      classWeights,
    )
    .addOption(
      new Option(
        '--sampling <how>',
        'balanced: every epoch sees equally many images of each class; shuffled (default): each image once',
      ).choices([...SAMPLINGS]),
    )
    .option('--no-augment', 'train on the images as they are')
    .option('--crop <pixels>', 'shift images by up to so many pixels', wholeNumber(0))
    .addOption(
      new Option(
        '--flip <how>',
        'mirror images left to right (default: none; of Fashion-MNIST what the recipe of the model says)',
      ).choices(['none', 'random', 'alternating']),
    )
    .option('--erase <probability>', 'erase a random rectangle of an image', numberBetween(0, 1))
    .option('--affine <degrees,scale,shear>', 'turn, scale and slant images by up to, e.g., 10,0.1,5', affineRange)
    .option('--mixup <alpha>', 'blend images in pairs', numberBetween(0, 100))
    .option('--cutmix <alpha>', 'paste rectangles of other images', numberBetween(0, 100))
    .option('--ema <decay>', 'average the parameters with this decay', numberBetween(0, 1))
    .option('--clip <norm>', 'scale gradients down to this norm', numberAbove(0, 1e9))
    .option('--patience <epochs>', 'stop when validation has not improved for so long', wholeNumber(1));
}

/** none, balanced, numbers separated by commas, or a file with numbers: as JSON or anyhow apart, `#` begins a comment. */
function classWeights(text: string): ClassWeights | 'none' {
  if (text === 'none' || text === 'balanced') return text;
  const isList = /^[-+.\deE,\s]*\d[-+.\deE,\s]*$/.test(text);
  const given = isList ? text : contentsOf(text);
  const words = given
    .replace(/#.*$/gm, '')
    .replace(/^\ufeff?\s*\[([^[\]]*)\]\s*$/, '$1')
    .split(/[,\s]+/)
    .filter(word => word !== '');
  const weights = words.map(Number);
  const wrong = weights.findIndex(weight => !(weight > 0 && weight < Number.POSITIVE_INFINITY));
  if (wrong >= 0) {
    throw new InvalidArgumentError(
      `The weight of class ${wrong} must be a number above 0, not ${showValue(words[wrong])}.`,
    );
  }
  if (weights.length === 0) throw new InvalidArgumentError('There are no numbers.');
  return weights;
}

function contentsOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidArgumentError(`It must be none, balanced, numbers such as 1,10, or a file with them (${code}).`);
  }
}

function affineRange(text: string): AffineRange {
  const [degrees, scale, shear, ...more] = text.split(',').map(Number);
  if (!(degrees >= 0 && degrees <= 180 && scale >= 0 && scale < 1 && shear >= 0 && shear < 80) || more.length > 0) {
    throw new InvalidArgumentError('It must be degrees, relative scale below 1 and degrees of shear, e.g. 10,0.1,5.');
  }
  return { degrees, scale, shear };
}

/** Leaves out what was not given, so that the defaults apply. */
function given<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** The options of architecture besides --model that were given, as one types them, with the models that have them. */
export function givenModelOptions(options: ModelOptions): { flag: string; models: readonly ModelName[] }[] {
  const all = Object.entries(MODELS_WITH) as [keyof typeof MODELS_WITH, readonly ModelName[]][];
  return all
    .filter(([option]) => (option === 'residual' ? !options.residual : options[option] !== undefined))
    .map(([option, models]) => {
      const name = option === 'residual' ? 'no-residual' : option;
      return { flag: `--${name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`, models };
    });
}

/**
 * The model that the options describe.
 * @throws UsageError for an option that this model does not have
 */
export function modelSpecOf(options: ModelOptions & { readonly seed: number }): ModelSpec {
  const { model: name, seed, filterSize, residual } = options;
  for (const { flag, models } of givenModelOptions(options)) {
    if (!models.includes(name)) {
      throw new UsageError(`The model ${name} has no ${flag}; that is for ${models.join(', ')}.`);
    }
  }
  const { widths, depth, activation, dropout, hidden, blocks, block, stem } = options;
  switch (name) {
    case 'cnn': {
      const sizes = filterSize?.length === 1 ? filterSize[0] : filterSize;
      return { name, options: given({ widths, depth, filterSize: sizes, activation, dropout, hidden, seed }) };
    }
    case 'mini-resnet':
    case 'resnet20': {
      if (filterSize && filterSize.length > 1) throw new UsageError(`The model ${name} has filters of one size.`);
      // Absent unless wanted: the options are part of the checkpoint's identity.
      const plain = residual ? undefined : false;
      const shared = { filterSize: filterSize?.[0], activation, block, residual: plain };
      return name === 'resnet20'
        ? { name, options: given(shared) }
        : { name, options: given({ ...shared, widths, blocks, stem }) };
    }
    default:
      return { name, options: given({ activation }) };
  }
}

/** The recipe of a model's name, with what the options change. */
export function recipeOf(options: RecipeOptions & { readonly model: ModelName }): Recipe {
  const { epochs, batchSize, optimizer, learningRate, momentum, weightDecay, schedule, warmUp, smoothing } = options;
  const { smoothingEpochs, affine, mixup, cutmix, ema, clip, patience } = options;
  const recipe = RECIPES[options.model];
  // Absent unless wanted: a recipe is part of its run's identity.
  const classWeights = options.classWeights === 'none' ? undefined : options.classWeights;
  const sampling = options.sampling === 'shuffled' ? undefined : options.sampling;
  if (classWeights === 'balanced' && sampling === 'balanced') {
    throw new UsageError(
      '--class-weights balanced and --sampling balanced both make classes count alike; together they favour the small ones.',
    );
  }
  return {
    ...recipe,
    ...given({ epochs, batchSize, optimizer, learningRate, momentum, weightDecay, schedule, warmUp, smoothing }),
    ...given({ smoothingEpochs, classWeights, sampling, affine, mixup, cutmix, ema, patience, maxGradientNorm: clip }),
    augmentation: augmentationOf(options, recipe),
    ...(options.augment ? {} : { affine: null, mixup: 0, cutmix: 0 }),
  };
}

function augmentationOf({ augment, crop, flip, erase }: RecipeOptions, recipe: Recipe): AugmentParams | null {
  if (!augment) return null;
  const { augmentation = null } = recipe;
  if (crop === undefined && flip === undefined && erase === undefined) return augmentation;
  const before = augmentation ?? { crop: 0, flip: 'none', erase: null };
  return {
    crop: crop ?? before.crop,
    flip: flip ?? before.flip,
    erase: erase === undefined ? before.erase : erase === 0 ? null : erasing(erase),
  };
}
