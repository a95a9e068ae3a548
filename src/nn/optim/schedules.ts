/**
 * Learning-rate schedules: pure functions from a step, counted from 0, and the number of steps to a factor of the peak rate.
 */
import { everyOf, fraction, inRange, nonNegative, positiveInteger, refuse } from '../../devices/checks.ts';
import { UsageError } from '../../devices/errors.ts';
import { wholePower } from './power.ts';

/** @throws UsageError when the step does not lie in 0 .. totalSteps, or there is no step */
export type Schedule = (step: number, totalSteps: number) => number;

function schedule(what: string, factor: Schedule): Schedule {
  return (step, total) => {
    positiveInteger(what, 'totalSteps', total);
    inRange(what, 'step', step, { from: 0, to: total });
    return factor(step, total);
  };
}

/** The peak rate throughout. */
export const constantSchedule: Schedule = schedule('constantSchedule', () => 1);

/** A straight line from 1 to `final`, which it would reach with one step more (torch's LinearLR over `totalSteps`). */
export function linearSchedule(final = 0): Schedule {
  nonNegative('linearSchedule', 'final', final);
  return schedule('linearSchedule', (step, total) => 1 + (final - 1) * (step / total));
}

/**
 * Half a cosine from 1 to `final` (Loshchilov and Hutter, 2017), which it would reach with one step more (torch's
 * CosineAnnealingLR with T_max = `totalSteps`).
 */
export function cosineSchedule(final = 0): Schedule {
  nonNegative('cosineSchedule', 'final', final);
  return schedule(
    'cosineSchedule',
    (step, total) => final + ((1 - final) * (1 + Math.cos((Math.PI * step) / total))) / 2,
  );
}

/**
 * Multiplied by `factor` from each of the milestones on (torch's MultiStepLR with milestones in steps).
 * @param milestones fractions of the whole training
 */
export function stepSchedule(milestones: readonly number[] = [0.5, 0.75], factor = 0.1): Schedule {
  everyOf('stepSchedule', 'milestones', milestones, fraction);
  nonNegative('stepSchedule', 'factor', factor);
  return schedule('stepSchedule', (step, total) => {
    const passed = milestones.filter(milestone => step >= partOf(milestone, total)).length;
    return wholePower(factor, passed);
  });
}

/**
 * Up from 1/25 to 1 in the first `rise` of the training, then down to 1e-4 of the start in its last step, both along
 * cosines (Smith and Topin, 2018; torch.optim.lr_scheduler.OneCycleLR, step by step).
 * @param rise fraction of the steps
 */
export function oneCycleSchedule(rise = 0.3): Schedule {
  fraction('oneCycleSchedule', 'rise', rise);
  const start = 1 / 25;
  const end = start / 1e4;
  const between = (from: number, to: number, share: number) => to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
  return schedule('oneCycleSchedule', (step, total) => {
    // The peak is the last step of the rise, so it lies before step 0 when the training is too short to rise.
    const peak = rise * total - 1;
    const last = total - 1;
    const at = Math.min(step, last);
    if (at === peak) return 1;
    return at < peak ? between(start, 1, at / peak) : between(1, end, (at - peak) / (last - peak));
  });
}

/**
 * A straight line up to 1 over the first `share` of the training, then another schedule over the steps that are left.
 * @param share fraction of the steps
 */
export function warmUp(share: number, then: Schedule): Schedule {
  fraction('warmUp', 'share', share);
  if (typeof then !== 'function') refuse('warmUp', 'then', then, 'a schedule');
  return schedule('warmUp', (step, total) => {
    const rising = Math.round(share * total);
    return step < rising ? (step + 1) / rising : then(step - rising, Math.max(1, total - rising));
  });
}

/** A fraction of a whole number, exact where it is whole itself: 0.07 of 100 is 7, though 0.07 * 100 is above it. */
function partOf(share: number, whole: number): number {
  const part = share * whole;
  const nearest = Math.round(part);
  return Math.abs(part - nearest) <= 2 * Number.EPSILON * part ? nearest : part;
}

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
