/**
 * LIME: which pieces of an image carry a decision, read off a linear model of the network around that image. Pieces are
 * switched off at random, the network says what it thinks of each altered image, and a ridge regression, in which images
 * close to the whole one count more, gives each piece a weight. The linear model is an approximation, so its fit always
 * comes along: the weighted R^2 on altered images that it was not fitted to (the fit to noise itself is perfect where there are
 * more pieces than altered images), what it predicts for the image, and how often switching pieces off changed the class at
 * all (where it hardly ever does, there was nothing to learn from). A piece that equals what stands in for it is left out, with
 * a weight of exactly 0: switching it changes nothing.
 *
 * M. T. Ribeiro, S. Singh, C. Guestrin: "Why should I trust you?" Explaining the predictions of any classifier. KDD 2016.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { predictedClasses, softmaxRows } from '../train/scores.ts';
import {
  type Attribution,
  type ExplainOptions,
  explainedImages,
  type FloatArray,
  readLogits,
  targetRows,
} from './attribution.ts';
import { type Baseline, coalitionScores, masksOfAll, varyingPlayers } from './coalitions.ts';
import { checkImages, imageRows, newLike } from './evaluation.ts';
import { checkCount } from './player-attribution.ts';
import type { BlackBox } from './predict.ts';
import { DEFAULT_SEGMENTS, type Segmentation, type Segments, segmentImages } from './segmentation/index.ts';
import { checkPenalty, fitLinear, type LinearFit, proximity } from './surrogate.ts';

export interface LimeOptions extends ExplainOptions {
  /** How images are cut: SLIC superpixels (the default), a grid, or segments of your own, for all images or one each. */
  readonly segments?: Segmentation;
  /** About how many segments SLIC and the grid make. Default 50. */
  readonly segmentCount?: number;
  /** Altered images per image, the image itself among them. Default 1000. */
  readonly samples?: number;
  /**
   * What stands where a segment is switched off. Default 0, black. With segments that follow edges, each segment's own mean
   * ('own-mean') changes so little that the class hardly ever flips and R^2 flatters.
   */
  readonly baseline?: Baseline;
  /** Of the exponential kernel on cosine distance. Default 0.25. */
  readonly kernelWidth?: number;
  /** Ridge penalty. Default 1. */
  readonly alpha?: number;
  /** What the function gives: logits (the default), of which the softmax is explained, or probabilities already. */
  readonly outputs?: 'logits' | 'probabilities';
  /** How many of the likeliest classes get a linear model, all from the same altered images. Default 5. */
  readonly topClasses?: number;
  readonly seed?: number;
}

/** The linear model of one class. */
export interface LimeClass extends LinearFit {
  readonly label: number;
  /** Of the image as it is. */
  readonly probability: number;
}

/** `values` holds each pixel's segment weight, divided among the pixel's channels so that they add up to it. */
export interface LimeAttribution extends Attribution {
  /** Of each image. */
  readonly segments: readonly Segments[];
  /** Of each image: its likeliest classes, the likeliest first, and the class explained if it is not one of them. */
  readonly classes: readonly (readonly LimeClass[])[];
  /** Of each image: the linear model of the class explained. */
  readonly explained: readonly LimeClass[];
  /** Of each image: the share of its altered images that are taken for another class than the image. */
  readonly changed: Float64Array;
}

const LIME_STREAM = streamNamed('lime');

/**
 * Which segments are there in each altered image: [samples, players], every bit a fair coin, the first row all ones.
 * The same seed gives the same masks whichever image they are for.
 */
export function limeMasks(samples: number, players: number, seed = 0): Uint8Array {
  if (!Number.isInteger(samples) || samples < 2)
    throw new UsageError(`LIME needs a whole number of at least 2 samples, not ${samples}.`);
  checkCount(players, 0, 'The segments of LIME');
  const random = new PhiloxStream(seed, LIME_STREAM);
  const masks = new Uint8Array(samples * players).fill(1, 0, players);
  for (let i = players; i < masks.length; i++) masks[i] = random.nextUint32() >>> 31;
  return masks;
}

/**
 * Explains images by linear models over their segments.
 *
 * @param f a model, or any function of images [N, H, W, C] to scores [N, classes]
 * @param x images [N, H, W, C]
 * @returns values [N, H, W, C]; `prediction` is what `f` gave for the class explained
 * @throws UsageError for options out of range, or outputs that are not what `outputs` says
 */
