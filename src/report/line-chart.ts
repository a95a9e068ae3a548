/**
 * Lines over a common axis, for whatever a study measures along one: gradient norms by layer, accuracy by severity,
 * deletion curves. Every series is told apart by its colour and by the shape of its dots.
 */
import * as Plot from '@observablehq/plot';
import { UsageError } from '../devices/errors.ts';
import { SERIES_COLORS } from './color.ts';
import { figure } from './figure.ts';

export interface Series {
  name: string;
  /** Points in the order they are joined in; one that is not finite leaves a gap. */
  points: readonly { x: number; y: number /** Interval around y. */; interval?: readonly [number, number] }[];
}

export interface LineChartOptions {
  title: string;
  xLabel: string;
  yLabel: string;
  xScale?: 'linear' | 'log';
  yScale?: 'linear' | 'log';
  xDomain?: readonly [number, number];
  yDomain?: readonly [number, number];
  note?: string;
}

const SYMBOLS = ['circle', 'square', 'triangle', 'diamond', 'cross', 'star', 'wye'] as const;
const MOST_DOTS = 40;

/**
 * Draws each series as a line, with a band where its points have intervals.
 *
 * @throws UsageError when no series has a finite point, or a logarithmic axis meets a value that is not positive
 */
export function lineChart(series: readonly Series[], options: LineChartOptions): string {
  const { title, xLabel, yLabel, xScale = 'linear', yScale = 'linear', note } = options;
  const isFinitePoint = ({ x, y }: { x: number; y: number }): boolean => Number.isFinite(x) && Number.isFinite(y);
  const finite = series.flatMap(({ points }) => points.filter(isFinitePoint));
  if (finite.length === 0) throw new UsageError(`The chart "${title}" has no finite point to draw.`);
  for (const [axis, scale] of [
    ['x', xScale],
    ['y', yScale],
  ] as const) {
    const least = Math.min(...finite.map(point => point[axis]));
    if (scale === 'log' && least <= 0)
      throw new UsageError(`The chart "${title}" has a logarithmic axis and a value of ${least}.`);
  }
  const axis = (label: string, type: 'linear' | 'log', domain?: readonly [number, number]): Plot.ScaleOptions => ({
    label,
    type,
    ...(type === 'log' && { tickFormat: plainNumber }),
    ...(domain && { domain: [...domain] }),
  });
  const marks = series.flatMap(({ points }, index): Plot.Markish[] => {
    const color = SERIES_COLORS[index % SERIES_COLORS.length];
    const banded = points.filter(({ interval }) => interval !== undefined);
    const interval = (side: 0 | 1) => (point: Series['points'][number]) => point.interval![side];
    return [
      Plot.areaY(banded, { x: 'x', y1: interval(0), y2: interval(1), fill: color, fillOpacity: 0.18 }),
      Plot.line(points, { x: 'x', y: 'y', stroke: color, strokeWidth: 2 }),
      ...(points.length > MOST_DOTS
        ? []
        : [Plot.dot(points, { x: 'x', y: 'y', fill: color, r: 3, symbol: SYMBOLS[index % SYMBOLS.length] })]),
    ];
  });
  const panel: Plot.PlotOptions = {
    width: 460,
    height: 280,
    marginLeft: 54,
    marginRight: 14,
    marginTop: 26,
    marginBottom: 38,
    x: { ...axis(xLabel, xScale, options.xDomain), ticks: 6 },
    y: { ...axis(yLabel, yScale, options.yDomain), ticks: 5, grid: true, nice: options.yDomain === undefined },
    marks,
  };
  const legend = series.map(({ name }, index) => ({ name, color: SERIES_COLORS[index % SERIES_COLORS.length] }));
  return figure({ title, panels: [panel], legend: series.length > 1 ? legend : [], note });
}

/** Numbers of a logarithmic axis as they are written in a paper, not with the SI prefixes that are Plot's default. */
function plainNumber(value: number): string {
  return value >= 0.01 && value < 10_000 ? String(value) : value.toExponential().replace('e+', 'e');
}
