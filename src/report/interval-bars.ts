/**
 * Bars with their uncertainty: a value for every group and series, and the interval it lies in. Bars start at zero, so
 * that their lengths may be compared; whether two differ is read off the intervals.
 */
import * as Plot from '@observablehq/plot';
import { UsageError } from '../devices/errors.ts';
import { type ClassMetrics, wilsonInterval } from '../train/metrics.ts';
import { SERIES_COLORS } from './color.ts';
import { figure, textWidth } from './figure.ts';

/** One bar. */
export interface IntervalBar {
  /** What the bar stands beside others of: a class, a method. */
  group: string;
  /** Which of its group's bars it is; names the colour. */
  series: string;
  value: number;
  /** The interval around the value, where one is known. */
  interval?: readonly [number, number];
}

export interface IntervalBarsOptions {
  title: string;
  valueLabel: string;
  /** The axis; by default from 0 (or the least) to the greatest value. */
  domain?: readonly [number, number];
  note?: string;
  /** How a value is written beside its bar. */
  format?: (value: number) => string;
}

/** Draws horizontal bars, grouped, in the order they are given in. */
export function intervalBars(bars: readonly IntervalBar[], options: IntervalBarsOptions): string {
  if (bars.length === 0) throw new UsageError('A bar chart needs at least one bar.');
  const groups = [...new Set(bars.map(bar => bar.group))];
  const series = [...new Set(bars.map(bar => bar.series))];
  const { format = value => value.toPrecision(3), note, title, valueLabel } = options;
  const ends = bars.flatMap(({ value, interval = [value, value] }) => [value, ...interval]);
  const domain = options.domain ?? [Math.min(0, ...ends), Math.max(0, ...ends)];
  const withInterval = bars.filter(bar => bar.interval !== undefined);
  const marginLeft = Math.ceil(Math.max(...groups.map(textWidth))) + 14;
  const marginRight = Math.ceil(Math.max(...bars.map(({ value }) => textWidth(format(value))))) + 14;
  const rows = { fy: 'group', y: 'series' };
  const panel: Plot.PlotOptions = {
    width: 460,
    height: 52 + groups.length * (10 + 13 * series.length),
    marginLeft,
    marginRight,
    marginTop: 6,
    marginBottom: 38,
    fy: { domain: groups, label: null, padding: 0.22 },
    y: { domain: series, axis: null, padding: 0.12 },
    x: { domain: [...domain], label: valueLabel, labelAnchor: 'center', labelArrow: 'none', ticks: 5, grid: true },
    marks: [
      Plot.axisFy({ anchor: 'left', tickSize: 0, label: null }),
      Plot.barX(bars, { ...rows, x: 'value', fill: bar => colorOf(series, bar.series), fillOpacity: 0.8 }),
      Plot.link(withInterval, {
        ...rows,
        x1: (bar: IntervalBar) => bar.interval![0],
        x2: (bar: IntervalBar) => bar.interval![1],
        y1: 'series',
        y2: 'series',
        stroke: 'currentColor',
        strokeWidth: 1.5,
      }),
      Plot.text(bars, {
        ...rows,
        frameAnchor: 'right',
        textAnchor: 'start',
        dx: 6,
        text: bar => format(bar.value),
        fontSize: 11,
      }),
      Plot.ruleX([0]),
    ],
  };
  const legend = series.map(name => ({ name, color: colorOf(series, name) }));
  return figure({ title, panels: [panel], legend: series.length > 1 ? legend : [], note });
}

function colorOf(series: readonly string[], name: string): string {
  return SERIES_COLORS[series.indexOf(name) % SERIES_COLORS.length];
}

/** Precision and recall of every class with Wilson's 95 % intervals. */
export function perClassChart(
  perClass: readonly ClassMetrics[],
  { title = 'Precision and recall of every class' } = {},
): string {
  const bars = perClass.flatMap(({ name, precision, recall, support, predicted }): IntervalBar[] => [
    { group: name, series: 'precision', value: 100 * precision, interval: percentInterval(precision, predicted) },
    { group: name, series: 'recall', value: 100 * recall, interval: percentInterval(recall, support) },
  ]);
  return intervalBars(bars, {
    title,
    valueLabel: 'share of images (%)',
    domain: [0, 100],
    note: 'Precision: of the images taken for a class, those that are of it. Recall: of its images, those found. Lines: 95 % intervals.',
    format: value => value.toFixed(1),
  });
}

function percentInterval(share: number, images: number): [number, number] | undefined {
  if (images === 0) return undefined;
  const [low, high] = wilsonInterval(Math.round(share * images), images);
  return [100 * low, 100 * high];
}
