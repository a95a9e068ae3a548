/** Expected metrics from scikit-learn and SciPy; `scripts/expected-metrics.py` makes the file and says with which versions. */
import { readFileSync } from 'node:fs';
import type { ReliabilityBin } from '../../src/train/calibration.ts';
import type { ClassMetrics, PrecisionRecallF1 } from '../../src/train/metrics.ts';

export interface ExpectedClassifier {
  name: string;
  classes: number;
  logits: number[];
  labels: number[];
  confusion: number[][];
  accuracy: number;
  ci95: [number, number];
  perClass: Omit<ClassMetrics, 'name' | 'predicted'>[];
  macro: PrecisionRecallF1;
  weighted: PrecisionRecallF1;
  top2: number;
  top3: number;
  nll: number;
  brier: number;
  ece: number;
  reliability: Omit<ReliabilityBin, 'low' | 'high'>[];
  temperature: number;
  nllAtTemperature: number;
}

interface Expected {
  madeWith: string;
  classifiers: ExpectedClassifier[];
  binaryBrier: { probability: number[]; labels: number[]; brier: number };
  detection: { positives: number[]; negatives: number[]; auroc: number; aupr: number; fprAt95: number }[];
  spearman: { a: number[]; b: number[]; rho: number; ranks: number[] }[];
  mcnemar: { onlyFirst: number; onlySecond: number; pValue: number }[];
  wilson: { hits: number; trials: number; low: number; high: number }[];
  student: { level: number; freedom: number; reach: number }[];
}

export const expected = JSON.parse(readFileSync(new URL('expected-metrics.json', import.meta.url), 'utf8')) as Expected;

/** The greatest relative difference (below 1: absolute) between numbers in the same places; infinite where one lacks. */
export function difference(actual: unknown, wanted: unknown): number {
  if (typeof wanted === 'number' && typeof actual === 'number') {
    return Math.abs(actual - wanted) / Math.max(1, Math.abs(wanted));
  }
  if (wanted === null || typeof wanted !== 'object') return actual === wanted ? 0 : Number.POSITIVE_INFINITY;
  if (actual === null || typeof actual !== 'object') return Number.POSITIVE_INFINITY;
  let greatest = 0;
  for (const [key, value] of Object.entries(wanted)) {
    greatest = Math.max(greatest, difference((actual as Record<string, unknown>)[key], value));
  }
  return greatest;
}
