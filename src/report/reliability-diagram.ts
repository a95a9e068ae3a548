/**
 * The reliability diagram: of the images a model is so sure of, how many are right? Bars below the diagonal are
 * overconfidence. The panel beneath shows how many images stand behind each bar.
 */
import * as Plot from '@observablehq/plot';
import { UsageError } from '../devices/errors.ts';
import { expectedCalibrationError, type ReliabilityBin } from '../train/calibration.ts';
import { BLUE, ORANGE } from './color.ts';
import { figure } from './figure.ts';

/** Draws a reliability table (see `reliabilityTable`) with its expected calibration error. */
export function reliabilityDiagram(table: readonly ReliabilityBin[], { title = 'Reliability' } = {}): string {
  const images = table.reduce((sum, bin) => sum + bin.count, 0);
  if (images === 0) throw new UsageError('A reliability diagram needs at least one image.');
  const filled = table.filter(bin => bin.count > 0).map(bin => ({ ...bin, share: (100 * bin.count) / images }));
  const frame = { width: 400, marginLeft: 46, marginRight: 14 };
  const confidence = { domain: [0, 1], ticks: 5 };
  const bars = { x1: 'low', x2: 'high', y1: 0, insetLeft: 0.5, insetRight: 0.5, fill: BLUE };
  const panels: Plot.PlotOptions[] = [
    {
      ...frame,
      height: 300,
      marginTop: 26,
      marginBottom: 22,
      x: { ...confidence, label: null },
      y: { domain: [0, 1], ticks: 5, grid: true, label: 'share of images that is right' },
      marks: [
        Plot.rect(filled, { ...bars, y2: 'accuracy', fillOpacity: 0.75 }),
        Plot.line(
          [
            [0, 0],
            [1, 1],
          ],
          { stroke: 'currentColor', strokeDasharray: '4 4', strokeOpacity: 0.7 },
        ),
        Plot.link(filled, {
          x1: 'confidence',
          x2: 'confidence',
          y1: 'accuracy',
          y2: 'confidence',
          stroke: ORANGE,
          strokeWidth: 3,
        }),
        Plot.ruleY([0]),
      ],
    },
    {
      ...frame,
      height: 120,
      marginTop: 26,
      marginBottom: 36,
      x: { ...confidence, label: 'confidence (probability of the predicted class)' },
      y: { grid: true, ticks: 3, nice: true, label: 'share of all images (%)' },
      marks: [Plot.rect(filled, { ...bars, y2: 'share', fillOpacity: 0.5 }), Plot.ruleY([0])],
    },
  ];
  return figure({
    title: `${title}: ECE ${(100 * expectedCalibrationError(table)).toFixed(2)} %`,
    panels,
    legend: [
      { name: 'right', color: BLUE },
      { name: 'gap to the mean confidence', color: ORANGE },
      { name: 'perfect', color: 'currentColor', dashed: true },
    ],
  });
}
