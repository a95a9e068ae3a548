/** The figures of a training run: its loss step by step, its curves over the epochs, and what it takes for what. */
import type { Evaluation, History } from '../../train/index.ts';
import { confusionMatrixChart } from '../confusion-matrix.ts';
import { learningCurve } from '../learning-curve.ts';
import { lineChart } from '../line-chart.ts';

/** The loss of the steps is averaged over stretches: at least a step each, at most so many stretches. */
const MOST_STRETCHES = 100;

/** The charts by file name. */
export function trainingFigures(history: History, { confusion, perClass }: Evaluation): Record<string, string> {
  const rows = history.epochs.map(({ epoch, loss, accuracy, validationLoss, validationAccuracy }) => ({
    epoch: epoch + 1,
    trainLoss: loss,
    trainAccuracy: accuracy,
    validationLoss,
    validationAccuracy,
  }));
  const names = perClass.map(({ name }) => name);
  return {
    'learning-curve.svg': learningCurve(rows),
    'loss.svg': lossCurve(history),
    'confusion-matrix.svg': confusionMatrixChart(confusion, names),
  };
}

function lossCurve({ losses, epochs }: History): string {
  const stretches = Math.min(MOST_STRETCHES, losses.length);
  const points = Array.from({ length: stretches }, (_, stretch) => {
    const first = Math.floor((stretch * losses.length) / stretches);
    const end = Math.floor(((stretch + 1) * losses.length) / stretches);
    const some = losses.slice(first, end);
    const x = ((first + end) / 2 / losses.length) * epochs.length;
    return { x, y: some.reduce((sum, loss) => sum + loss, 0) / some.length };
  });
  const options = { title: 'Training loss', xLabel: 'epochs', yLabel: 'loss of the batches' };
  return lineChart([{ name: 'loss', points }], options);
}
