/**
 * Sensitivity: how much a map changes when the image changes so little that nobody would see it. The class explained stays
 * that of the clean image.
 *
 * C.-K. Yeh, C.-Y. Hsieh, A. S. Suggala, D. I. Inouye, P. Ravikumar: On the (in)fidelity and sensitivity of explanations.
 * NeurIPS 2019.
 */
import { ShapeError, UsageError } from '../../devices/errors.ts';
import { sameShape } from '../../devices/shape.ts';
import { PhiloxStream, streamNamed } from '../../kernels/random/philox.ts';
import { tensor } from '../../tensor/creation.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Target } from '../attribution.ts';
import { imageKeys, keyOf } from '../image-keys.ts';
import { type Explainer, hostImages } from './images.ts';

export interface SensitivityOptions {
  readonly target?: Target;
  /** Most that a value of the image changes. Default 0.02. */
  readonly radius?: number;
  /** Disturbed copies per image. Default 10. */
  readonly samples?: number;
  readonly seed?: number;
  /** Called after each copy. */
  readonly onProgress?: (done: number, total: number) => void;
}

const STREAM = streamNamed('sensitivity');

/**
 * The largest relative change of each image's map, max ||phi(x + d) - phi(x)|| / ||phi(x)||, over d uniform in
 * [-radius, radius] per value: smaller is better. A map that is zero everywhere and stays so scores 0; one that does not
 * stay so has no relative change and gets NaN. A method that samples gets the clean image's keys throughout: what its map changes
 * by is then the image, not the sample.
 *
 * @param explain the method
 * @param x images [N, H, W, C]
 * @returns [N]
 */
export async function sensitivityMax(
  explain: Explainer,
  x: Tensor,
  options: SensitivityOptions = {},
): Promise<Float64Array> {
  const { target = 'predicted', radius = 0.02, samples = 10, seed = 0, onProgress } = options;
  if (!(radius > 0 && Number.isFinite(radius)))
    throw new UsageError(`The radius of sensitivity must be a number above 0, not ${radius}.`);
  if (!Number.isInteger(samples) || samples < 1) {
    throw new UsageError(`Sensitivity needs at least 1 disturbed copy, not ${samples}.`);
  }
  const host = await hostImages(x);
  const clean = await explain(x, target);
  const size = clean.values.length / host.count;
  const norms = distances(clean.values, undefined, size);
  const largest = new Float64Array(host.count);
  const keys = imageKeys(host.values, host.count);
  for (let sample = 0; sample < samples; sample++) {
    const randoms = Array.from(keys, key => new PhiloxStream(seed, STREAM, keyOf(key, sample)));
    const each = host.values.length / host.count;
    const values = Float64Array.from(
      host.values,
      (value, k) => value + radius * (2 * randoms[Math.floor(k / each)].uniform() - 1),
    );
    const disturbed = tensor(values, x.shape, { device: x.device });
    try {
      const { values, shape } = await explain(disturbed, clean.target, keys);
      if (!sameShape(shape, clean.shape)) throw new ShapeError('The method gave maps of another size the second time.');
      distances(values, clean.values, size).forEach((distance, image) => {
        largest[image] = Math.max(largest[image], distance);
      });
    } finally {
      disturbed.dispose();
    }
    onProgress?.(sample + 1, samples);
  }
  return largest.map((distance, image) => (norms[image] > 0 ? distance / norms[image] : distance > 0 ? Number.NaN : 0));
}

/** Euclidean norm of `a - b` (of `a` alone) for each image. */
function distances(a: ArrayLike<number>, b: ArrayLike<number> | undefined, size: number): Float64Array {
  const squares = new Float64Array(a.length / size);
  for (let i = 0; i < a.length; i++) squares[Math.floor(i / size)] += (a[i] - (b ? b[i] : 0)) ** 2;
  return squares.map(Math.sqrt);
}
