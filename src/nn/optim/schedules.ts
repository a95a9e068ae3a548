/**
 * Learning-rate schedules: pure functions from progress to a factor of the peak rate. Progress is step / totalSteps in
 * [0, 1).
 */
import { UsageError } from '../../devices/errors.ts';

export type Schedule = (step: number, totalSteps: number) => number;

/** The peak rate throughout. */
export const constantSchedule: Schedule = () => 1;

/** A straight line from 1 to `final`. */
export const linearSchedule =
  (final = 0): Schedule =>
  (step, total) =>
    1 + (final - 1) * (step / total);

/** Half a cosine from 1 to `final` (Loshchilov and Hutter, 2017). */
export const cosineSchedule =
  (final = 0): Schedule =>
  (step, total) =>
    final + ((1 - final) * (1 + Math.cos((Math.PI * step) / total))) / 2;

/** Multiplied by `factor` at each of the milestones (fractions of the whole training). */
export const stepSchedule =
  (milestones: readonly number[] = [0.5, 0.75], factor = 0.1): Schedule =>
  (step, total) =>
    factor ** milestones.filter(milestone => step >= milestone * total).length;

/**
 * Up from 1/25 to 1 in the first `rise` of the training, then down to 1e-4 of the start, both along cosines
 * (Smith and Topin, 2018; the shape of torch.optim.lr_scheduler.OneCycleLR).
 */
export const oneCycleSchedule =
  (rise = 0.3): Schedule =>
  (step, total) => {
    const start = 1 / 25;
    const end = start / 1e4;
    const between = (from: number, to: number, share: number) =>
      to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
    const progress = step / total;
    return progress < rise ? between(start, 1, progress / rise) : between(1, end, (progress - rise) / (1 - rise));
  };

/** A straight line from 0 over the first `share` of the training, before (and times) another schedule. */
export const warmUp =
  (share: number, then: Schedule): Schedule =>
  (step, total) =>
    then(step, total) * Math.min(1, (step + 1) / (share * total));

const NAMED: Readonly<Record<string, () => Schedule>> = {
  constant: () => constantSchedule,
  linear: () => linearSchedule(),
  cosine: () => cosineSchedule(),
  step: () => stepSchedule(),
  'one-cycle': () => oneCycleSchedule(),
};

export const SCHEDULE_NAMES = Object.keys(NAMED);

/** A schedule by name: constant, linear, cosine, step, one-cycle. */
export function scheduleNamed(name: string): Schedule {
  if (!Object.hasOwn(NAMED, name)) {
    throw new UsageError(`There is no schedule "${name}"; choose one of ${SCHEDULE_NAMES.join(', ')}.`);
  }
  return NAMED[name]();
}
