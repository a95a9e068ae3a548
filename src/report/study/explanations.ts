/**
 * The chapter that judges explanations: which methods say something true about the network, by several measures, beside
 * two that know nothing of it. Figures and sentences are made from the same numbers; a sentence claims a difference only
 * where the interval of the difference leaves out zero.
 */
import {
  type Estimate,
  intervalText,
  type JudgedMeasure,
  type Judgement,
  type MeasureName,
  type MethodScore,
} from '../../explain/index.ts';
import type { JudgeResult } from '../../study/results.ts';
import { heatTable } from '../heat-table.ts';
import type { Block, Section } from '../html.ts';
import { type IntervalBar, intervalBars } from '../interval-bars.ts';
import { counted, type FigureSource, percent, shown, whole } from './chapter.ts';

/** Correlation with the maps of a random network below which a method passes. */
export const RANDOMISATION_LIMIT = 0.2;

const ADVANTAGE = 'judging-advantage.svg';
const RANDOMISED = 'judging-randomised.svg';
const CUE = 'judging-cue.svg';
const AGREEMENT = 'judging-agreement.svg';

/** Measures in units of probability, which may share an axis. */
const PROBABILITY_MEASURES: readonly MeasureName[] = ['deletion', 'insertion', 'road'];

const measureOf = ({ measures }: Judgement, name: MeasureName): JudgedMeasure | undefined =>
  measures.find(measure => measure.name === name);
const isBaseline = ({ methods }: Judgement, name: string): boolean =>
  methods.some(method => method.name === name && method.isBaseline);

/** Charts of a judgement by file name; only of what was measured. */
export function judgementFigures(result: Judgement): Record<string, string> {
  const figures: Record<string, string> = {};
  const advantages = PROBABILITY_MEASURES.flatMap(name => advantageBars(measureOf(result, name)));
  if (advantages.length > 0) {
    figures[ADVANTAGE] = intervalBars(advantages, {
      title: 'Better than a random map?',
      valueLabel: 'advantage over a random map (probability); right is better',
      format: value => value.toFixed(3),
      note: 'Lines: 95 % intervals of the paired difference. Deletion is turned round, so that longer is better everywhere.',
    });
  }
  const randomised = barsOf(measureOf(result, 'randomisation'));
  if (randomised.length > 0) {
    figures[RANDOMISED] = intervalBars(randomised, {
      title: 'What is left of a map when the network forgets everything',
      valueLabel: 'rank correlation with the maps of a random network',
      format: value => value.toFixed(2),
      note: `Lines: 95 % intervals over images. Below ${RANDOMISATION_LIMIT} a map depends on what was learned; 1 is a picture of the image alone.`,
    });
  }
  const cue = barsOf(measureOf(result, 'cue'), share => 100 * share);
  if (cue.length > 0 && result.cue) {
    figures[CUE] = intervalBars(cue, {
      title: 'How much of a map lies where the answer is known to be',
      valueLabel: 'share inside the planted patch (%)',
      domain: [0, 100],
      format: value => value.toFixed(0),
      note: `A map that is the same everywhere would have ${percent(result.cue.area, 1)} inside. Lines: 95 % intervals over images.`,
    });
  }
  const names = result.methods.map(({ name }) => name);
  if (names.length > 1) {
    figures[AGREEMENT] = heatTable(
      names.flatMap((row, i) =>
        names.map((column, j) => ({ row, column, value: result.agreement[i][j] ?? Number.NaN })),
      ),
      {
        title: 'Which methods see the same',
        domain: [0, 1],
        format: value => value.toFixed(2),
        note: 'Mean rank correlation of two methods over the pixels of each image that are not black: 1 the same order, 0 nothing in common, below 0 the reverse.',
      },
    );
  }
  return figures;
}

function barsOf(measure: JudgedMeasure | undefined, scale = (value: number) => value): IntervalBar[] {
  return (measure?.scores ?? []).flatMap(({ method, estimate }) =>
    estimate === null
      ? []
      : [
          {
            group: method,
            series: measure!.title,
            value: scale(estimate.mean),
            interval: endsOf(estimate, scale),
          },
        ],
  );
}

/** The ends of an interval in ascending order; undefined where there is none. */
function endsOf({ low, high }: Estimate, scale: (value: number) => number): readonly [number, number] | undefined {
  if (low === null || high === null) return undefined;
  const ends = [scale(low), scale(high)];
  return [Math.min(...ends), Math.max(...ends)];
}

