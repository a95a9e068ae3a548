/**
 * A table whose cells are coloured by their value: accuracy by corruption and severity, methods by measures. The number
 * stands in every cell, so that the colour only guides the eye; the colour runs through one hue from weak to strong over
 * a range that the caller names, because a range taken from the data makes every table look alike.
 */
import * as Plot from '@observablehq/plot';
import { UsageError } from '../devices/errors.ts';
import { BLUE } from './color.ts';
import { figure, textWidth } from './figure.ts';

export interface HeatCell {
  readonly row: string;
  readonly column: string;
  /** A value that is not finite leaves the cell without colour. */
  readonly value: number;
  /** What stands in the cell; by default the value as `format` writes it. */
  readonly text?: string;
}

export interface HeatTableOptions {
  title: string;
  /** Stands over the columns. */
  columnLabel?: string;
  /** The values of the palest and the strongest colour. */
  domain: readonly [number, number];
  format?: (value: number) => string;
  note?: string;
}

const ROW_HEIGHT = 26;

/**
 * Draws rows and columns in the order in which the cells name them first.
 *
 * @throws UsageError for no cells, or an empty domain
 */
export function heatTable(cells: readonly HeatCell[], options: HeatTableOptions): string {
  const { title, columnLabel, domain, format = value => value.toPrecision(3), note } = options;
  const [low, high] = domain;
  if (cells.length === 0) throw new UsageError('A heat table needs at least one cell.');
  if (!(high > low)) throw new UsageError(`The colours of a heat table cannot run from ${low} to ${high}.`);
  const rows = [...new Set(cells.map(({ row }) => row))];
  const columns = [...new Set(cells.map(({ column }) => column))];
  const share = ({ value }: HeatCell): number =>
    Number.isFinite(value) ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0;
  const textOf = ({ text, value }: HeatCell): string => text ?? (Number.isFinite(value) ? format(value) : '');
  const isDark = (cell: HeatCell): boolean => share(cell) > 0.62;
  const widest = Math.max(...columns.map(textWidth), ...cells.map(cell => textWidth(textOf(cell))));
  const cellWidth = Math.max(52, Math.ceil(widest) + 14);
  const marginLeft = Math.ceil(Math.max(...rows.map(textWidth))) + 16;
  const marginTop = columnLabel === undefined ? 24 : 42;
  const place = { x: 'column', y: 'row' };
  const panel: Plot.PlotOptions = {
    width: marginLeft + columns.length * cellWidth + 10,
    height: marginTop + rows.length * ROW_HEIGHT + 8,
    marginLeft,
    marginTop,
    marginRight: 10,
    marginBottom: 8,
    padding: 0,
    x: { domain: columns, axis: null },
    y: { domain: rows, axis: null },
    marks: [
      Plot.cell(cells, {
        ...place,
        fill: BLUE,
        fillOpacity: share,
        stroke: 'currentColor',
        strokeOpacity: 0.15,
        inset: 0.5,
        title: (cell: HeatCell) => `${cell.row}, ${cell.column}: ${textOf(cell)}`,
      }),
      Plot.text(cells, { ...place, filter: cell => !isDark(cell), text: textOf, fill: 'currentColor' }),
      Plot.text(cells, { ...place, filter: isDark, text: textOf, fill: 'white', fontWeight: 600 }),
      Plot.text(columns, { x: name => name, frameAnchor: 'top', dy: -12, text: name => name }),
      Plot.text(rows, { y: name => name, frameAnchor: 'left', textAnchor: 'end', dx: -8, text: name => name }),
      ...(columnLabel === undefined
        ? []
        : [Plot.text([columnLabel], { frameAnchor: 'top', dy: -30, fontStyle: 'italic', fillOpacity: 0.75 })]),
    ],
  };
  return figure({ title, panels: [panel], note });
}
