/**
 * The chapter on tuning: every trial, what each option did, and how much of that may be luck. The charts show the trials
 * themselves beside the means: with a handful of trials to an option, a mean without its scatter would look like a law.
 */
import * as Plot from '@observablehq/plot';
import type { TuneResult } from '../../study/results.ts';
import { type OptionEffect, optionOf, ranking, type Trial } from '../../train/tune.ts';
import { BLUE, ORANGE } from '../color.ts';
import { figure } from '../figure.ts';
import type { Block, Section } from '../html.ts';
import { counted, duration, type FigureSource, percent, shown, whole } from './chapter.ts';

const EFFECTS = 'effects.svg';
const LADDER = 'ladder.svg';

/** The charts of a search by file name; none of a search in which every trial failed. */
export function tuningFigures(result: TuneResult): Record<string, string> {
  const isAlive = ({ attempts }: Trial): boolean => attempts[0].accuracy !== null;
  if (!result.trials.some(isAlive)) return {};
  return { [EFFECTS]: effectsChart(result), [LADDER]: ladderChart(result) };
}

/** For every dimension a panel: each option a row, its trials as dots, their mean as a line, one standard deviation around. */
function effectsChart({ space, trials, effects, halving, unit }: TuneResult): string {
  const accuracies = trials.flatMap(({ attempts: [{ accuracy }] }) => (accuracy === null ? [] : [100 * accuracy]));
  const [least, greatest] = [Math.min(...accuracies), Math.max(...accuracies)];
  const room = Math.max(1, 0.06 * (greatest - least));
  const domain = [Math.max(0, least - room), Math.min(100, greatest + room)];
  const panels = space.map((dimension, index): Plot.PlotOptions => {
    const { name } = dimension;
    const own = effects.filter(effect => effect.dimension === name);
    const dots = trials.flatMap(trial => {
      const [{ accuracy }] = trial.attempts;
      return accuracy === null ? [] : [{ option: optionOf(dimension, trial.choice[name]), accuracy: 100 * accuracy }];
    });
    const measured = own.filter(({ mean }) => mean !== null);
    const isLast = index === space.length - 1;
    return {
      width: 460,
      height: 34 + 26 * own.length + (isLast ? 34 : 4),
      marginLeft: 112,
      marginRight: 14,
      marginTop: 26,
      marginBottom: isLast ? 36 : 4,
      x: { domain, grid: true, ticks: 6, ...(isLast ? { label: 'held-out accuracy (%)' } : { axis: null }) },
      y: { domain: own.map(({ option }) => option), label: name, labelAnchor: 'top', labelArrow: 'none', tickSize: 0 },
      marks: [
        Plot.link(
          measured.filter(({ spread }) => spread !== null),
          {
            x1: ({ mean, spread }: OptionEffect) => 100 * (mean! - spread!),
            x2: ({ mean, spread }: OptionEffect) => 100 * (mean! + spread!),
            y1: 'option',
            y2: 'option',
            stroke: BLUE,
            strokeWidth: 7,
            strokeOpacity: 0.25,
            clip: true,
          },
        ),
        Plot.tickX(measured, { x: ({ mean }: OptionEffect) => 100 * mean!, y: 'option', stroke: BLUE, strokeWidth: 3 }),
        Plot.dot(dots, { x: 'accuracy', y: 'option', fill: ORANGE, fillOpacity: 0.75, r: 3.2 }),
      ],
    };
  });
  return figure({
    title: 'What each option did',
    panels,
    legend: [
      { name: 'a trial', color: ORANGE },
      { name: 'mean, and one standard deviation', color: BLUE },
    ],
    note: `All trials after ${counted(halving.budgets[0], unit)}.`,
  });
}

/** Accuracy over the budget: every trial a line as far as it got. */
function ladderChart({ trials, best, halving, unit }: TuneResult): string {
  const points = trials.flatMap(({ id, attempts }) =>
    attempts.flatMap(({ budget, accuracy }) => (accuracy === null ? [] : [{ id, budget, accuracy: 100 * accuracy }])),
  );
  const own = points.filter(({ id }) => id === best);
  const others = points.filter(({ id }) => id !== best);
  const place = { x: 'budget', y: 'accuracy' };
  const panel: Plot.PlotOptions = {
    width: 460,
    height: 260,
    marginLeft: 46,
    marginRight: 14,
    marginTop: 26,
    marginBottom: 36,
    x: { type: 'log', ticks: [...halving.budgets], tickFormat: 'd', label: `${unit}s` },
    y: { grid: true, nice: true, ticks: 5, label: 'held-out accuracy (%)' },
    marks: [
      Plot.line(others, { ...place, z: 'id', stroke: 'currentColor', strokeOpacity: 0.3 }),
      Plot.dot(others, { ...place, fill: 'currentColor', fillOpacity: 0.45, r: 2.6 }),
      Plot.line(own, { ...place, stroke: BLUE, strokeWidth: 2.5 }),
      Plot.dot(own, { ...place, fill: BLUE, r: 3.6 }),
    ],
  };
  return figure({
    title: 'Who went on',
    panels: [panel],
    legend: [
      { name: 'the best in the end', color: BLUE },
      { name: 'others', color: '#8a8d91' },
    ],
  });
}

