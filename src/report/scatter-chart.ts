/**
 * Points in the plane, coloured by class: what a projection (PCA, t-SNE) makes of many images. Ten classes are more than
 * colours alone can tell apart, so each class is also named where its points are (at their median).
 */
import * as Plot from '@observablehq/plot';
import { ShapeError, UsageError } from '../devices/errors.ts';
import { quantile } from '../train/comparison.ts';
import { figure } from './figure.ts';
import type { Picture } from './picture.ts';

export interface ScatterOptions {
  title: string;
  xLabel?: string;
  yLabel?: string;
  note?: string;
  /** Makes a PNG file; with it, more than 5,000 points become a picture under the axes instead of an element each. */
  encode?: (picture: Picture) => Uint8Array;
  /** Points up to which each is an element even so; default 5,000. */
  mostElements?: number;
}

/** More points than these are drawn as a picture: 60,000 elements take 5 MB, the picture a tenth of a megabyte. */
const MOST_ELEMENTS = 5000;
/** Pixels of the picture per unit of the figure, for screens that have them. */
const SHARPNESS = 1.5;

/** Tableau's ten-colour palette (M. Stone, 2016), made for categories. */
const CLASS_COLORS = '#4e79a7 #f28e2b #e15759 #76b7b2 #59a14f #edc948 #b07aa1 #ff9da7 #9c755f #bab0ac'.split(' ');

/**
 * Draws points `[N, 2]` with labels `[N]`, at the same scale along both axes.
 *
 * @throws ShapeError when points and labels do not fit
 */
export function scatterChart(
  points: ArrayLike<number>,
  labels: ArrayLike<number>,
  classNames: readonly string[],
  { title, xLabel, yLabel, note, encode, mostElements = MOST_ELEMENTS }: ScatterOptions,
): string {
  if (points.length !== 2 * labels.length) {
    throw new ShapeError(
      `${points.length} coordinates do not make one point in the plane for each of ${labels.length} labels.`,
    );
  }
  if (labels.length === 0) throw new UsageError(`The chart "${title}" has no point to draw.`);
  const dots = Array.from(labels, (label, index) => ({ x: points[2 * index], y: points[2 * index + 1], label }));
  const median = (values: number[]): number =>
    quantile(
      values.sort((a, b) => a - b),
      0.5,
    );
  const names = classNames.flatMap((name, label) => {
    const own = dots.filter(dot => dot.label === label);
    return own.length === 0
      ? []
      : [{ name, label, x: median(own.map(dot => dot.x)), y: median(own.map(dot => dot.y)) }];
  });
  const colorOf = ({ label }: { label: number }): string => CLASS_COLORS[label % CLASS_COLORS.length];
  const width = 560;
  const scales = equalScales(dots, width - 74, 520 - 56, xLabel, yLabel);
  const panel: Plot.PlotOptions = {
    width,
    height: 520,
    margin: 30,
    marginLeft: 44,
    marginTop: 26,
    ...scales,
    marks: [
      encode && dots.length > mostElements
        ? rasterLayer(dots, width - 74, 520 - 56, scales, encode)
        : Plot.dot(dots, { x: 'x', y: 'y', fill: colorOf, fillOpacity: 0.6, r: dots.length > 1500 ? 1.3 : 2.2 }),
      Plot.text(names, {
        x: 'x',
        y: 'y',
        text: 'name',
        fill: '#1f2328',
        stroke: 'white',
        strokeWidth: 4,
        fontWeight: 600,
      }),
    ],
  };
  return figure({ title, panels: [panel], note });
}

/** The points as one picture that fills the panel: two by two pixels each, those of higher index on top. */
function rasterLayer(
  dots: readonly { x: number; y: number; label: number }[],
  width: number,
  height: number,
  { x, y }: { x: { domain: [number, number] }; y: { domain: [number, number] } },
  encode: (picture: Picture) => Uint8Array,
): Plot.Image {
  const picture: Picture = {
    width: SHARPNESS * width,
    height: SHARPNESS * height,
    rgba: new Uint8Array(4 * SHARPNESS ** 2 * width * height),
  };
  const colors = CLASS_COLORS.map(color => [1, 3, 5].map(at => Number.parseInt(color.slice(at, at + 2), 16)));
  for (const dot of dots) {
    const column = Math.floor((picture.width * (dot.x - x.domain[0])) / (x.domain[1] - x.domain[0]));
    const row = Math.floor((picture.height * (y.domain[1] - dot.y)) / (y.domain[1] - y.domain[0]));
    for (let at = 0; at < 4; at++) {
      const [across, down] = [column + (at % 2), row + (at >> 1)];
      if (across < 0 || across >= picture.width || down < 0 || down >= picture.height) continue;
      picture.rgba.set([...colors[dot.label % colors.length], 255], 4 * (down * picture.width + across));
    }
  }
  const middle = { x: (x.domain[0] + x.domain[1]) / 2, y: (y.domain[0] + y.domain[1]) / 2 };
  let bytes = '';
  for (const byte of encode(picture)) bytes += String.fromCharCode(byte);
  return Plot.image([middle], {
    ...{ x: 'x', y: 'y', width, height, preserveAspectRatio: 'none' },
    src: () => `data:image/png;base64,${btoa(bytes)}`,
  });
}

/** Domains that hold all points at one scale for both axes: distances in a projection mean something. */
function equalScales(
  dots: readonly { x: number; y: number }[],
  width: number,
  height: number,
  xLabel = '',
  yLabel = '',
): Record<'x' | 'y', Plot.ScaleOptions & { domain: [number, number] }> {
  const extent = (values: number[]): [number, number] => [
    values.reduce((least, value) => Math.min(least, value)),
    values.reduce((greatest, value) => Math.max(greatest, value)),
  ];
  const [x0, x1] = extent(dots.map(dot => dot.x));
  const [y0, y1] = extent(dots.map(dot => dot.y));
  const perPixel = 1.04 * Math.max((x1 - x0) / width, (y1 - y0) / height) || 1;
  const around = (low: number, high: number, pixels: number): [number, number] => [
    (low + high) / 2 - (perPixel * pixels) / 2,
    (low + high) / 2 + (perPixel * pixels) / 2,
  ];
  return {
    x: { domain: around(x0, x1, width), label: xLabel || null, ticks: 6 },
    y: { domain: around(y0, y1, height), label: yLabel || null, ticks: 6 },
  };
}
