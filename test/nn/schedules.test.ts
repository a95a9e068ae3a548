/** Schedules against PyTorch's, step by step (scripts/expected-schedules.py), and closed forms where it has none. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/devices/errors.ts';
import {
  constantSchedule,
  cosineSchedule,
  linearSchedule,
  oneCycleSchedule,
  SCHEDULE_NAMES,
  type Schedule,
  scheduleNamed,
  stepSchedule,
  warmUp,
} from '../../src/nn/index.ts';

interface Expected {
  readonly oneCycle: readonly { readonly rise: number; readonly factors: readonly number[] }[];
  readonly step: readonly { readonly milestones: readonly number[]; readonly factors: readonly number[] }[];
  readonly cosine: readonly { readonly final: number; readonly factors: readonly number[] }[];
  readonly linear: readonly { readonly final: number; readonly factors: readonly number[] }[];
}

const expected: Expected = JSON.parse(readFileSync(new URL('expected-schedules.json', import.meta.url), 'utf8'));

function follow(schedule: Schedule, factors: readonly number[]): void {
  factors.forEach((factor, step) => {
    // PyTorch multiplies its way from step to step in some schedules, which rounds every time.
    expect(Math.abs(schedule(step, factors.length) - factor), `step ${step} of ${factors.length}`).toBeLessThan(1e-14);
  });
}

describe('as PyTorch', () => {
  test.each(expected.oneCycle)('one-cycle, rise $rise', ({ rise, factors }) => {
    follow(oneCycleSchedule(rise), factors);
    if (rise < 1) expect(oneCycleSchedule(rise)(factors.length - 1, factors.length)).toBe(4e-6);
  });
  test.each(expected.step)('steps at $milestones', ({ milestones, factors }) => {
    follow(stepSchedule(milestones, 0.1), factors);
  });
  test.each(expected.cosine)('cosine to $final', ({ final, factors }) => {
    follow(cosineSchedule(final), factors);
  });
  test.each(expected.linear)('linear to $final', ({ final, factors }) => {
    follow(linearSchedule(final), factors);
  });
});

test('a milestone falls where the fraction says, for every fraction of whole steps', () => {
  for (const total of [1, 2, 3, 7, 10, 49, 50, 97, 100, 200, 429, 1000, 5148]) {
    for (let at = 0; at <= total; at += Math.ceil(total / 211)) {
      const schedule = stepSchedule([at / total], 0.5);
      if (at > 0) expect(schedule(at - 1, total), `${at} of ${total}`).toBe(1);
      if (at < total) expect(schedule(at, total), `${at} of ${total}`).toBe(0.5);
    }
  }
});

test('milestones in hundredths fall on the step that they name', () => {
  for (let hundredth = 1; hundredth < 100; hundredth++) {
    // Written as a decimal: 0.07, 0.28, 0.55, ... are not the quotients that a program divides out.
    const milestone = Number(`0.${String(hundredth).padStart(2, '0')}`);
    for (const total of [100, 200, 300, 700, 1000]) {
      const schedule = stepSchedule([milestone], 0.1);
      const at = (hundredth * total) / 100;
      expect([schedule(at - 1, total), schedule(at, total)], `${milestone} of ${total}`).toEqual([1, 0.1]);
    }
  }
});

test('a warm-up rises to the peak, and the schedule behind it has the steps that are left', () => {
  const factors = Array.from({ length: 50 }, (_, step) => warmUp(0.2, cosineSchedule())(step, 50));
  expect(factors.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, step) => (step + 1) / 10));
  expect(factors.slice(10)).toEqual(Array.from({ length: 40 }, (_, step) => cosineSchedule()(step, 40)));
  expect(Math.max(...factors)).toBe(1);
  // 3 of 7 epochs of 10 steps; 3 / 7 * 70 is not 30.
  expect(warmUp(3 / 7, oneCycleSchedule())(29, 70)).toBe(1);
  expect(warmUp(3 / 7, oneCycleSchedule())(30, 70)).toBe(oneCycleSchedule()(0, 40));
  expect(warmUp(3 / 7, oneCycleSchedule())(69, 70)).toBe(4e-6);
  expect(warmUp(0, linearSchedule())(3, 10)).toBe(linearSchedule()(3, 10));
  expect(warmUp(1, linearSchedule())(9, 10)).toBe(1);
});

test('every schedule stays within its bounds, in trainings of any length', () => {
  for (const name of SCHEDULE_NAMES) {
    for (const total of [1, 2, 3, 4, 5, 10, 11, 300, 301]) {
      for (let step = 0; step < total; step++) {
        const factor = scheduleNamed(name)(step, total);
        expect(factor, `${name}, step ${step} of ${total}`).toBeGreaterThanOrEqual(0);
        expect(factor, `${name}, step ${step} of ${total}`).toBeLessThanOrEqual(1);
      }
    }
  }
});

describe('what cannot mean anything is refused', () => {
  const schedules = { constantSchedule, one: oneCycleSchedule(), warm: warmUp(0.1, cosineSchedule()) };
  test.each<[string, () => unknown, RegExp]>([
    ['a step before the first', () => schedules.one(-1, 10), /oneCycleSchedule: step .*at most 10, not -1/],
    ['a step behind the last', () => linearSchedule()(11, 10), /linearSchedule: step .*at most 10, not 11/],
    ['a step that is no number', () => constantSchedule(Number.NaN, 10), /step .*not NaN/],
    ['no steps', () => schedules.warm(0, 0), /warmUp: totalSteps .*at least 1, not 0/],
    ['a fraction of steps', () => cosineSchedule()(0, 2.5), /cosineSchedule: totalSteps .*not 2\.5/],
    ['a milestone in steps', () => stepSchedule([30]), /stepSchedule: milestones\[0\] .*at most 1, not 30/],
    ['a milestone alone', () => stepSchedule(0.5 as any), /milestones must be an array, not 0\.5/],
    ['a factor below 0', () => stepSchedule([0.5], -1), /factor .*not -1/],
    ['a rise above 1', () => oneCycleSchedule(1.5), /rise .*not 1\.5/],
    ['a final factor below 0', () => linearSchedule(-0.1), /final .*not -0\.1/],
    ['an infinite final factor', () => cosineSchedule(Infinity), /final .*not Infinity/],
    ['a share above 1', () => warmUp(2, cosineSchedule()), /warmUp: share .*not 2/],
    ['nothing behind a warm-up', () => warmUp(0.1, undefined as any), /then must be a schedule, not undefined/],
    ['a name', () => scheduleNamed('triangle'), /no schedule "triangle"/],
    ['a name that every object has', () => scheduleNamed('constructor'), /no schedule "constructor"/],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(UsageError);
    expect(call).toThrow(message);
  });
});