export async function lime(f: BlackBox, x: Tensor, options: LimeOptions = {}): Promise<LimeAttribution> {
  const { segments, segmentCount = DEFAULT_SEGMENTS, samples = 1000, seed = 0 } = options;
  const { kernelWidth = 0.25, alpha = 1, outputs = 'logits', topClasses = 5 } = options;
  limeMasks(samples, 0, seed);
  checkPenalty(alpha);
  if (!(kernelWidth > 0)) throw new UsageError(`The kernel width of LIME is a positive number, not ${kernelWidth}.`);
  if (!Number.isInteger(topClasses) || topClasses < 1)
    throw new UsageError(`topClasses must be a whole number of at least 1, not ${topClasses}.`);
  if (outputs !== 'logits' && outputs !== 'probabilities')
    throw new UsageError(`The outputs of what is explained are 'logits' or 'probabilities', not '${outputs}'.`);
  checkImages(x);
  if (x.rank !== 4) throw new ShapeError(`LIME explains images [N, H, W, C], not ${formatShape(x.shape)}.`);
  const { shape } = x;
  const [images, , , channels] = shape;
  const pixels = (await x.data()) as FloatArray;
  const cuts = segmentImages({ values: pixels, shape }, segments, segmentCount);
  const said = explainedImages(images);
  const values = newLike(pixels, x.size);
  const changed = new Float64Array(images);
  const classes: LimeClass[][] = [];
  const explained: LimeClass[] = [];

  for (let image = 0; image < images; image++) {
    const { labels, count } = cuts[image];
    const { scores, masks, rows, varying } = await alteredScores(f, x, image, cuts[image], options);
    const outputCount = scores.length / rows;
    const whole = scores.subarray(0, outputCount);
    readLogits(said, image, whole, outputCount, targetRows(options.target, image, 1, images));
    const target = said.target[image];
    const probabilities = probabilitiesOf(scores, outputCount, outputs);
    const labelsOfModels = topLabels(probabilities.subarray(0, outputCount), topClasses, target);
    const models = fitLinear(
      masks,
      varying.length,
      labelsOfModels.map(label =>
        Float64Array.from({ length: rows }, (_, k) => probabilities[k * outputCount + label]),
      ),
      proximities(masks, rows, varying.length, kernelWidth),
      alpha,
    ).map((fit, i): LimeClass => {
      const weights = new Float64Array(count);
      for (const [k, segment] of varying.entries()) weights[segment] = fit.weights[k];
      return { label: labelsOfModels[i], probability: probabilities[labelsOfModels[i]], ...fit, weights };
    });
    const model = models.find(({ label }) => label === target)!;
    classes.push(models);
    explained.push(model);
    changed[image] = shareChanged(scores, outputCount);
    const start = image * labels.length * channels;
    for (let i = 0; i < labels.length * channels; i++)
      values[start + i] = model.weights[labels[Math.floor(i / channels)]] / channels;
  }
  return { method: 'lime', values, shape, ...said, segments: cuts, classes, explained, changed };
}

/** What the box says of one image with segments switched off. */
interface AlteredScores {
  /** Scores [rows, classes]; the first row is of the image as it is. */
  readonly scores: Float64Array;
  /** [rows, varying segments] */
  readonly masks: Uint8Array;
  readonly rows: number;
  /** The segments that differ from what stands in for them. */
  readonly varying: Int32Array;
}

async function alteredScores(
  f: BlackBox,
  x: Tensor,
  image: number,
  segments: Segments,
  { baseline, batchSize, samples = 1000, seed = 0 }: LimeOptions,
): Promise<AlteredScores> {
  const one = tidy(() => imageRows(x, image, 1));
  try {
    const varying = await varyingPlayers(one, segments, baseline);
    const rows = varying.length === 0 ? 1 : samples;
    const masks = limeMasks(samples, varying.length, seed);
    const all =
      varying.length === 0 ? new Uint8Array(segments.count).fill(1) : masksOfAll(masks, varying, segments.count);
    const scores = await coalitionScores(f, one, segments, all, { baseline, batchSize });
    return { scores, masks, rows, varying };
  } finally {
    one.dispose();
  }
}

/** Scores [K, classes] as probabilities; what cannot be what `outputs` says is refused. */
function probabilitiesOf(scores: Float64Array, classes: number, outputs: 'logits' | 'probabilities'): Float64Array {
  const isShare = scores.every(score => score >= -1e-6 && score <= 1 + 1e-6);
  if (outputs === 'probabilities') {
    if (isShare) return scores;
    throw new UsageError("Some outputs are outside [0, 1], so they are no probabilities; say outputs: 'logits'.");
  }
  if (classes === 1)
    throw new UsageError("One logit per image has no softmax; give probabilities and say outputs: 'probabilities'.");
  const rowSum = (row: number) => scores.subarray(row * classes, (row + 1) * classes).reduce((a, b) => a + b, 0);
  if (
    isShare &&
    Array.from({ length: scores.length / classes }, (_, k) => rowSum(k)).every(sum => Math.abs(sum - 1) < 1e-4)
  )
    throw new UsageError("Every row of outputs adds up to 1: these are probabilities; say outputs: 'probabilities'.");
  return softmaxRows(scores, classes);
}

/** The `count` likeliest classes, the likeliest first, and `target`. */
function topLabels(probabilities: Float64Array, count: number, target: number): number[] {
  const top = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b).slice(0, count);
  return top.includes(target) ? top : [...top, target];
}

function proximities(masks: Uint8Array, rows: number, players: number, width: number): Float64Array {
  // Without players there is the whole image only, at no distance from itself.
  if (players === 0) return new Float64Array(rows).fill(1);
  return Float64Array.from({ length: rows }, (_, k) => {
    let present = 0;
    for (let i = 0; i < players; i++) present += masks[k * players + i];
    return proximity(present, players, width);
  });
}

/** The share of the altered images whose class is not that of the first, the whole image. */
function shareChanged(scores: Float64Array, classes: number): number {
  const [whole, ...altered] = predictedClasses(scores, classes);
  if (altered.length === 0) return 0;
  return altered.reduce((changed, label) => changed + Number(label !== whole), 0) / altered.length;
}
