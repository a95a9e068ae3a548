/**
 * The roofline picture of a run, made from its results: every kernel of ours below (or above) what the device was measured
 * to do at most in the same run, and the others' pale beside it.
 */
import { rename, writeFile } from 'node:fs/promises';
import { UsageError } from '../src/devices/errors.ts';
import type { Roofline } from '../src/kernels/ceilings/roofline.ts';
import { type RooflinePoint, rooflineChart } from '../src/report/roofline-chart.ts';
import { type Ceilings, rooflineOf } from './ceilings.ts';
import { rooflineShare } from './gates.ts';
import { isNamed, type Results, type Row } from './results.ts';
import { threeDigits } from './table.ts';

/** Triads whose rates differ by less are one line: they come from one level of memory. */
const SAME_LEVEL = 1.3;

export const rooflinePath = (results: string): string => `${results.replace(/\.json$/, '')}-roofline.svg`;

/** One slope for each level of memory, from small arrays to large ones; its rate is the median of its triads. */
export function memoryLevels({ triad }: Roofline): { name: string; rate: number }[] {
  const levels: { footprint: number; rate: number }[][] = [];
  for (const point of triad) {
    const level = levels.at(-1);
    const ratio = level ? Math.max(level[0].rate / point.rate, point.rate / level[0].rate) : Number.POSITIVE_INFINITY;
    if (level && ratio < SAME_LEVEL) level.push(point);
    else levels.push([point]);
  }
  return levels.map(level => {
    const { rate } = [...level].sort((a, b) => a.rate - b.rate)[level.length >> 1];
    const ends = [level[0], level[level.length - 1]];
    const [least, most] = ends.map(({ footprint }) => Number((footprint / 2 ** 20).toPrecision(3)));
    return { name: `over arrays of ${least === most ? most : `${least} to ${most}`} MiB`, rate };
  });
}

/**
 * The picture, or undefined where there is none to draw: no ceilings were measured, or no kernel.
 * @throws UsageError when kernels on a GPU's driver would stand under the roof of the processor
 */
export function drawRoofline({ date, machine, device, ceilings, rows }: Results): string | undefined {
  if (!ceilings) return undefined;
  if (device.kind === 'webgpu' && ceilings.adapter === undefined) {
    throw new UsageError('These results hold the ceilings of the processor, not of the adapter: run the bench again.');
  }
  const kernels = rows.filter(({ flops, bytes, footprint }) => flops > 0 && bytes > 0 && footprint > 0);
  const groups = [...new Set(kernels.map(({ group }) => group))]
    .map(name => ({
      name,
      points: kernels.filter(({ group }) => group === name).flatMap(row => ownPoint(row, ceilings)),
    }))
    .filter(({ points }) => points.length > 0);
  if (groups.length === 0) return undefined;
  const others = kernels.flatMap(row => row.outcomes.flatMap(outcome => peerPoint(row, outcome)));
  const names = [...new Set(others.map(({ contender }) => contender))].sort();
  const { separate, fused = 0 } = ceilings.arithmetic[ceilings.arithmetic.length - 1];
  const peaks = [
    { name: `${threeDigits(separate)} GFLOP/s, multiply + add`, rate: separate },
    ...(fused > 0 ? [{ name: `${threeDigits(fused)} GFLOP/s, fused multiply-add`, rate: fused }] : []),
  ].sort((a, b) => b.rate - a.rate);
  // Lines that lie on each other say no more than one.
  const apart = peaks.filter(({ rate }, i) => i === 0 || peaks[0].rate / rate > 1.1);
  return rooflineChart({
    title: `Roofline: ${device.description}${device.kind === 'webgpu' ? '' : `, ${machine.processor}`}, ${date.slice(0, 10)}`,
    peaks: apart,
    slopes: memoryLevels(rooflineOf(ceilings)),
    groups,
    ...(names.length > 0 && { others: { name: `others: ${names.join(', ')}`, points: others } }),
    note:
      'Work is that of the plain algorithm, so Winograd convolutions may stand above the roof. Behind a name: the time that ' +
      'the roof allows for arrays of its size, over the time it takes. Roof and kernels were measured in one run.',
  });
}

function ownPoint(row: Row, ceilings: Ceilings): RooflinePoint[] {
  const outcome = row.outcomes.find(({ contender }) => isNamed(contender, 'weft'));
  if (!outcome || !('timing' in outcome)) return [];
  const { median } = outcome.timing;
  const { share, bound } = rooflineShare(ceilings, row, median);
  const remark = `${(100 * share).toFixed(0)} % ${bound === 'memory' ? 'mem' : 'fma'}`;
  return [{ ...placeOf(row, median), name: nameWithin(row), remark }];
}

function peerPoint(row: Row, outcome: Row['outcomes'][number]): (RooflinePoint & { contender: string })[] {
  const { contender } = outcome;
  if (contender.startsWith('weft') || !('timing' in outcome)) return [];
  return [{ ...placeOf(row, outcome.timing.median), name: `${contender}, ${row.id}`, contender }];
}

/** A row's name without what the heading of its group says: `3x3 32-64 @28` under `conv2d forward`. */
function nameWithin({ id, group }: Row): string {
  const kind = group.replace(/^\S+ /, '');
  return id.replace(new RegExp(`^${group}( \\+)? `), '').replace(new RegExp(` ${kind}$`), '');
}

const placeOf = ({ flops, bytes }: Row, milliseconds: number): { intensity: number; rate: number } => ({
  intensity: flops / bytes,
  rate: (flops / milliseconds) * 1e-6,
});

/** Draws the picture beside the results; returns whether there was one to draw. */
export async function writeRoofline(resultsPath: string, results: Results): Promise<boolean> {
  const picture = drawRoofline(results);
  if (picture === undefined) return false;
  const path = rooflinePath(resultsPath);
  await writeFile(`${path}.unfinished`, `${picture}\n`);
  await rename(`${path}.unfinished`, path);
  return true;
}