function advantageBars(measure: JudgedMeasure | undefined): IntervalBar[] {
  if (!measure) return [];
  const sign = measure.better === 'lower' ? -1 : 1;
  return measure.scores.flatMap(({ method, versusRandom }) => {
    if (versusRandom === null) return [];
    const interval = endsOf(versusRandom, value => sign * value);
    return [{ group: method, series: measure.title, value: sign * versusRandom.mean, interval }];
  });
}

/** The chapter of a `JudgeResult`. */
export function explanationsSection(result: JudgeResult, figure: FigureSource): Section {
  const names = result.methods.map(({ name }) => name);
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `A picture of what a network looks at is easily made and easily wrong. ${counted(names.length, 'method')} explain the decisions ` +
        `of ${result.model} on ${whole(result.images)} images, and are judged by what happens to the network when the pixels that they ` +
        `call important go, come, or are disturbed. ${baselineSentence(result)}` +
        (result.missing.length > 0 ? ` Not reached: ${result.missing.join(', ')}.` : ''),
    },
    ...tableBlocks(result),
  ];
  const has = (file: string): boolean => result.figures.includes(file);
  if (has(ADVANTAGE)) blocks.push(shown(figure, ADVANTAGE, advantageSentence(result)));
  if (has(RANDOMISED)) blocks.push(shown(figure, RANDOMISED, randomisationSentence(result)));
  if (has(CUE)) blocks.push(shown(figure, CUE, cueSentence(result)));
  if (has(AGREEMENT)) blocks.push(shown(figure, AGREEMENT, agreementSentence(result)));
  return { title: 'Can the explanations be trusted?', blocks };
}

const MARKS = { best: ' ★', tied: ' ☆' } as const;

function tableBlocks({ measures, methods }: JudgeResult): Block[] {
  if (measures.length === 0) return [];
  return [
    {
      kind: 'table',
      caption:
        'Means with 95 % intervals over images. ★ the best of the methods, ☆ not to be told from it on these images; ' +
        'baselines do not compete.',
      columns: ['method', ...measures.map(({ title, better }) => `${title}${ARROWS[better]}`), 'seconds'],
      rows: methods.map(({ name, seconds }, m) => [
        name,
        ...measures.map(({ scores }) => cellOf(scores[m])),
        seconds.toFixed(1),
      ]),
    },
    {
      kind: 'table',
      caption: 'What the columns measure',
      columns: ['measure', 'images', 'meaning'],
      rows: measures.map(({ title, images, meaning }) => [title, images, meaning]),
    },
  ];
}

const ARROWS = { lower: ' (less is better)', higher: ' (more is better)', zero: ' (0 is best)', none: '' } as const;

function cellOf({ estimate, rank, exempt }: MethodScore): string {
  if (estimate === null) return '–';
  return `${number(estimate.mean)} (${intervalText(estimate, number)})${rank ? MARKS[rank] : ''}${exempt ? ' exempt' : ''}`;
}

/** What the pseudo-methods are, as far as they were judged. */
function baselineSentence({ methods }: JudgeResult): string {
  const known: Readonly<Record<string, string>> = {
    'random-map': 'random numbers',
    'edge-detector': 'the edges of the image',
  };
  const named = methods.filter(({ isBaseline }) => isBaseline).map(({ name }) => known[name] ?? name);
  const [who, are] = named.length === 1 ? ['One of them knows', 'is'] : [`${named.length} of them know`, 'are'];
  return `${who} nothing of the network and ${are} there for comparison: ${enumeration(named)}.`;
}

/** Three digits; small ones as 1.2e-6. */
export function number(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) < 0.001) return value.toExponential(1);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** "a", "a and b", "a, b and c" */
function enumeration(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}

const isAbove = ({ low }: Estimate): boolean => low !== null && low > 0;
const isBelow = ({ high }: Estimate): boolean => high !== null && high < 0;

