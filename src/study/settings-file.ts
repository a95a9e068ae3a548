/**
 * The settings of a study from a file: JSON that names what differs from `smoke`, `quick` or `full`. Everything is checked
 * before a study begins, with one sentence for what is wrong; a mistake found after hours of training would be no help.
 */
import {
  type Check,
  everyOf,
  fraction,
  inRange,
  integerInRange,
  knownOptions,
  nonNegativeInteger,
  oneOf,
  positive,
  positiveInteger,
  refuse,
} from '../devices/checks.ts';
import { UsageError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { JUDGED_NAMES, MEASURE_NAMES, METHOD_NAMES } from '../explain/index.ts';
import { buildModel, scheduleNamed } from '../nn/index.ts';
import { OPTIMIZER_NAMES } from '../train/recipes.ts';
import { FLIPS } from './fit-to-data.ts';
import { firstOf } from './image-selection.ts';
import { type NetworkPlan, SETTINGS_NAMES, type SettingsName, type StudySettings, settingsNamed } from './settings.ts';

type Fields = Readonly<Record<string, Check<any>>>;
type Json = Readonly<Record<string, unknown>>;

const atLeast =
  (from: number): Check<number> =>
  (what, name, value) =>
    integerInRange(what, name, value, { from });

const namesFrom =
  (all: readonly string[]): Check<readonly string[]> =>
  (what, name, values) => {
    everyOf(what, name, values, (_, one, value) => oneOf(what, one, value, all));
    return values.length > 0 ? values : refuse(what, name, values, 'a list that is not empty');
  };

/** Whole numbers, each above the one before. */
const rising =
  (from: number, to = Number.MAX_SAFE_INTEGER): Check<readonly number[]> =>
  (what, name, values) => {
    everyOf(what, name, values, (_, one, value) => integerInRange(what, one, value, { from, to }));
    const isRising = values.length > 0 && values.every((value, i) => i === 0 || value > values[i - 1]);
    return isRising ? values : refuse(what, name, values, 'a list of growing numbers');
  };

const widths: Check<readonly number[]> = (what, name, values) => {
  everyOf(what, name, values, positiveInteger);
  return values.length > 0 ? values : refuse(what, name, values, 'a list that is not empty');
};

/** The parts of a study that are plain numbers and names. */
const PARTS: Readonly<Record<'explore' | 'explain' | 'judge' | 'robustness' | 'tune' | 'audit', Fields>> = {
  explore: {
    components: atLeast(2),
    mapImages: atLeast(11),
    neighbourImages: atLeast(11),
    exaggerationSteps: nonNegativeInteger,
    steps: nonNegativeInteger,
  },
  explain: { methods: namesFrom(METHOD_NAMES), background: positiveInteger, mistakes: positiveInteger },
  judge: {
    images: positiveInteger,
    methods: namesFrom(JUDGED_NAMES),
    measures: namesFrom(MEASURE_NAMES),
    background: positiveInteger,
    training: positiveInteger,
  },
  robustness: { limit: positiveInteger, severities: rising(1, 5) },
  tune: {
    trials: positiveInteger,
    budget: rising(1),
    eta: (what, name, value) => inRange(what, name, value, { above: 1 }),
    images: positiveInteger,
    heldOut: positiveInteger,
    widths,
  },
  audit: { folds: atLeast(2), epochs: positiveInteger, widths, hidden: positiveInteger },
};

const RECIPE: Fields = {
  epochs: positiveInteger,
  batchSize: positiveInteger,
  optimizer: (what, name, value) => oneOf(what, name, value, OPTIMIZER_NAMES),
  learningRate: positive,
  momentum: fraction,
  weightDecay: (what, name, value) => inRange(what, name, value, { from: 0 }),
  schedule: (what, name, value) => {
    if (typeof value !== 'string') refuse(what, name, value, 'the name of a schedule');
    scheduleNamed(value);
    return value;
  },
  warmUp: (what, name, value) => inRange(what, name, value, { from: 0 }),
  smoothing: fraction,
  ema: fraction,
};

const PLAIN: Fields = { limit: positiveInteger, validation: positiveInteger, checkpointEvery: positiveInteger };

const KNOWN = ['from', ...Object.keys(PLAIN), 'cnn', 'miniResnet', ...Object.keys(PARTS)];

/**
 * Reads settings.
 *
 * @param text JSON: `from` (smoke, quick or full; default quick), and what differs from it
 * @param source the file's name, for errors
 * @param name what the settings are called
 * @throws UsageError in one sentence for text that is no JSON, for a name that there is not, and for a value that cannot be
 */
export function parseSettings(text: string, source: string, name: string): StudySettings {
  const file = plainText(source);
  let given: Json;
  try {
    given = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    throw new UsageError(`${file} is no JSON: ${plainText((error as Error).message)}`);
  }
  objectIn(file, 'what the file holds', given);
  knownOptions(file, given, KNOWN);
  const { from = 'quick' } = given;
  oneOf(file, 'from', from as SettingsName, SETTINGS_NAMES);
  const base = settingsNamed(from as SettingsName);
  const settings: Record<string, unknown> = { ...base, name };
  Object.assign(settings, checked(file, '', given, PLAIN));
  for (const [part, fields] of Object.entries(PARTS)) {
    if (given[part] === undefined) continue;
    const own = objectIn(file, part, given[part]);
    knownOptions(`${file}, ${part}`, own, Object.keys(fields));
    const merged: Record<string, unknown> = {
      ...(base[part as keyof typeof PARTS] as object),
      ...checked(file, `${part}.`, own, fields),
    };
    if (typeof merged.images === 'number' && part === 'judge') merged.images = firstOf('test', merged.images);
    settings[part] = merged;
  }
  settings.cnn = planOf(file, 'cnn', base.cnn, given.cnn);
  settings.miniResnet = planOf(file, 'miniResnet', base.miniResnet, given.miniResnet);
  return settings as unknown as StudySettings;
}

/** The values of an object that are given, checked. */
function checked(file: string, prefix: string, given: Json, fields: Fields): Json {
  const found = Object.entries(given).filter(([name]) => Object.hasOwn(fields, name));
  for (const [name, value] of found) fields[name](file, `${prefix}${name}`, value);
  return Object.fromEntries(found);
}

function objectIn(file: string, name: string, value: unknown): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  return refuse(file, name, value, 'an object');
}

/** A network of the study: what differs in its options and in its recipe, and whether training mirrors images. */
function planOf(file: string, part: string, base: NetworkPlan, value: unknown): NetworkPlan {
  if (value === undefined) return base;
  const given = objectIn(file, part, value);
  knownOptions(`${file}, ${part}`, given, ['options', 'recipe', 'flip']);
  const { flip } = given;
  const options = given.options === undefined ? undefined : objectIn(file, `${part}.options`, given.options);
  const { name } = base.model;
  const model = { name, options: { ...base.model.options, ...options } } as NetworkPlan['model'];
  try {
    buildModel(model);
  } catch (error) {
    throw new UsageError(`${file}, ${part}.options: ${plainText((error as Error).message)}`);
  }
  let { recipe } = base;
  if (given.recipe !== undefined) {
    const changes = objectIn(file, `${part}.recipe`, given.recipe);
    knownOptions(`${file}, ${part}.recipe`, changes, Object.keys(RECIPE));
    recipe = { ...recipe, ...checked(file, `${part}.recipe.`, changes, RECIPE) };
  }
  if (flip === undefined) return { model, recipe };
  return { model, recipe, flip: oneOf(file, `${part}.flip`, flip as (typeof FLIPS)[number], FLIPS) };
}
