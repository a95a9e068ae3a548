/** Cooperative games as black boxes: what a coalition is worth is looked up or computed from which players are there. */
import type { Predict } from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';

/**
 * An input of `players` ones, and a function that sees which of them are left (baseline 0) and answers with one score per
 * worth. Asynchronous, as a black box may be.
 */
export function gameOf(
  device: w.Device,
  players: number,
  ...worths: ((coalition: readonly boolean[]) => number)[]
): { f: Predict; x: w.Tensor } {
  const f: Predict = async batch => {
    const rows = await batch.data();
    const scores = new Float64Array((rows.length / players) * worths.length);
    for (let row = 0; row < rows.length / players; row++) {
      const coalition = Array.from({ length: players }, (_, i) => rows[row * players + i] !== 0);
      worths.forEach((worth, c) => {
        scores[row * worths.length + c] = worth(coalition);
      });
    }
    return w.tensor(scores, [rows.length / players, worths.length], { device });
  };
  return { f, x: w.ones([1, players], { device }) };
}

/** Coalition as a number: bit i for player i. */
export const codeOf = (coalition: readonly boolean[]): number =>
  coalition.reduce((code, isPresent, i) => code + Number(isPresent) * 2 ** i, 0);