function advantageSentence(result: JudgeResult): string {
  const measured = PROBABILITY_MEASURES.flatMap(name => measureOf(result, name) ?? []);
  const beats = ({ better }: JudgedMeasure, { versusRandom }: MethodScore): boolean =>
    versusRandom !== null && (better === 'lower' ? isBelow : isAbove)(versusRandom);
  const real = result.methods.filter(({ isBaseline }) => !isBaseline).map(({ name }) => name);
  const always = real.filter(method =>
    measured.every(measure => measure.scores.some(score => score.method === method && beats(measure, score))),
  );
  const failing = real.filter(method => !always.includes(method));
  const best = measured.map(({ title, scores }) => {
    const leader = scores.find(({ rank }) => rank === 'best');
    const tied = scores.filter(({ rank }) => rank === 'tied').map(({ method }) => method);
    return `by ${title} ${leader?.method ?? 'none'}${tied.length > 0 ? ` (not to be told from it: ${enumeration(tied)})` : ''}`;
  });
  return (
    'What a map gains over random numbers when pixels are removed or shown in its order. ' +
    (always.length > 0
      ? `${enumeration(always)} beat${always.length === 1 ? 's' : ''} them by every measure here. `
      : '') +
    (failing.length > 0 ? `Not certain by every measure: ${enumeration(failing)}. ` : '') +
    `The best are, ${best.join('; ')}. Removing pixels makes images that the network never saw, which deletion and insertion ` +
    'suffer from most; a lead in one of these measures alone is weak evidence.'
  );
}

function randomisationSentence(result: JudgeResult): string {
  const { scores, images } = measureOf(result, 'randomisation')!;
  const judged = scores.filter(score => score.estimate !== null && !isBaseline(result, score.method) && !score.exempt);
  const passes = ({ estimate }: MethodScore): boolean => Math.abs(estimate!.mean) < RANDOMISATION_LIMIT;
  const [good, bad] = [judged.filter(passes), judged.filter(score => !passes(score))];
  const exempt = scores.filter(score => score.exempt);
  const absolute = measureOf(result, 'randomisation-absolute')?.scores ?? [];
  const misled = good.filter(({ method }) => {
    const other = absolute.find(score => score.method === method)?.estimate;
    return other && other.mean > 0.5;
  });
  return (
    `The maps of ${whole(images)} images, compared with those of the same network with all weights drawn anew. ` +
    (good.length > 0
      ? `${enumeration(good.map(({ method }) => method))} depend${good.length === 1 ? 's' : ''} on what was learned. `
      : '') +
    (bad.length > 0
      ? `${enumeration(bad.map(({ method, estimate }) => `${method} (${estimate!.mean.toFixed(2)})`))} hardly change${bad.length === 1 ? 's' : ''}: such a picture ` +
        'would look convincing for a network that knows nothing. '
      : '') +
    (exempt.length > 0
      ? `${enumeration(exempt.map(({ method }) => method))} cannot be judged so: ${exempt[0].exempt}. `
      : '') +
    (misled.length > 0
      ? `The variant with magnitudes over all pixels would have accused ${enumeration(misled.map(({ method }) => method))}, only because their ` +
        'maps are zero on black ground both times. '
      : '') +
    'Passing says that a map depends on the network, not that it is right.'
  );
}

function cueSentence(result: JudgeResult): string {
  const { accuracy, area, steps } = result.cue!;
  const { scores } = measureOf(result, 'cue')!;
  const judged = scores.filter(score => score.estimate !== null && !isBaseline(result, score.method));
  const most = judged.filter(({ estimate }) => estimate!.mean >= 0.8).map(({ method }) => method);
  return (
    `Every image got a patch (${percent(area, 1)} of the area) whose pattern alone decides the class, and the network was retrained on ` +
    `that for ${counted(steps, 'step')}, after which it reads the patch on ${percent(accuracy, 0)} of the images. ` +
    (accuracy < 0.99 ? 'It has not learned it fully, so less than everything inside is no fault of a method. ' : '') +
    (most.length > 0
      ? `${enumeration(most)} put${most.length === 1 ? 's' : ''} at least 80 % of the map there. `
      : 'No method puts 80 % there. ') +
    'Coarse maps spill over the edge of a small patch, so class activation maps look worse here than on whole images.'
  );
}

function agreementSentence({ methods, agreement }: JudgeResult): string {
  const pairs = methods.flatMap(({ name, isBaseline }, i) =>
    methods.slice(0, i).flatMap((other, j) => {
      const value = agreement[i][j];
      return isBaseline || other.isBaseline || value === null ? [] : [{ pair: `${other.name} and ${name}`, value }];
    }),
  );
  const sorted = pairs.sort((a, b) => b.value - a.value);
  return (
    'How alike the methods order the pixels that are not black. ' +
    (sorted.length > 0 ? `Most alike are ${sorted[0].pair} (${sorted[0].value.toFixed(2)})` : '') +
    (sorted.length > 1
      ? `, least ${sorted[sorted.length - 1].pair} (${sorted[sorted.length - 1].value.toFixed(2)})`
      : '') +
    (sorted.length > 0 ? '. ' : '') +
    'Methods that agree may share a mistake; methods that disagree cannot both be read as the reason for a decision.'
  );
}
