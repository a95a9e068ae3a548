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

/** What a training set that batches do not divide means for an epoch; undefined where they do. */
export function describeWaiting(images: number, batchSize: number): string | undefined {
  const rest = images % batchSize;
  if (rest === 0) return undefined;
  return (
    `Every epoch leaves out ${rest} of ${images} training images, other ones each time: they do not fill a batch of ` +
    `${batchSize}.`
  );
}
