/**
 * KernelSHAP: Shapley values of any function as the weighted least-squares fit of an additive model to what the function
 * says about coalitions of players. With every coalition it is exact; with a budget it needs far fewer evaluations than
 * there are coalitions, and its values add up to f(x) - E f all the same.
 */
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { FloatArray } from './attribution.ts';
import { coalitionScores, masksOfAll, type Players, varyingPlayers } from './coalitions.ts';
import { checkImages } from './evaluation.ts';
import { RunningMoments } from './gradients.ts';
import { keysOf } from './image-keys.ts';
import { defaultBudget, kernelCoalitions, properCoalitions, type WeightedCoalitions } from './kernel-coalitions.ts';
import { solvePositive } from './least-squares.ts';
import {
  checkCount,
  nobodyPlays,
  type PlayerAttribution,
  type PlayerOptions,
  type PlayerValues,
  playerAttribution,
  valuesOfAll,
} from './player-attribution.ts';
import { explainEach } from './players.ts';
import type { BlackBox } from './predict.ts';

export interface KernelShapOptions extends PlayerOptions {
  /**
   * Most coalitions to evaluate besides the empty and the full one. Default 2 M + 2048; at most 2^M - 2, for M players that
   * differ from the baseline.
   */
  readonly samples?: number;
  readonly seed?: number;
  /**
   * Independent runs to average, each with coalitions of its own; from two on there are standard errors. Default 1. Has no
   * effect where every coalition is evaluated anyway.
   */
  readonly repeats?: number;
}

export interface KernelShapAttribution extends PlayerAttribution {
  /** Per image: every coalition was evaluated, so the values are Shapley values but for rounding. */
  readonly isExact: readonly boolean[];
}

/**
 * SHAP values of players by weighted least squares over coalitions, without regularisation. Every class is explained from
 * the same evaluations (`images[i].values`; `forTarget` shows another one). Players that equal the baseline do not play and
 * get exactly 0. The coalitions follow from the seed and the image alone, wherever it stands in the batch.
 *
 * S. M. Lundberg, S.-I. Lee: A unified approach to interpreting model predictions. NeurIPS 2017. (shap: KernelExplainer,
 * with l1_reg=False.)
 *
 * @param f a model (its logits), or any function of images [N, ...] to scores [N, K]
 * @param x images [N, ...]
 * @throws UsageError, ShapeError for options that do not fit; NonFiniteError for a score that is not finite
 * @example
 * const { values, playerValues } = await kernelShap(model, x, { segments: 'grid', baseline: background });
 */
export async function kernelShap(
  f: BlackBox,
  x: Tensor,
  options: KernelShapOptions = {},
): Promise<KernelShapAttribution> {
  const { seed = 0, target, baseline, batchSize } = options;
  const repeats = checkCount(options.repeats ?? 1, 1, 'The repeats of KernelSHAP');
  if (options.samples !== undefined) checkCount(options.samples, 2, 'The coalitions that KernelSHAP evaluates');
  const isExact: boolean[] = [];
  checkImages(x);
  const keys = keysOf(options.keys, (await x.data()) as FloatArray, x.shape[0]);
  const images = await explainEach(x, options, async (image, players, index) => {
    const playing = await varyingPlayers(image, players, baseline);
    const { length: count } = playing;
    if (count === 0) {
      isExact.push(true);
      return nobodyPlays(f, image, players, batchSize);
    }
    const budget = options.samples ?? defaultBudget(count);
    const random = new PhiloxStream(seed, streamNamed('kernel-shap'), keys[index]);
    const exact = budget >= properCoalitions(count);
    const runs: PlayerValues[] = [];
    for (let run = 0; run < (exact ? 1 : repeats); run++) {
      const coalitions = kernelCoalitions(count, budget, random);
      const masks = masksOfAll(withEnds(coalitions.masks, count), playing, players.count);
      const scores = await coalitionScores(f, image, players, masks, { baseline, batchSize });
      runs.push(shapleyRegression({ ...players, count }, coalitions, scores));
    }
    isExact.push(exact);
    return valuesOfAll(runs.length === 1 ? runs[0] : average(runs), playing, players);
  });
  return { ...playerAttribution('kernel-shap', x.shape, images, target), isExact };
}

/** The full and the empty coalition, then the others. */
function withEnds(masks: Uint8Array, players: number): Uint8Array {
  const all = new Uint8Array(2 * players + masks.length).fill(1, 0, players);
  all.set(masks, 2 * players);
  return all;
}

/**
 * The additive model nearest to the scores of the coalitions, made to agree with the full and the empty one: the last
 * player's value is what the others leave, which turns the constraint into a smaller free problem.
 *
 * @param scores [2 + K, classes]: full, empty, then the coalitions
 */
export function shapleyRegression(
  players: Players,
  { masks, weights }: WeightedCoalitions,
  scores: Float64Array,
): PlayerValues {
  const { count } = players;
  const classes = scores.length / (2 + weights.length);
  const [present, absent] = [scores.slice(0, classes), scores.slice(classes, 2 * classes)];
  const unknowns = count - 1;
  const normal = new Float64Array(unknowns * unknowns);
  const right = new Float64Array(unknowns * classes);
  const active = new Int32Array(unknowns);
  for (let k = 0; k < weights.length; k++) {
    // The row is z_i - z_last against f(z) - f(empty) - z_last (f(full) - f(empty)). Where the last player is present, row
    // and score change their sign, so that a row has ones and zeros only.
    const last = masks[k * count + unknowns];
    let ones = 0;
    for (let i = 0; i < unknowns; i++) if (masks[k * count + i] !== last) active[ones++] = i;
    const weight = weights[k];
    for (let a = 0; a < ones; a++) {
      const row = active[a] * unknowns;
      for (let b = 0; b <= a; b++) normal[row + active[b]] += weight;
    }
    for (let c = 0; c < classes; c++) {
      const score = scores[(2 + k) * classes + c];
      const gain = weight * (last === 0 ? score - absent[c] : present[c] - score);
      for (let a = 0; a < ones; a++) right[active[a] * classes + c] += gain;
    }
  }
  const { values: solved } = solvePositive(normal, right, unknowns);
  const values = new Float64Array(classes * count);
  for (let c = 0; c < classes; c++) {
    let rest = present[c] - absent[c];
    for (let i = 0; i < unknowns; i++) {
      const value = solved[i * classes + c];
      values[c * count + i] = value;
      rest -= value;
    }
    values[c * count + unknowns] = rest;
  }
  return { players, values, present, absent, coalitions: 2 + weights.length };
}

/** The mean of independent runs, and its standard error. */
function average(runs: readonly PlayerValues[]): PlayerValues {
  const moments = new RunningMoments(runs[0].values.length);
  for (const { values } of runs) moments.add(values);
  const { mean, standardError } = moments.summary();
  const coalitions = runs.reduce((sum, run) => sum + run.coalitions, 0);
  return { ...runs[0], values: mean, standardError, coalitions };
}
