/** Order statistics of a handful of noisy timings: the median decides, the minimum and the 90th percentile show the spread. */

export interface Timing {
  readonly median: number;
  readonly min: number;
  readonly p90: number;
  readonly samples: number;
}

/** The value below which a share `q` of `values` lies, interpolated between neighbours (NumPy's default). */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new Error('quantile: no values.');
  const sorted = [...values].sort((a, b) => a - b);
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}

export function summarize(milliseconds: readonly number[]): Timing {
  return {
    median: quantile(milliseconds, 0.5),
    min: Math.min(...milliseconds),
    p90: quantile(milliseconds, 0.9),
    samples: milliseconds.length,
  };
}
