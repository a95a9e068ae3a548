/**
 * Infidelity: how far a map is from predicting what the logit does when the image is disturbed. A disturbance I changes
 * the logit by f(x) - f(x - I); a map says I . phi. Maps of different methods have different units, so each image's map
 * is scaled by the factor that suits it best before its squared error is taken.
 *
 * C.-K. Yeh, C.-Y. Hsieh, A. S. Suggala, D. I. Inouye, P. Ravikumar: On the (in)fidelity and sensitivity of explanations.
 * NeurIPS 2019.
 */
import { noGrad } from '../../autograd/index.ts';
import { ShapeError, UsageError } from '../../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../../kernels/random/philox.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { DEFAULT_BATCH, type Explainable, type FloatArray } from '../attribution.ts';
import { evaluate } from '../evaluation.ts';
import { imageKeys, keyOf } from '../image-keys.ts';
import {
  type HostImages,
  hostImages,
  type JudgedMaps,
  type JudgingOptions,
  judgedClasses,
  mapsOnPixels,
  scoreCopies,
} from './images.ts';

export interface InfidelityOptions extends JudgingOptions {
  /** Disturbances per image. Default 200. */
  readonly samples?: number;
  /** Their standard deviation. Default 0.2. */
  readonly noise?: number;
}

export interface InfidelityScores {
  /** E[(scale I . phi - (f(x) - f(x - I)))^2] per image, in squared logits: smaller is better. */
  readonly infidelity: Float64Array;
  /** The same as a share of E[(f(x) - f(x - I))^2]: 1 is what a map of zeros reaches; 0 where the logit never changes. */
  readonly relative: Float64Array;
  /** The scale that suits each image's map best. */
  readonly scale: Float64Array;
}

const STREAM = streamNamed('infidelity');

/** Infidelity of one method's maps; see infidelities. */
export async function infidelity(
  f: Explainable,
  x: Tensor,
  maps: JudgedMaps,
  options: InfidelityOptions = {},
): Promise<InfidelityScores> {
  return (await infidelities(f, x, [maps], options))[0];
}

/**
 * Infidelity of several methods' maps under the same Gaussian disturbances, which depend on seed and image only.
 *
 * @param f a model or a function: its logits count
 * @param x images [N, H, W, C]
 * @returns in the order of `methods`
 */
export async function infidelities(
  f: Explainable,
  x: Tensor,
  methods: readonly JudgedMaps[],
  options: InfidelityOptions = {},
): Promise<InfidelityScores[]> {
  const { samples = 200, noise = 0.2, target, seed = 0, batchSize = DEFAULT_BATCH } = options;
  if (!Number.isInteger(samples) || samples < 2) {
    throw new UsageError(`Infidelity needs at least 2 disturbances per image, not ${samples}.`);
  }
  if (!(noise > 0 && Number.isFinite(noise)))
    throw new UsageError(`The noise of infidelity is a standard deviation above 0, not ${noise}.`);
  const host = await hostImages(x);
  const size = host.values.length / host.count;
  const phi = methods.map(maps => mapsOnValues(maps, host));
  const predict = (batch: Tensor) => noGrad(() => evaluate(f, batch));
  const judged = await judgedClasses(predict, host, target, batchSize);
  // I . phi of every method and disturbance, noted while the disturbances are made: none of them is kept.
  const products = methods.map(() => new Float64Array(host.count * samples));
  const keys = imageKeys(host.values, host.count);
  const disturbance = new Float64Array(size);
  const scores = await scoreCopies(predict, host, judged, {
    count: host.count * samples,
    batchSize,
    imageOf: copy => Math.floor(copy / samples),
    alter(copy, into, offset) {
      const image = Math.floor(copy / samples);
      const random = new PhiloxStream(seed, STREAM, keyOf(keys[image], copy % samples));
      for (let k = 0; k < size; k++) {
        disturbance[k] = noise * random.normal();
        into[offset + k] -= disturbance[k];
      }
      for (let m = 0; m < phi.length; m++) {
        let product = 0;
        for (let k = 0; k < size; k++) product += disturbance[k] * phi[m][image * size + k];
        products[m][copy] = product;
      }
    },
  });
  const changes = scores.map((score, copy) => judged.scores[Math.floor(copy / samples)] - score);
  return products.map(of => scaledErrors(of, changes, samples));
}

/** A number per value of the images; one per pixel is shared equally among the pixel's channels. */
function mapsOnValues(maps: JudgedMaps, host: HostImages): FloatArray {
  const onPixels = mapsOnPixels(maps, host);
  const { channels } = host;
  if (channels === 1) return onPixels;
  if (maps.shape.length === 3)
    return Float64Array.from(host.values, (_, k) => onPixels[Math.floor(k / channels)] / channels);
  if (maps.values.length !== host.values.length) {
    throw new ShapeError(`Attributions of ${maps.values.length} values do not fit images of ${host.values.length}.`);
  }
  return maps.values;
}

function scaledErrors(products: Float64Array, changes: Float64Array, samples: number): InfidelityScores {
  const images = products.length / samples;
  const result = {
    infidelity: new Float64Array(images),
    relative: new Float64Array(images),
    scale: new Float64Array(images),
  };
  for (let image = 0; image < images; image++) {
    let [cross, square, whole] = [0, 0, 0];
    for (let i = image * samples; i < (image + 1) * samples; i++) {
      cross += products[i] * changes[i];
      square += products[i] ** 2;
      whole += changes[i] ** 2;
    }
    const scale = square > 0 ? cross / square : 0;
    let error = 0;
    for (let i = image * samples; i < (image + 1) * samples; i++) error += (scale * products[i] - changes[i]) ** 2;
    result.scale[image] = scale;
    result.infidelity[image] = error / samples;
    result.relative[image] = whole > 0 ? error / whole : 0;
  }
  return result;
}
