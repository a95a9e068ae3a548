/**
 * Learning curves: the loss and the accuracy of every epoch, on the images trained on and on those held out. The gap
 * between the two lines is what the model knows by heart.
 */
import * as Plot from '@observablehq/plot';
import { UsageError } from '../devices/errors.ts';
import { BLUE, ORANGE } from './color.ts';
import { figure, wholeTicks } from './figure.ts';

/** One epoch; what was not measured is left out. Accuracies are shares in [0, 1]. */
export interface EpochRow {
  epoch: number;
  trainLoss?: number;
  trainAccuracy?: number;
  validationLoss?: number;
  validationAccuracy?: number;
}

interface Point {
  epoch: number;
  value: number;
}

/**
 * Draws loss above accuracy over the epochs; a panel nobody measured is left out.
 *
 * @throws UsageError when there is nothing to draw
 */
export function learningCurve(rows: readonly EpochRow[], { title = 'Learning curve' } = {}): string {
  const points = (key: Exclude<keyof EpochRow, 'epoch'>): Point[] =>
    rows.filter(row => Number.isFinite(row[key])).map(row => ({ epoch: row.epoch, value: row[key] as number }));
  const loss = { train: points('trainLoss'), validation: points('validationLoss'), label: 'loss', percent: false };
  const accuracy = {
    train: points('trainAccuracy'),
    validation: points('validationAccuracy'),
    label: 'accuracy (%)',
    percent: true,
  };
  const measured = [loss, accuracy].filter(({ train, validation }) => train.length + validation.length > 0);
  if (measured.length === 0)
    throw new UsageError('A learning curve needs at least one epoch with a loss or an accuracy.');

  const epochs = rows.map(row => row.epoch);
  const [first, last] = [Math.min(...epochs), Math.max(...epochs)];
  const panels = measured.map(({ train, validation, label, percent }): Plot.PlotOptions => {
    const scaled = (list: Point[]): Point[] =>
      list.map(({ epoch, value }) => ({ epoch, value: percent ? value * 100 : value }));
    const options = { x: 'epoch', y: 'value' };
    return {
      width: 460,
      height: 205,
      marginLeft: 46,
      marginRight: 14,
      marginTop: 26,
      marginBottom: 36,
      x: {
        domain: first === last ? [first - 1, last + 1] : [first, last],
        ticks: wholeTicks(first, last),
        tickFormat: 'd',
        label: 'epoch',
      },
      y: { nice: true, zero: label === 'loss', grid: true, ticks: 5, label },
      marks: [
        Plot.line(scaled(train), { ...options, stroke: ORANGE, strokeWidth: 2, strokeDasharray: '5 3' }),
        Plot.line(scaled(validation), { ...options, stroke: BLUE, strokeWidth: 2 }),
        Plot.dot(scaled(train), { ...options, fill: ORANGE, r: rows.length > 40 ? 1.2 : 2.5 }),
        Plot.dot(scaled(validation), { ...options, fill: BLUE, r: rows.length > 40 ? 1.2 : 2.5 }),
      ],
    };
  });
  const legend = [
    { name: 'trained on', color: ORANGE, dashed: true, used: measured.some(({ train }) => train.length > 0) },
    { name: 'held out', color: BLUE, dashed: false, used: measured.some(({ validation }) => validation.length > 0) },
  ];
  return figure({ title, panels, legend: legend.filter(({ used }) => used) });
}
