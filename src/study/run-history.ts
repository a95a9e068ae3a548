/** What a run reads out of its history, and what its end needs from its beginning. */
import { UsageError } from '../devices/errors.ts';
import type { EpochRecord, History, Recipe } from '../train/index.ts';

/** What the epochs of a history took, the one at hand too. */
export function trainingSeconds({ epochs, partial }: History): number {
  return epochs.reduce((sum, { seconds }) => sum + seconds, partial.seconds);
}

/** The record of the epoch whose parameters are kept: the last of the best on validation, or the last. */
export function keptEpoch({ epochs }: History, isByValidation: boolean): EpochRecord {
  if (!isByValidation) return epochs.at(-1)!;
  return epochs.reduce((best, one) => (one.validationAccuracy! >= best.validationAccuracy! ? one : best));
}

/** Throws UsageError where a run would be judged, or stopped, by images that nobody held out. */
export function checkHeldOut(validation: number, test: boolean, { patience }: Recipe): void {
  if (validation > 0) return;
  if (!test) {
    throw new UsageError('A run that leaves the test images alone needs others to be judged on: hold some out.');
  }
  if (patience !== null) throw new UsageError('Patience needs images to look at: hold some out.');
}
