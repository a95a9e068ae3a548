/**
 * How much of everything a study does: its settings. `quick` fits into a quarter of an hour on two processor cores, `full` trains as the
 * recipes say, `smoke` touches every stage in a minute or two and proves nothing but that they work. Settings are plain
 * data and part of what a stage's stamp remembers: change a number here and the stages it concerns run again.
 */

import type { DatasetKind } from '../data/dataset.ts';
import { JUDGED_NAMES, MEASURE_NAMES, type MeasureName } from '../explain/index.ts';
import type { ExplorationOptions } from '../explore/index.ts';
import type { ModelSpec } from '../nn/index.ts';
import { RECIPES, type Recipe } from '../train/index.ts';
import type { Flip } from './fit-to-data.ts';
import { evenlyOf, firstOf, type ImageSelection } from './image-selection.ts';

export const SETTINGS_NAMES = ['smoke', 'quick', 'full'] as const;
export type SettingsName = (typeof SETTINGS_NAMES)[number];

/** A network and how it is trained. */
export interface NetworkPlan {
  readonly model: ModelSpec;
  readonly recipe: Recipe;
  /** Which images training mirrors. Default: as the recipe says of Fashion-MNIST, none of other data. */
  readonly flip?: Flip;
}

export interface StudySettings {
  /** Of these settings, or of their file. */
  readonly name: string;
  /** Images of each set to use; undefined for all. */
  readonly limit?: number;
  /** Training images held out, at most; of small sets a tenth. */
  readonly validation: number;
  /** Steps between checkpoints within an epoch. */
  readonly checkpointEvery: number;
  readonly explore: Pick<
    ExplorationOptions,
    'components' | 'mapImages' | 'neighbourImages' | 'exaggerationSteps' | 'steps'
  > & { readonly mapImages: number };
  readonly cnn: NetworkPlan;
  readonly miniResnet: NetworkPlan;
  /** Methods by name, training images that SHAP compares with, and mistakes to explain besides an image of every class. */
  readonly explain: {
    readonly methods: readonly string[];
    readonly background: number;
    readonly mistakes: number;
  };
  readonly judge: {
    readonly images: ImageSelection;
    readonly methods: readonly string[];
    readonly measures: readonly MeasureName[];
    readonly background: number;
    readonly training: number;
  };
  /** Test images that are corrupted; undefined for all. */
  readonly robustness: { readonly limit?: number; readonly severities: readonly number[] };
  readonly tune: {
    readonly trials: number;
    readonly budget: readonly number[];
    readonly eta: number;
    readonly images: number;
    readonly heldOut: number;
    readonly widths: readonly number[];
  };
  /** The small network that judges labels: it is trained `folds` times, each time on the images of the other folds. */
  readonly audit: {
    readonly folds: number;
    readonly epochs: number;
    readonly widths: readonly number[];
    readonly hidden: number;
  };
}

/** What a look takes on two processor cores: under 80 seconds of all 60,000 images, and some seconds of a thousand. */
export const EXPLORE_DEFAULTS = { components: 50, mapImages: 10_000, exaggerationSteps: 250, steps: 500 } as const;
export const EXPLORE_SMOKE = { components: 30, mapImages: 300, exaggerationSteps: 100, steps: 150 } as const;

/** Six methods and their baselines by every measure but the planted cue, in about a minute on two processor cores. */
export const JUDGE_LIGHT: StudySettings['judge'] = {
  images: firstOf('test', 32),
  methods: ['grad-cam', 'guided-backprop', 'integrated-gradients', 'deep-shap', 'random-map', 'edge-detector'],
  measures: ['deletion', 'insertion', 'road', 'completeness', 'randomisation', 'randomisation-absolute'],
  background: 16,
  training: 256,
};

/** One or two of every family. */
const SHOWN_METHODS = [
  'grad-cam',
  'guided-backprop',
  'integrated-gradients',
  'deep-shap',
  'kernel-shap',
  'lime',
  'occlusion',
] as const;

