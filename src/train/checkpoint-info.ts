/**
 * The plain part of a checkpoint, read as what anybody could have written: its checksum protects from accidents, not from
 * people. Every field is checked for its kind, and the model that it names must be the one whose values the file holds. So
 * a number that asks for terabytes is found before anything is allocated for it.
 */
import type { DatasetKind } from '../data/dataset.ts';
import { showValue } from '../devices/checks.ts';
import { CheckpointError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { sameShape } from '../devices/shape.ts';
import type { SafetensorsFile } from '../interop/safetensors.ts';
import { buildModel, MODEL_NAMES, type ModelName, type ModelSpec } from '../nn/index.ts';
import { ACTIVATION_NAMES } from '../nn/layers/activation.ts';

/** Where a training run stands. */
export interface TrainingPosition {
  readonly epoch: number;
  /** Batches of this epoch that are done. */
  readonly batch: number;
  /** Steps since the start. */
  readonly step: number;
}

/** The data that a checkpoint's model tells apart. How its pixels are normalised is part of the model. */
export interface CheckpointData {
  readonly kind: DatasetKind;
  /** By label. */
  readonly classNames: readonly string[];
  /** [height, width, channels] */
  readonly imageShape: readonly [number, number, number];
  /** What was done to the stored pictures, one sentence each. */
  readonly preparation: readonly string[];
}

/** The plain part of a checkpoint. */
export interface CheckpointInfo {
  readonly model: ModelSpec;
  /** Absent in checkpoints of Fashion-MNIST that are older than other data sets. */
  readonly data?: CheckpointData;
  /** Device and adapter on which it was made. */
  readonly device: string;
  readonly adapter: string;
  readonly seed: number;
  /** The run's options, to resume it. */
  readonly options?: unknown;
  readonly position?: TrainingPosition;
  readonly history?: unknown;
  /** Results known when it was written, e.g. test accuracy. */
  readonly results?: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

/** What a field may be, in words, and whether a value is that. */
type Kind = readonly [words: string, is: (value: unknown) => boolean];

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isSize = (value: unknown): boolean => isCount(value) && value !== 0;
const isNumber = (value: unknown): boolean => Number.isFinite(value);
const listOf =
  (is: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(is);
const oneOf = (words: readonly string[]): Kind => [
  `one of ${words.join(', ')}`,
  value => typeof value === 'string' && words.includes(value),
];

const isText = (value: unknown): boolean => typeof value === 'string';

const TEXT: Kind = ['a text', isText];
const TEXTS: Kind = ['a list of texts', listOf(isText)];
const OBJECT: Kind = ['an object', isFields];
const FLAG: Kind = ['true or false', value => typeof value === 'boolean'];
const COUNT: Kind = ['a whole number of at least 0', isCount];
const SIZE: Kind = ['a whole number of at least 1', isSize];
const SIZES: Kind = ['a list of whole numbers of at least 1', listOf(isSize)];
const COUNTS: Kind = ['a list of whole numbers of at least 0', listOf(isCount)];
const NUMBER: Kind = ['a number', isNumber];
const NUMBERS: Kind = ['a list of numbers', listOf(isNumber)];
const SEED: Kind = ['a whole number from 0 to 4294967295', value => isCount(value) && (value as number) <= 0xffffffff];
const SHARE: Kind = [
  'a number of at least 0 and below 1',
  value => isNumber(value) && (value as number) >= 0 && (value as number) < 1,
];

const IMAGE_SHAPE: Kind = [
  'a list of three whole numbers of at least 1',
  value => SIZES[1](value) && length(value) === 3,
];

const COMMON = { activation: oneOf(ACTIVATION_NAMES), channels: SIZE, classes: SIZE, mean: NUMBERS, std: NUMBERS };
const RESIDUAL = {
  ...COMMON,
  filterSize: SIZE,
  block: oneOf(['basic', 'pre-activation']),
  residual: FLAG,
} satisfies Record<string, Kind>;

/** The options of every model. */
const OPTIONS: Readonly<Record<ModelName, Readonly<Record<string, Kind>>>> = {
  cnn: {
    activation: COMMON.activation,
    classes: SIZE,
    mean: NUMBERS,
    std: NUMBERS,
    imageShape: IMAGE_SHAPE,
    filterSize: ['a whole number of at least 1, or a list of them', value => isSize(value) || SIZES[1](value)],
    widths: SIZES,
    depth: COUNT,
    hidden: SIZE,
    dropout: SHARE,
    seed: SEED,
  },
  'mini-resnet': { ...RESIDUAL, blocks: COUNTS, widths: SIZES, stem: oneOf(['small', 'strided', 'imagenet']) },
  resnet20: RESIDUAL,
  lenet5: {
    ...COMMON,
    pooling: oneOf(['average', 'max']),
    imageSize: ['a list of two whole numbers of at least 1', value => SIZES[1](value) && length(value) === 2],
  },
  mcnn15: COMMON,
};

const length = (value: unknown): number => (value as readonly unknown[]).length;

type Fail = (what: string) => never;

function failing(name: string): Fail {
  return what => {
    throw new CheckpointError(`${plainText(name)} is no checkpoint that can be used: ${what}.`);
  };
}

const shown = (value: unknown): string => plainText(showValue(value));

function check(fields: Fields, prefix: string, kinds: Readonly<Record<string, Kind>>, fail: Fail): void {
  for (const [field, [words, is]] of Object.entries(kinds)) {
    const value = Object.hasOwn(fields, field) ? fields[field] : undefined;
    if (!is(value)) fail(`its ${prefix}${field} is ${shown(value)}, not ${words}`);
  }
}

/**
 * Reads the plain part of a checkpoint.
 * @param name of the file, for messages
 * @throws CheckpointError in one sentence for anything but what `encodeCheckpoint` writes
 */
export function parseCheckpointInfo({ info: text }: Readonly<Record<string, string>>, name: string): CheckpointInfo {
  const fail = failing(name);
  let info: unknown;
  try {
    info = JSON.parse(text);
  } catch {
    fail('its plain part is no JSON');
  }
  if (!isFields(info)) return fail(`its plain part is ${shown(info)}, not an object`);
  check(info, '', { model: OBJECT, device: TEXT, adapter: TEXT, seed: SEED }, fail);
  if (info.position !== undefined) {
    if (!isFields(info.position)) fail(`its position is ${shown(info.position)}, not an object`);
    check(info.position as Fields, 'position.', { epoch: COUNT, batch: COUNT, step: COUNT }, fail);
  }
  if (info.data !== undefined) checkData(info.data, fail);
  checkModelSpec(info.model as Fields, fail);
  return info as unknown as CheckpointInfo;
}

function checkData(data: unknown, fail: Fail): void {
  if (!isFields(data)) fail(`its data is ${shown(data)}, not an object`);
  const kinds = { kind: oneOf(['fashion-mnist', 'other']), classNames: TEXTS, imageShape: IMAGE_SHAPE };
  check(data as Fields, 'data.', { ...kinds, preparation: TEXTS }, fail);
}

/** How many steps the optimizer had done. Throws CheckpointError where the file does not say so. */
export function optimizerStepsOf({ optimizerSteps }: Readonly<Record<string, string>>, name: string): number {
  if (/^\d{1,15}$/.test(optimizerSteps)) return Number(optimizerSteps);
  return failing(name)(`its optimizerSteps is ${shown(optimizerSteps)}, not ${COUNT[0]}`);
}

function checkModelSpec(model: Fields, fail: Fail): void {
  check(model, 'model.', { name: oneOf(MODEL_NAMES), options: OBJECT }, fail);
  const options = model.options as Fields;
  const kinds = OPTIONS[model.name as ModelName];
  const stranger = Object.keys(options).find(option => !Object.hasOwn(kinds, option));
  if (stranger !== undefined) {
    fail(`its model ${model.name} has an option ${shown(stranger)}; there are ${Object.keys(kinds).join(', ')}`);
  }
  const given = Object.entries(kinds).filter(([option]) => options[option] !== undefined);
  check(options, 'model.options.', Object.fromEntries(given), fail);
}

/**
 * Checks that a file holds the values of the model it names, and no others.
 * @param isTrainingState tells arrays that are no model's
 * @throws CheckpointError in one sentence
 */
export function checkDeclaredModel(
  model: ModelSpec,
  tensors: SafetensorsFile['tensors'],
  name: string,
  isTrainingState: (key: string) => boolean,
): void {
  const fail = failing(name);
  // Every layer has a value in the file, so more layers than values are not even built.
  const layers = leastLayers(model);
  if (layers > tensors.size)
    fail(`its model ${model.name} has at least ${layers} layers, and it holds ${tensors.size} arrays`);
  const owned = (() => {
    try {
      const built = buildModel(model);
      return new Map([...built.namedParameters(), ...built.namedBuffers()]);
    } catch (error) {
      return fail(`its model cannot be built: ${plainText((error as Error).message.replace(/\.$/, ''))}`);
    }
  })();
  for (const [key, { shape }] of owned) {
    const found = tensors.get(key);
    if (!found) fail(`its model ${model.name} has a "${key}", and it holds none`);
    else if (!sameShape(found.shape, shape)) {
      fail(
        `the "${key}" of its model ${model.name} is ${showValue(shape)}, and it holds one of ${showValue(found.shape)}`,
      );
    }
  }
  for (const key of tensors.keys()) {
    if (!owned.has(key) && !isTrainingState(key))
      fail(`it holds ${shown(key)}, which its model ${model.name} does not have`);
  }
}

/** Layers that the options of a model ask for, as far as options decide it. */
function leastLayers({ name, options }: ModelSpec): number {
  if (name === 'cnn') return (options.depth ?? 2) * (options.widths?.length ?? 2);
  if (name === 'mini-resnet') return (options.blocks ?? []).reduce((sum, blocks) => sum + blocks, 0);
  return 0;
}

/**
 * The history that a run goes on with.
 * @throws CheckpointError in one sentence where the checkpoint holds something else
 */
export function historyOf({ history }: CheckpointInfo, name: string): unknown {
  const fail = failing(name);
  if (!isFields(history)) return fail(`its history is ${shown(history)}, not an object`);
  const epochs: Kind = ['a list of objects', listOf(isFields)];
  check(history, 'history.', { losses: NUMBERS, epochs, partial: OBJECT }, fail);
  check(history.partial as Fields, 'history.partial.', { loss: NUMBER, hits: NUMBER, seconds: NUMBER }, fail);
  const record = { epoch: COUNT, loss: NUMBER, accuracy: NUMBER, learningRate: NUMBER, seconds: NUMBER };
  (history.epochs as readonly Fields[]).forEach((epoch, i) => {
    check(epoch, `history.epochs[${i}].`, record, fail);
  });
  return history;
}
