/** How far a training run is, in words. */
import type { FitProgress } from '../train/index.ts';
import { formatDuration, formatPercent } from './format.ts';

export function describeProgress({
  epoch,
  epochs,
  batch,
  batches,
  loss,
  accuracy,
  imagesPerSecond,
  secondsLeft,
}: FitProgress): string {
  return (
    `epoch ${epoch + 1}/${epochs}  batch ${batch}/${batches}  loss ${loss.toFixed(4)}  accuracy ${formatPercent(accuracy)}  ` +
    `${Math.round(imagesPerSecond)} images/s  ${formatDuration(secondsLeft)} left`
  );
}

export function describeEpoch({ epochs, record, imagesPerSecond }: FitProgress): string {
  const { epoch, loss, accuracy, seconds, validationAccuracy } = record!;
  const validation = validationAccuracy === undefined ? '' : `  validation ${formatPercent(validationAccuracy)}`;
  return (
    `epoch ${epoch + 1}/${epochs}  loss ${loss.toFixed(4)}  accuracy ${formatPercent(accuracy)}${validation}  ` +
    `${formatDuration(seconds)}  ${Math.round(imagesPerSecond)} images/s`
  );
}