/** How the rounds follow each other. */
function goingOn({ budgets, eta }: TuneResult['halving'], unit: string): string {
  const [first, ...later] = budgets.map(budget => counted(budget, unit));
  if (later.length === 0) return `Each was trained for ${first}.`;
  return `After ${first} one in ${eta} went on, from a fresh start, to ${later.join(', then ')}.`;
}

/** The chapter of a search. */
export function tuningSection(result: TuneResult, read: FigureSource): Section {
  const { trials, halving, unit, heldOutImages, trainImages, model, best, seconds } = result;
  const winner = trials.find(({ id }) => id === best);
  const last = winner?.attempts.at(-1);
  const failed = trials.filter(({ attempts }) => attempts.at(-1)!.accuracy === null).length;
  // Binomial standard error of an accuracy near the middle of those seen.
  const typical = winner?.attempts[0].accuracy ?? 0.5;
  const luck = Math.sqrt((typical * (1 - typical)) / heldOutImages);
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `Before trusting the options of a network one may ask what they do. ${trials.length} small variants of ${model} were drawn at ` +
        `random (every option equally often) and trained on ${whole(trainImages)} training images; ${whole(heldOutImages)} other ` +
        `training images judged them. ${goingOn(halving, unit)} The test images took no part.`,
    },
    {
      kind: 'facts',
      facts: [
        {
          name: 'Combinations tried',
          value: trials.length,
          detail: failed > 0 ? `${failed} failed` : duration(seconds),
        },
        ...(last
          ? [
              {
                name: 'Best, held-out accuracy',
                value: percent(last.accuracy!),
                detail: `after ${counted(last.budget, unit)}`,
              },
            ]
          : []),
        {
          name: 'Luck of the draw',
          value: `± ${(100 * luck).toFixed(1)}`,
          detail: 'points: standard error of one accuracy',
        },
      ],
    },
  ];
  if (winner) blocks.push(...effectBlocks(result, read));
  blocks.push(trialTable(result));
  return { title: 'Tuning: what the options do', blocks };
}

/** What each option did, and how the trials fared as their training grew. */
function effectBlocks({ halving, unit, effects }: TuneResult, read: FigureSource): Block[] {
  return [
    shown(
      read,
      EFFECTS,
      'Every dot is a trial, every line the mean of those with one option. Options whose bands overlap cannot be told apart by so ' +
        'few trials; where one option stands clear of the others, it mattered at this size and length of training. It does not ' +
        'follow that it matters as much in a larger network.',
    ),
    shown(
      read,
      LADDER,
      'Accuracy of each trial as its training grew. Lines that cross are a warning: what leads after a short training need not lead ' +
        'after a long one, which is the price of stopping trials early.',
    ),
    {
      kind: 'table',
      caption: `What each option did: held-out accuracy after ${counted(halving.budgets[0], unit)}, over all trials that have it`,
      columns: ['option of', 'option', 'trials', 'mean (%)', 'sd', 'least', 'greatest'],
      rows: effects.map(({ dimension, option, trials: count, mean, spread, least, greatest }) => [
        dimension,
        option,
        count,
        ...[mean, spread, least, greatest].map(share => (share === null ? '–' : (100 * share).toFixed(1))),
      ]),
    },
  ];
}

function trialTable({ space, halving, unit, trials }: TuneResult): Block {
  return {
    kind: 'table',
    caption: 'Every trial, the best first: held-out accuracy (%) after each round',
    columns: [...space.map(({ name }) => name), ...halving.budgets.map(budget => counted(budget, unit)), 'seconds'],
    rows: ranking(trials).map(({ choice, attempts }) => [
      ...space.map(({ name }) => String(choice[name])),
      ...halving.budgets.map((_, rung) => {
        const attempt = attempts[rung];
        if (!attempt) return '–';
        return attempt.accuracy === null ? 'failed' : (100 * attempt.accuracy).toFixed(1);
      }),
      attempts.reduce((sum, attempt) => sum + attempt.seconds, 0).toFixed(1),
    ]),
  };
}
