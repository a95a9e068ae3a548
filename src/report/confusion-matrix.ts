/**
 * The confusion matrix as a picture: which class is taken for which. Cells carry counts and are coloured by their share
 * of the row (the true class), right ones blue and wrong ones orange; the colour grows with the square root of the share,
 * because the mistakes worth seeing are a few per cent.
 */
import * as Plot from '@observablehq/plot';
import { ShapeError } from '../devices/errors.ts';
import { accuracyOf, type ConfusionMatrix } from '../train/metrics.ts';
import { BLUE, ORANGE } from './color.ts';
import { figure, textWidth } from './figure.ts';

interface Cell {
  row: string;
  column: string;
  count: number;
  share: number;
  right: boolean;
}

/** From how many classes on the counts no longer fit their cells. */
const MOST_COUNTED = 25;

/**
 * Draws a confusion matrix (row = true class, column = predicted class).
 *
 * @param classNames as many as the matrix has rows, no two the same
 * @throws ShapeError when names and matrix do not fit
 */
export function confusionMatrixChart(
  matrix: ConfusionMatrix,
  classNames: readonly string[],
  { title = 'Confusion matrix' } = {},
): string {
  const classes = matrix.length;
  if (classes === 0 || classNames.length !== classes || new Set(classNames).size !== classes) {
    throw new ShapeError(
      `A confusion matrix of ${classes} classes needs ${classes} different names, not ${classNames.length}.`,
    );
  }
  const cells = cellsOf(matrix, classNames);
  const counted = classes <= MOST_COUNTED;
  const digits = Math.max(...cells.map(({ count }) => String(count).length));
  const cellWidth = counted ? Math.max(44, digits * 8 + 14) : 14;
  const cellHeight = counted ? 32 : 14;
  const longest = Math.ceil(Math.max(...classNames.map(textWidth)));
  // Column names lean by 40 degrees and rise above their column's centre; the last one reaches out to the right.
  const rise = Math.ceil(longest * Math.sin((40 * Math.PI) / 180)) + 14;
  const reach =
    Math.ceil(Math.max(0, textWidth(classNames[classes - 1]) * Math.cos((40 * Math.PI) / 180) - cellWidth / 2)) + 10;
  const [marginLeft, marginTop] = [Math.max(longest, Math.ceil(textWidth('predicted class')) - 12) + 34, rise + 4];

  const panel: Plot.PlotOptions = {
    width: marginLeft + classes * cellWidth + reach,
    height: marginTop + classes * cellHeight + 8,
    marginLeft,
    marginTop,
    marginRight: reach,
    marginBottom: 8,
    padding: 0,
    x: { domain: classNames, axis: null },
    y: { domain: classNames, axis: null },
    marks: [...cellMarks(cells, counted), ...labelMarks(classNames, marginLeft)],
  };
  const accuracy = (100 * accuracyOf(matrix)).toFixed(2);
  return figure({
    title: `${title}: ${accuracy} % right`,
    panels: [panel],
    note: 'Counts of images; colour by the share of the row: blue right, orange wrong.',
  });
}

function cellsOf(matrix: ConfusionMatrix, classNames: readonly string[]): Cell[] {
  return matrix.flatMap((row, r): Cell[] => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, c) => ({
      row: classNames[r],
      column: classNames[c],
      count,
      share: total === 0 ? 0 : count / total,
      right: r === c,
    }));
  });
}

/** The coloured cells, and their counts where these fit. */
function cellMarks(cells: readonly Cell[], counted: boolean): Plot.Markish[] {
  const isDark = (cell: Cell): boolean => Math.sqrt(cell.share) > 0.6;
  const place = { x: 'column', y: 'row' };
  const colours = Plot.cell(cells, {
    ...place,
    fill: (cell: Cell) => (cell.right ? BLUE : ORANGE),
    fillOpacity: (cell: Cell) => Math.sqrt(cell.share),
    stroke: 'currentColor',
    strokeOpacity: 0.15,
    inset: 0.5,
    title: (cell: Cell) =>
      `${cell.row} taken for ${cell.column}: ${cell.count} (${(100 * cell.share).toFixed(1)} % of ${cell.row})`,
  });
  if (!counted) return [colours];
  const text = { ...place, text: (cell: Cell) => String(cell.count) };
  const isZero = ({ count }: Cell): boolean => count === 0;
  return [
    colours,
    Plot.text(cells, { ...text, filter: isZero, fill: 'currentColor', fillOpacity: 0.35 }),
    Plot.text(cells, { ...text, filter: cell => !isZero(cell) && !isDark(cell), fill: 'currentColor' }),
    Plot.text(cells, { ...text, filter: isDark, fill: 'white', fontWeight: 600 }),
  ];
}

/** The names of the classes along both edges, and what the edges mean. */
function labelMarks(classNames: readonly string[], marginLeft: number): Plot.Markish[] {
  const label = (name: string): string => name;
  const caption = { fontStyle: 'italic', fillOpacity: 0.75 };
  const slanted = { frameAnchor: 'top', textAnchor: 'start', rotate: -40, dy: -10, dx: -2 } as const;
  return [
    Plot.text(classNames, { ...slanted, x: label, text: label }),
    Plot.text(classNames, { y: label, frameAnchor: 'left', textAnchor: 'end', dx: -8, text: label }),
    Plot.text(['predicted class'], { ...caption, frameAnchor: 'top-left', textAnchor: 'end', dx: -8, dy: -12 }),
    Plot.text(['true class'], {
      ...caption,
      frameAnchor: 'left',
      textAnchor: 'middle',
      rotate: -90,
      dx: 14 - marginLeft,
    }),
  ];
}
