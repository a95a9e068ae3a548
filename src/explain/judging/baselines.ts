/**
 * Two maps that know nothing of the network, to be judged beside the real ones: random numbers, and the edges of the image
 * (a Sobel filter). A method that does not beat the first explains nothing; one that does not beat the second may only
 * have outlined the garment.
 */
import { PhiloxStream, streamNamed } from '../../kernels/random/philox.ts';
import type { Module } from '../../nn/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Attribution, DEFAULT_BATCH } from '../attribution.ts';
import { explainedLogits } from '../evaluation.ts';
import { keysOf } from '../image-keys.ts';
import type { MethodContext, NamedMethod } from '../methods.ts';
import { type HostImages, hostImages } from './images.ts';

const STREAM = streamNamed('random-map');

/**
 * Uniform numbers in [0, 1) per pixel [N, H, W], from the seed and each image's key alone, wherever it stands.
 * @param given a key per image; default: of its values
 */
export function randomMaps(
  { values: images, count, height, width }: HostImages,
  seed = 0,
  given?: ArrayLike<number>,
): Float64Array {
  const keys = keysOf(given, images, count);
  const pixels = height * width;
  const values = new Float64Array(count * pixels);
  for (let image = 0; image < count; image++) {
    const random = new PhiloxStream(seed, STREAM, keys[image]);
    for (let pixel = 0; pixel < pixels; pixel++) values[image * pixels + pixel] = random.uniform();
  }
  return values;
}

/** Length of the Sobel gradient of the mean over channels [N, H, W]; the border is repeated outwards. */
export function edgeMaps({ values, count, height, width, channels }: HostImages): Float64Array {
  const pixels = height * width;
  const grey = new Float64Array(count * pixels);
  for (let i = 0; i < values.length; i++) grey[Math.floor(i / channels)] += values[i] / channels;
  const edges = new Float64Array(count * pixels);
  for (let image = 0; image < count; image++) {
    const at = (y: number, x: number): number =>
      grey[image * pixels + Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        let [right, down] = [0, 0];
        for (const offset of [-1, 0, 1]) {
          const weight = offset === 0 ? 2 : 1;
          right += weight * (at(y + offset, x + 1) - at(y + offset, x - 1));
          down += weight * (at(y + 1, x + offset) - at(y - 1, x + offset));
        }
        edges[image * pixels + y * width + x] = Math.hypot(right, down);
      }
    }
  }
  return edges;
}

/** Maps made from the images alone, with the class and logit that the model gives them. */
function pseudoMethod(
  name: string,
  draw: (host: HostImages, seed: number, keys?: ArrayLike<number>) => Float64Array,
): NamedMethod {
  const run = async (
    model: Module,
    x: Tensor,
    { target, batchSize = DEFAULT_BATCH, seed = 0, keys }: MethodContext,
  ) => {
    const host = await hostImages(x);
    const explained = await explainedLogits(model, x, target, batchSize);
    const shape = [host.count, host.height, host.width];
    return { method: name, values: draw(host, seed, keys), shape, ...explained } satisfies Attribution;
  };
  return { display: 'positive', run };
}

export const RANDOM_MAP = 'random-map';

/** The pseudo-methods by name. */
export const BASELINE_METHODS: Readonly<Record<string, NamedMethod>> = {
  [RANDOM_MAP]: pseudoMethod(RANDOM_MAP, randomMaps),
  'edge-detector': pseudoMethod('edge-detector', edgeMaps),
};
