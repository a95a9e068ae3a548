/**
 * Numbers in kernel parameters. Parameters are JSON (plans are cached by their text), and JSON has no NaN and no infinity:
 * both become `null`, so a fill with one would be taken for a fill with the other. Where a kernel accepts such values they
 * are spelled out.
 */
import { UsageError } from '../devices/errors.ts';

export type ParameterNumber = number | 'NaN' | 'Infinity' | '-Infinity';

/** Spells a number so that it survives JSON. */
export function parameterNumber(value: number): ParameterNumber {
  return Number.isFinite(value) ? value : (String(value) as ParameterNumber);
}

/** The number that was spelled; throws UsageError for a bare NaN or infinity, which the plan cache would confuse. */
export function numberOf(value: ParameterNumber, what: string): number {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new UsageError(`${what}: ${value} must be passed through parameterNumber().`);
  }
  return Number(value);
}
