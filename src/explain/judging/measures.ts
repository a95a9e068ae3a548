/** The measures by name: what each one asks, which way is better, and which methods it can say something about. */
import { UsageError } from '../../devices/errors.ts';

export interface Measure {
  /** A few words, for a table's head. */
  readonly title: string;
  /**
   * Which scores are better; `zero`: the nearer to 0; `none`: shown for comparison, nothing is best.
   */
  readonly better: 'lower' | 'higher' | 'zero' | 'none';
  /** What it measures, in one sentence for a reader who has not heard of it. */
  readonly meaning: string;
  /** Runs every method many times over (or on another network), so it may be limited to fewer images. */
  readonly isCostly: boolean;
}

export const MEASURES = {
  deletion: {
    title: 'deletion',
    better: 'lower',
    meaning: "How much of the class's probability is left while the most important pixels are blackened first.",
    isCostly: false,
  },
  insertion: {
    title: 'insertion',
    better: 'higher',
    meaning: "How fast the class's probability comes back while the most important pixels appear first, on black.",
    isCostly: false,
  },
  road: {
    title: 'ROAD',
    better: 'higher',
    meaning:
      'How much more probability remains when the least important pixels are removed than when the most important are, with ' +
      'removed pixels blended into their surroundings; 0 is what guessing gives.',
    isCostly: false,
  },
  infidelity: {
    title: 'infidelity',
    better: 'lower',
    meaning:
      'How badly the map, at its best scale, foretells what noise on the image does to the logit (squared logits).',
    isCostly: false,
  },
  sensitivity: {
    title: 'sensitivity',
    better: 'lower',
    meaning: 'How much the map changes, relative to itself, when the image changes invisibly (0.02 per pixel at most).',
    isCostly: true,
  },
  completeness: {
    title: 'completeness',
    better: 'lower',
    meaning:
      'How far the attributions are from adding up to what the network said, relative to it; only for methods that promise it.',
    isCostly: false,
  },
  randomisation: {
    title: 'randomised network',
    better: 'zero',
    meaning:
      'How alike the maps of the trained network and of the same network with random weights are (rank correlation over the ' +
      'pixels that are not black); 1 means that the map does not depend on what was learned.',
    isCostly: true,
  },
  'randomisation-absolute': {
    title: 'the same, magnitudes, all pixels',
    better: 'none',
    meaning:
      'The same test on magnitudes over all pixels, as often published: shared zeros on black ground pass for agreement.',
    isCostly: true,
  },
  cue: {
    title: 'planted cue',
    better: 'higher',
    meaning: 'The share of the map that lies in a patch which, after some retraining, alone decides the class.',
    isCostly: true,
  },
} satisfies Record<string, Measure>;

export type MeasureName = keyof typeof MEASURES;

export const MEASURE_NAMES = Object.keys(MEASURES) as MeasureName[];

/** The measure called `name`; throws UsageError listing those there are. */
export function measureNamed(name: string): Measure {
  if (Object.hasOwn(MEASURES, name)) return MEASURES[name as MeasureName];
  throw new UsageError(`There is no measure "${name}"; choose from ${MEASURE_NAMES.join(', ')}.`);
}

/** Methods that a measure does not fit, and why. */
export const EXEMPT: Readonly<Partial<Record<MeasureName, Readonly<Record<string, string>>>>> = {
  randomisation: { 'eigen-cam': 'it shows the strongest pattern of a layer, whatever the network was trained for' },
};
