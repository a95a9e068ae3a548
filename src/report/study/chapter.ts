/**
 * What chapters of the study's report have in common: where their figures come from, and how numbers are written. A
 * chapter is made of a result (plain JSON) and the figures that were drawn with it, so that a report can be put together
 * again without computing anything.
 */
import { DataError } from '../../devices/errors.ts';
import type { Block } from '../html.ts';

/** Reads a file of the chapter's `figures/` folder; throws where it is not there. */
export type FigureSource = (file: string) => { svg: string } | { png: Uint8Array };

/** 0.9215 as 92.15 %. */
export const percent = (share: number, digits = 2): string => `${(100 * share).toFixed(digits)} %`;

/** Both ends of a 95 % interval of a share. */
export const interval = ([low, high]: readonly [number, number]): string =>
  `${(100 * low).toFixed(2)} to ${(100 * high).toFixed(2)} %`;

/** Whole numbers with a comma between thousands. */
export const whole = (value: number): string => value.toLocaleString('en-US');

/** 75 as 1:15 min, 3.2 as 3.2 s. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const all = Math.round(seconds);
  return `${Math.floor(all / 60)}:${String(all % 60).padStart(2, '0')} min`;
}

/** 1 epoch, 3 epochs. */
export const counted = (number: number, unit: string): string => `${whole(number)} ${unit}${number === 1 ? '' : 's'}`;

/** What a result names of its figures. Throws DataError for a stage that was done without a drawing. */
export function drawn<T>(named: T | undefined): T {
  if (named === undefined) throw new DataError('its stage was done without a drawing, so it has no figures.');
  return named;
}

/** A figure with the words that go with it. */
export function shown(figure: FigureSource, file: string | undefined, caption: string, width?: number): Block {
  const content = figure(drawn(file));
  return 'svg' in content
    ? { kind: 'figure', caption, ...content }
    : { kind: 'figure', caption, ...content, ...(width !== undefined && { width }) };
}
