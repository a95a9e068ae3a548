/**
 * The roofline picture (S. Williams, A. Waterman, D. Patterson, CACM 52, 2009): how much arithmetic work does per byte it
 * must move, against how fast it is. The roof is what the machine was measured to do at most: a slope for each level of
 * memory, a level for its arithmetic. There are more kernels than names would find room, so the points carry numbers and
 * the names stand below.
 */
import * as Plot from '@observablehq/plot';
import { UsageError } from '../devices/errors.ts';
import { SERIES_COLORS } from './color.ts';
import { figure, textWidth } from './figure.ts';
import { type Box, placeLabels } from './label-placement.ts';
import { threeDigits } from './text-table.ts';

export interface RooflinePoint {
  readonly name: string;
  /** FLOP per byte. */
  readonly intensity: number;
  /** GFLOP/s. */
  readonly rate: number;
  /** Stands behind the name in the key, e.g. its share of the roof. */
  readonly remark?: string;
}

export interface RooflineOptions {
  readonly title: string;
  /** GFLOP/s; the first is the roof, the others are drawn dashed. */
  readonly peaks: readonly { readonly name: string; readonly rate: number }[];
  /** GB/s; named in the note. */
  readonly slopes: readonly { readonly name: string; readonly rate: number }[];
  readonly groups: readonly { readonly name: string; readonly points: readonly RooflinePoint[] }[];
  /** Drawn small and pale, without numbers. */
  readonly others?: { readonly name: string; readonly points: readonly RooflinePoint[] };
  readonly note?: string;
}

const WIDTH = 960;
const HEIGHT = 620;
const MARGIN = { left: 54, right: 16, top: 26, bottom: 40 } as const;
const RADIUS = 4;
const NUMBER = { size: 9.5, digit: 5.6, height: 9 } as const;
const SYMBOLS = ['circle', 'square', 'diamond'] as const;
const PALE = SERIES_COLORS[SERIES_COLORS.length - 1];
const KEY_COLUMNS = 3;
const KEY_LINE = 14;
/** About how wide the rate on a slope is along the x axis. */
const SLOPE_LABEL = 60;
/** A name farther from its point than this gets a line to it. */
const NEAR = 16;

/** A logarithmic axis with both directions, because Plot's own scale is only known once everything is drawn. */
interface LogAxis {
  readonly domain: readonly [number, number];
  toPixel(value: number): number;
  toValue(pixel: number): number;
}

function logAxis(values: readonly number[], room: number, from: number, to: number): LogAxis {
  const domain = [Math.min(...values) / room, Math.max(...values) * room] as const;
  const span = Math.log(domain[1] / domain[0]);
  return {
    domain,
    toPixel: value => from + (Math.log(value / domain[0]) / span) * (to - from),
    toValue: pixel => domain[0] * Math.exp(((pixel - from) / (to - from)) * span),
  };
}

const isDrawable = ({ intensity, rate }: RooflinePoint): boolean => intensity > 0 && rate > 0 && Number.isFinite(rate);

/**
 * Draws the roof and the points below it (and above it, where an algorithm saves arithmetic that is counted).
 *
 * @throws UsageError when there is nothing to draw: no roof, or no point with arithmetic and bytes
 */
