/** One point after the other, one force after the other. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { philoxBlock } from '../random/philox.ts';
import { LEAST_SQUARE, LONGEST_FORCE, SOFTENING, type UmapEpochParams, umapSizes } from './umap.ts';

const limited = (force: number): number => Math.max(-LONGEST_FORCE, Math.min(LONGEST_FORCE, force));

/** Whether an edge is due in this epoch, as float32 sees it. */
function isDue(rate: number, epoch: number): boolean {
  return Math.floor(Math.fround((epoch + 1) * rate)) > Math.floor(Math.fround(epoch * rate));
}

export function umapEpochReference(
  [y, starts, columns, rates, others, settings, state]: readonly TypedArray[],
  [moved]: readonly TypedArray[],
  specs: readonly Spec[],
  { negatives }: UmapEpochParams,
): void {
  const sizes = umapSizes(specs);
  const [a, b, step, repulsion, pulls] = settings;
  const [seed, stream, epoch] = state;
  const blocks = new Uint32Array(16);
  for (let i = 0; i < sizes.points; i++) {
    let [x0, y0] = [y[2 * i], y[2 * i + 1]];
    let due = 0;
    for (let entry = starts[i]; entry < starts[i + 1]; entry++) {
      if (!isDue(rates[entry], epoch)) continue;
      due++;
      const j = columns[entry];
      for (let pull = 0; pull < pulls; pull++) {
        const [dx, dy] = [x0 - others[2 * j], y0 - others[2 * j + 1]];
        const square = Math.max(dx * dx + dy * dy, LEAST_SQUARE);
        const power = square ** b;
        const force = (-2 * a * b * power) / square / (1 + a * power);
        x0 += step * limited(force * dx);
        y0 += step * limited(force * dy);
      }
    }
    for (let first = 0; first < due * negatives; first += 4) {
      const word = (first >> 2) % 4;
      if (word === 0) {
        for (let lane = 0; lane < 4; lane++)
          philoxBlock(blocks, 4 * lane, (first >> 2) + lane, i, epoch, 0, seed, stream);
      }
      let [forceX, forceY] = [0, 0];
      for (let lane = 0; lane < 4 && first + lane < due * negatives; lane++) {
        const j = Math.floor((blocks[4 * lane + word] * sizes.others) / 2 ** 32);
        const [dx, dy] = [x0 - others[2 * j], y0 - others[2 * j + 1]];
        const square = Math.max(dx * dx + dy * dy, LEAST_SQUARE);
        const force = (2 * repulsion * b) / ((SOFTENING + square) * (1 + a * square ** b));
        forceX += limited(force * dx);
        forceY += limited(force * dy);
      }
      x0 += step * forceX;
      y0 += step * forceY;
    }
    moved[2 * i] = x0;
    moved[2 * i + 1] = y0;
  }
}
