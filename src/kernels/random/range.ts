/**
 * Uniform numbers between two bounds, as float32. low + (high - low) u is computed in float64, but rounding to float32 may
 * carry it onto `high`, or below `low` where that is no float32: such a number moves to the nearest one inside.
 */
import { UsageError } from '../../devices/errors.ts';

export const MAX_FLOAT32 = 3.4028234663852886e38;

export interface UniformRange {
  readonly low: number;
  readonly high: number;
  /** The least and greatest float32 of [low, high). */
  readonly least: number;
  readonly most: number;
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The float32 beside `x`, which is one, in the direction of `step` (1: up, -1: down). */
function neighbour(x: number, step: 1 | -1): number {
  if (x === 0) return step * 2 ** -149;
  float[0] = x;
  word[0] += x > 0 === step > 0 ? 1 : -1;
  return float[0];
}

/**
 * The numbers that `uniformIn` draws from: [low, high), or `low` alone where both are one.
 * @throws UsageError when a bound is no finite float32, `high` is below `low`, or no float32 lies in [low, high)
 */
export function uniformRange(what: string, low: number, high: number): UniformRange {
  for (const [name, bound] of Object.entries({ low, high })) {
    if (!(typeof bound === 'number' && Math.abs(bound) <= MAX_FLOAT32)) {
      throw new UsageError(`${what}: ${name} must be a finite number of float32, not ${String(bound)}.`);
    }
  }
  if (high < low) throw new UsageError(`${what}: high must be at least low, ${low}, not ${high}.`);
  const [lowest, highest] = [Math.fround(low), Math.fround(high)];
  if (low === high) return { low, high, least: lowest, most: lowest };
  const least = lowest < low ? neighbour(lowest, 1) : lowest;
  const most = highest < high ? highest : neighbour(highest, -1);
  if (least > most) throw new UsageError(`${what}: no float32 lies between low, ${low}, and high, ${high}.`);
  return { low, high, least, most };
}

/** The float32 of a range at `u` of [0, 1). */
export function uniformIn({ low, high, least, most }: UniformRange, u: number): number {
  return Math.min(Math.max(Math.fround(low + (high - low) * u), least), most);
}

/** More standard deviations than a normal number of `PhiloxStream` is ever away from the mean: sqrt(66 ln 2). */
const MOST_DEVIATIONS = 6.77;

/** Throws UsageError unless every normal number with this mean and standard deviation is a finite float32. */
export function checkNormal(what: string, mean: number, std: number): void {
  if (!Number.isFinite(mean)) throw new UsageError(`${what}: mean must be a finite number, not ${String(mean)}.`);
  if (!(Number.isFinite(std) && std >= 0)) {
    throw new UsageError(`${what}: std must be a finite number of at least 0, not ${String(std)}.`);
  }
  if (Math.abs(mean) + MOST_DEVIATIONS * std > MAX_FLOAT32) {
    throw new UsageError(
      `${what}: with mean ${mean} and std ${std} numbers would leave float32, which ends at 3.4e38; they lie within ` +
        `${MOST_DEVIATIONS} standard deviations of the mean.`,
    );
  }
}
