/**
 * How near points of a UMAP map are to each other: 1 / (1 + a d^2b), with a and b such that it is close to 1 up to a wanted least
 * distance and falls off exponentially beyond. Fitted by least squares at 300 distances as umap-learn does, by damped steps of
 * Gauss and Newton (K. Levenberg, 1944).
 */
import { UsageError } from '../devices/errors.ts';

const DISTANCES = 300;
const STEPS = 200;

/**
 * @param minDistance distance of points that belong together wholly, in units of the map
 * @param spread distance in which nearness falls off to 1 / e beyond it
 * @throws UsageError unless 0 <= minDistance <= spread, and spread > 0
 */
export function fitCurve(minDistance = 0.1, spread = 1): { readonly a: number; readonly b: number } {
  if (!(spread > 0 && Number.isFinite(spread)))
    throw new UsageError(`UMAP: a spread is a number above 0, not ${spread}.`);
  if (!(minDistance >= 0 && minDistance <= spread))
    throw new UsageError(`UMAP: a least distance is a number from 0 to the spread of ${spread}, not ${minDistance}.`);
  const distances = Array.from({ length: DISTANCES }, (_, i) => (3 * spread * i) / (DISTANCES - 1));
  const wanted = distances.map(d => (d < minDistance ? 1 : Math.exp(-(d - minDistance) / spread)));
  let [a, b, damping] = [1, 1, 1e-3];
  let error = errorOf(distances, wanted, a, b);
  for (let step = 0; step < STEPS && damping < 1e12; step++) {
    const [da, db] = stepOf(distances, wanted, a, b, damping);
    const [nextA, nextB] = [a + da, b + db];
    const next = nextA > 0 && nextB > 0 ? errorOf(distances, wanted, nextA, nextB) : Number.POSITIVE_INFINITY;
    if (next < error) {
      [a, b, error] = [nextA, nextB, next];
      damping /= 10;
    } else damping *= 10;
  }
  return { a, b };
}

const curve = (d: number, a: number, b: number): number => 1 / (1 + a * d ** (2 * b));

function errorOf(distances: readonly number[], wanted: readonly number[], a: number, b: number): number {
  return distances.reduce((sum, d, i) => sum + (curve(d, a, b) - wanted[i]) ** 2, 0);
}

/** The step that would end at the least squares if the curve were straight in a and b, shortened by the damping. */
function stepOf(
  distances: readonly number[],
  wanted: readonly number[],
  a: number,
  b: number,
  damping: number,
): [number, number] {
  let [aa, ab, bb, ra, rb] = [0, 0, 0, 0, 0];
  distances.forEach((d, i) => {
    if (d === 0) return;
    const value = curve(d, a, b);
    const slopeA = -(d ** (2 * b)) * value * value;
    const slopeB = 2 * a * Math.log(d) * slopeA;
    const rest = wanted[i] - value;
    aa += slopeA * slopeA;
    ab += slopeA * slopeB;
    bb += slopeB * slopeB;
    ra += slopeA * rest;
    rb += slopeB * rest;
  });
  aa *= 1 + damping;
  bb *= 1 + damping;
  const determinant = aa * bb - ab * ab;
  return [(bb * ra - ab * rb) / determinant, (aa * rb - ab * ra) / determinant];
}
