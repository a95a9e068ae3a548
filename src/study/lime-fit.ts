/** How far LIME's explanations can be believed, as numbers beside them. */
import type { Attribution, LimeAttribution } from '../explain/index.ts';
import type { LimeFit } from './results.ts';

/** The figures that belong to every LIME explanation, as plain data; undefined for other methods. */
export function limeFit(attribution: Pick<Attribution, 'method'>): LimeFit | undefined {
  if (attribution.method !== 'lime' || !('explained' in attribution)) return undefined;
  const { explained, changed } = attribution as LimeAttribution;
  return {
    r2: explained.map(({ r2 }) => r2),
    probability: explained.map(({ probability }) => probability),
    localPrediction: explained.map(({ localPrediction }) => localPrediction),
    changed: [...changed],
  };
}