export function rooflineChart({ title, peaks, slopes, groups, others, note }: RooflineOptions): string {
  const drawn = groups.map(group => ({ ...group, points: group.points.filter(isDrawable) }));
  const colored = drawn
    .filter(({ points }) => points.length > 0)
    .map((group, index) => ({
      ...group,
      color: SERIES_COLORS[index % (SERIES_COLORS.length - 1)],
      symbol: SYMBOLS[Math.floor(index / (SERIES_COLORS.length - 1)) % SYMBOLS.length],
    }));
  const own = colored.flatMap(({ points, color, symbol }) => points.map(point => ({ ...point, color, symbol })));
  if (own.length === 0) throw new UsageError(`The chart "${title}" has no point with arithmetic and bytes.`);
  if (peaks.length === 0 || slopes.length === 0) throw new UsageError(`The chart "${title}" has no roof.`);
  const numbered = own.map((point, index) => ({ ...point, number: String(index + 1) }));
  const pale = others?.points.filter(isDrawable) ?? [];
  const all = [...own, ...pale];
  const x = logAxis(
    [...all.map(point => point.intensity), ...slopes.map(({ rate }) => peaks[0].rate / rate)],
    1.6,
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const y = logAxis(
    [...all.map(({ rate }) => rate), ...peaks.map(({ rate }) => rate)],
    1.4,
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  );
  const panel: Plot.PlotOptions = {
    width: WIDTH,
    height: HEIGHT,
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    x: { type: 'log', domain: [...x.domain], label: 'FLOP per byte', tickFormat: threePlain, ticks: 8 },
    y: { type: 'log', domain: [...y.domain], label: 'GFLOP/s', tickFormat: threePlain, ticks: 6, grid: true },
    marks: [
      ...roofMarks(peaks, slopes, x, y),
      Plot.dot(pale, { x: 'intensity', y: 'rate', r: 2, fill: PALE, fillOpacity: 0.45, title: tooltip }),
      ...numberMarks(numbered, x, y, obstaclesOf(peaks, slopes, x, y)),
    ],
  };
  const memory = slopes.map(({ name, rate }) => `${threeDigits(rate)} GB/s ${name}`).join(', ');
  const legend = others && pale.length > 0 ? [{ name: others.name, color: PALE }] : [];
  return figure({
    title,
    panels: [panel, keyPanel(colored)],
    legend,
    note: `Memory: ${memory}.${note === undefined ? '' : ` ${note}`}`,
  });
}

interface Rate {
  readonly name: string;
  readonly rate: number;
}

function roofMarks(peaks: readonly Rate[], slopes: readonly Rate[], x: LogAxis, y: LogAxis): Plot.Markish[] {
  const [roof] = peaks;
  const rates = slopes.map(({ rate }) => rate);
  const [gentlest, steepest] = [Math.min(...rates), Math.max(...rates)];
  const decade = (axis: LogAxis): number => axis.toPixel(10 * axis.domain[0]) - axis.toPixel(axis.domain[0]);
  const angle = (Math.atan2(decade(y), decade(x)) * 180) / Math.PI;
  const line = { stroke: 'currentColor', strokeWidth: 1.4 };
  const text = { fill: 'currentColor', fontSize: 11, lineAnchor: 'bottom' as const, dy: -4 };
  return [
    ...rates.flatMap(rate => {
      const ridge = roof.rate / rate;
      const from = Math.max(x.domain[0], y.domain[0] / rate);
      const ends = [from, ridge].map(intensity => ({ intensity, rate: intensity * rate }));
      // Where the slope meets the roof: there are few points there.
      const at = x.toValue(x.toPixel(ridge) - 10);
      const name = `${threeDigits(rate)} GB/s`;
      return [
        Plot.line(ends, { x: 'intensity', y: 'rate', ...line }),
        Plot.text([name], { x: [at], y: [at * rate], text: [name], ...text, dy: -8, textAnchor: 'end', rotate: angle }),
      ];
    }),
    ...peaks.flatMap(({ name, rate }, index) => {
      const ends = [rate / steepest, x.domain[1]].map(intensity => ({ intensity, rate }));
      const at = x.toValue(peakLabelLeft(roof.rate / gentlest, x));
      return [
        Plot.line(ends, { x: 'intensity', y: 'rate', ...line, ...(index > 0 && { strokeDasharray: '5 4' }) }),
        Plot.text([name], { x: [at], y: [rate], text: [name], ...text, textAnchor: 'start' }),
      ];
    }),
  ];
}

const peakLabelLeft = (lastRidge: number, x: LogAxis): number => x.toPixel(lastRidge) + 12;

/** Small boxes along the slopes, and what is written on slopes and levels, for the numbers to keep clear of. */
function obstaclesOf(peaks: readonly Rate[], slopes: readonly Rate[], x: LogAxis, y: LogAxis): Box[] {
  const lastRidge = peaks[0].rate / Math.min(...slopes.map(({ rate }) => rate));
  const left = peakLabelLeft(lastRidge, x);
  const written = peaks.map(({ name, rate }) => {
    const bottom = y.toPixel(rate);
    return { left, right: left + textWidth(name), top: bottom - 18, bottom };
  });
  const [first, last] = [x.toPixel(x.domain[0]), x.toPixel(lastRidge)];
  const steps = Array.from({ length: Math.ceil((last - first) / 4) }, (_, i) => first + 4 * i);
  const onSlopes = slopes.flatMap(({ rate }) => {
    const ridge = x.toPixel(peaks[0].rate / rate);
    return steps
      .filter(pixel => pixel <= ridge)
      .map(pixel => {
        const line = y.toPixel(x.toValue(pixel) * rate);
        const isWritten = pixel > ridge - SLOPE_LABEL;
        return { left: pixel - 1, right: pixel + 1, top: line - (isWritten ? 24 : 1), bottom: line + 1 };
      });
  });
  return [...written, ...onSlopes];
}

type NumberedPoint = RooflinePoint & {
  readonly color: string;
  readonly symbol: (typeof SYMBOLS)[number];
  readonly number: string;
};

function numberMarks(
  points: readonly NumberedPoint[],
  x: LogAxis,
  y: LogAxis,
  obstacles: readonly Box[],
): Plot.Markish[] {
  const inPixels = points.map(({ intensity, rate, number }) => ({
    x: x.toPixel(intensity),
    y: y.toPixel(rate),
    width: number.length * NUMBER.digit + 1,
    height: NUMBER.height,
  }));
  const bounds = { left: MARGIN.left, right: WIDTH - MARGIN.right, top: MARGIN.top, bottom: HEIGHT - MARGIN.bottom };
  const places = placeLabels(inPixels, RADIUS, bounds, obstacles);
  const labels = points.map((point, i) => ({
    ...point,
    labelX: x.toValue(places[i].x),
    labelY: y.toValue(places[i].y),
    distance: Math.hypot(places[i].x - inPixels[i].x, places[i].y - inPixels[i].y),
  }));
  return [
    Plot.link(
      labels.filter(({ distance }) => distance > NEAR),
      {
        x1: 'intensity',
        y1: 'rate',
        x2: 'labelX',
        y2: 'labelY',
        stroke: 'color',
        strokeWidth: 0.7,
        strokeOpacity: 0.7,
      },
    ),
    Plot.dot(points, {
      x: 'intensity',
      y: 'rate',
      r: RADIUS - 0.5,
      fill: ({ color }: NumberedPoint) => color,
      symbol: ({ symbol }: NumberedPoint) => symbol,
      title: tooltip,
    }),
    Plot.text(labels, { x: 'labelX', y: 'labelY', text: 'number', fill: 'currentColor', fontSize: NUMBER.size }),
  ];
}

/** The names behind the numbers, in columns; every group under its own name with its colour. */
function keyPanel(
  groups: readonly {
    readonly name: string;
    readonly points: readonly RooflinePoint[];
    readonly color: string;
    readonly symbol: (typeof SYMBOLS)[number];
  }[],
): Plot.PlotOptions {
  let number = 0;
  const lines = groups.flatMap(({ name, points, color, symbol }) => [
    { text: name, remark: '', color, symbol, number: '' },
    ...points.map(point => ({ text: point.name, remark: point.remark ?? '', color, symbol, number: String(++number) })),
  ]);
  const rows = Math.ceil(lines.length / KEY_COLUMNS);
  const column = WIDTH / KEY_COLUMNS;
  const placed = lines.map((line, i) => ({
    ...line,
    left: Math.floor(i / rows) * column,
    y: ((i % rows) + 0.5) * KEY_LINE,
  }));
  const headings = placed.filter(line => line.number === '');
  const names = placed.filter(line => line.number !== '');
  const text = { y: 'y', fill: 'currentColor', fontSize: 10.5 } as const;
  const at = (offset: number) => (line: { left: number }) => line.left + offset;
  const height = rows * KEY_LINE;
  return {
    width: WIDTH,
    height: height + 8,
    margin: 0,
    marginTop: 4,
    marginBottom: 4,
    x: { domain: [0, WIDTH], range: [0, WIDTH], axis: null },
    y: { domain: [0, height], range: [4, height + 4], axis: null },
    marks: [
      Plot.dot(headings, {
        x: at(12),
        y: 'y',
        r: RADIUS,
        fill: ({ color }: { color: string }) => color,
        symbol: ({ symbol }: { symbol: (typeof SYMBOLS)[number] }) => symbol,
      }),
      Plot.text(headings, { ...text, x: at(26), text: 'text', textAnchor: 'start', fontWeight: 600 }),
      Plot.text(names, { ...text, x: at(20), text: 'number', textAnchor: 'end' }),
      Plot.text(names, { ...text, x: at(26), text: 'text', textAnchor: 'start' }),
      Plot.text(names, { ...text, x: at(column - 16), text: 'remark', textAnchor: 'end', fillOpacity: 0.75 }),
    ],
  };
}

function tooltip({ name, intensity, rate, remark }: RooflinePoint): string {
  return `${name}: ${threeDigits(rate)} GFLOP/s at ${threeDigits(intensity)} FLOP/byte${remark ? `, ${remark}` : ''}`;
}

/** 0.1, 20, 1000: only the ticks that fit are named. */
function threePlain(value: number): string {
  return Number(value.toPrecision(3)).toString();
}