const SETTINGS: Readonly<Record<SettingsName, StudySettings>> = {
  smoke: {
    name: 'smoke',
    limit: 1000,
    validation: 5000,
    checkpointEvery: 5,
    explore: EXPLORE_SMOKE,
    cnn: {
      model: { name: 'cnn', options: { widths: [8, 16], hidden: 32 } },
      recipe: { ...RECIPES.cnn, epochs: 3, batchSize: 32 },
    },
    miniResnet: {
      model: { name: 'mini-resnet', options: { widths: [8, 16, 32], stem: 'strided' } },
      recipe: { ...RECIPES.cnn, epochs: 3, batchSize: 32 },
    },
    explain: { methods: ['grad-cam', 'integrated-gradients', 'deep-shap'], background: 10, mistakes: 2 },
    judge: {
      images: firstOf('test', 4),
      methods: ['grad-cam', 'integrated-gradients', 'random-map'],
      measures: ['deletion', 'completeness', 'randomisation'],
      background: 8,
      training: 64,
    },
    robustness: { limit: 200, severities: [1, 3, 5] },
    tune: { trials: 3, budget: [1, 2], eta: 3, images: 400, heldOut: 200, widths: [4, 8, 16] },
    audit: { folds: 2, epochs: 2, widths: [4, 8], hidden: 16 },
  },
  quick: {
    name: 'quick',
    validation: 5000,
    checkpointEvery: 100,
    explore: EXPLORE_DEFAULTS,
    cnn: { model: { name: 'cnn', options: {} }, recipe: { ...RECIPES.cnn, epochs: 5 } },
    // A strided stem takes a quarter of the work at the first stage, so the same minutes hold three times the epochs. The
    // CNN's recipe is the one for few epochs: the residual network's own pays after thirty.
    miniResnet: {
      model: { name: 'mini-resnet', options: { stem: 'strided' } },
      recipe: { ...RECIPES.cnn, epochs: 9 },
    },
    explain: { methods: SHOWN_METHODS, background: 50, mistakes: 4 },
    judge: JUDGE_LIGHT,
    robustness: { limit: 2000, severities: [1, 3, 5] },
    tune: { trials: 12, budget: [2, 6], eta: 3, images: 4000, heldOut: 2000, widths: [8, 16, 32] },
    audit: { folds: 2, epochs: 2, widths: [8, 16], hidden: 32 },
  },
  full: {
    name: 'full',
    validation: 5000,
    checkpointEvery: 100,
    explore: { ...EXPLORE_DEFAULTS, mapImages: 60_000 },
    cnn: { model: { name: 'cnn', options: {} }, recipe: RECIPES.cnn },
    miniResnet: { model: { name: 'mini-resnet', options: {} }, recipe: RECIPES['mini-resnet'] },
    explain: { methods: SHOWN_METHODS, background: 100, mistakes: 8 },
    judge: {
      images: firstOf('test', 100),
      methods: JUDGED_NAMES,
      measures: MEASURE_NAMES,
      background: 50,
      training: 2000,
    },
    robustness: { severities: [1, 2, 3, 4, 5] },
    tune: { trials: 27, budget: [2, 6, 18], eta: 3, images: 10_000, heldOut: 5000, widths: [16, 32, 64] },
    audit: { folds: 5, epochs: 6, widths: [16, 32], hidden: 64 },
  },
};

export const settingsNamed = (name: SettingsName): StudySettings => SETTINGS[name];

/** The settings with at most `limit` images of each set. */
export function withLimit(settings: StudySettings, limit: number | undefined): StudySettings {
  if (limit === undefined || limit >= (settings.limit ?? Number.POSITIVE_INFINITY)) return settings;
  return { ...settings, limit };
}

/**
 * The settings as far as the data goes: no more images than there are. Folders of pictures are read class by class, so of
 * data other than Fashion-MNIST the judged images are not the first ones but lie evenly among all.
 */
export function settingsFor(settings: StudySettings, { kind, train, test }: FittedData): StudySettings {
  const { tune, explore, explain, judge } = settings;
  const part = ({ kind: what, ...rest }: ImageSelection[number]): ImageSelection[number] => {
    if (what !== 'set' || !('split' in rest)) return { kind: what, ...rest } as ImageSelection[number];
    const { count } = rest.split === 'train' ? train : test;
    if (kind === 'other') return evenlyOf(rest.split, Math.min(rest.indices.length, count), count)[0];
    return { kind: what, ...rest, indices: rest.indices.filter(index => index < count) };
  };
  return {
    ...settings,
    explore: { ...explore, mapImages: Math.min(explore.mapImages, train.count) },
    explain: { ...explain, background: Math.min(explain.background, train.count) },
    judge: { ...judge, background: Math.min(judge.background, train.count), images: judge.images.map(part) },
    // Two thirds of what there is, as far as that is less.
    tune: {
      ...tune,
      images: Math.min(tune.images, Math.floor((2 * train.count) / 3)),
      heldOut: Math.min(tune.heldOut, Math.floor(train.count / 3)),
    },
  };
}

/** What settings are fitted to. */
interface FittedData {
  readonly kind: DatasetKind;
  readonly train: { readonly count: number };
  readonly test: { readonly count: number };
}
