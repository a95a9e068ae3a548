/**
 * What a channel of an inner layer answers to, shown by example: the images of a data set that excite it most, where in
 * each its response peaks, and the part of the image that this one value sees. A channel is not a word, and the few images
 * at the top of one data set do not define it; but they are a look at what it does that needs no model of the model.
 *
 * M. D. Zeiler, R. Fergus: Visualizing and understanding convolutional networks. ECCV 2014.
 */
import { argMax, max, noGrad, reshape, withConvolution } from '../autograd/index.ts';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { NonFiniteError, ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { inEvaluation } from '../nn/evaluation-mode.ts';
import { type Module, type PixelWindow, type ReceptiveField, receptiveFields, receptiveWindow } from '../nn/index.ts';
import { dispose, tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { DEFAULT_BATCH } from './attribution.ts';
import { checkBatchSize } from './evaluation.ts';
import { inPieces } from './pieces.ts';

export interface ExcitingImagesOptions {
  /** Default: all channels of the layer. */
  readonly channels?: ArrayLike<number>;
  /** Images per channel. Default 9. */
  readonly top?: number;
  /** Which images are looked through. Default: all. */
  readonly indices?: ArrayLike<number>;
  /** Most images that go through the model at once, which bounds memory. Default 128. */
  readonly batchSize?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** One image and where it excites a channel most. */
export interface ExcitingImage {
  /** Position in the data set. */
  readonly index: number;
  /** The channel's largest value in this image. */
  readonly value: number;
  /** [row, column] of that value in the layer's output (the first of several); [0, 0] where the output is no map. */
  readonly position: readonly [number, number];
  /** The pixels that this value sees. */
  readonly window: PixelWindow;
}

export interface ExcitedChannel {
  readonly channel: number;
  /** The strongest first; of equal ones the first in the data set. */
  readonly images: readonly ExcitingImage[];
}

export interface ExcitingImages {
  readonly layer: string;
  readonly receptiveField: ReceptiveField;
  readonly channels: readonly ExcitedChannel[];
}

/**
 * The images that excite the channels of a layer most.
 *
 * @param layer path of a module whose output is [N, h, w, K] or [N, K]
 * @throws UsageError for a layer or channel that is none; NonFiniteError for activations that are not finite
 */
export async function excitingImages(
  model: Module,
  data: DeviceDataset,
  layer: string,
  options: ExcitingImagesOptions = {},
): Promise<ExcitingImages> {
  const { top = 9, batchSize = DEFAULT_BATCH, onProgress } = options;
  if (!Number.isInteger(top) || top < 1)
    throw new UsageError(`The number of images per channel is a whole number of at least 1, not ${top}.`);
  const size = checkBatchSize(batchSize);
  const indices = checkedIndices(options.indices, data.count);
  const [, height, width, channels] = data.images.shape;
  let wanted: number[] | undefined;
  let columns = 1;
  const best: Ranked[] = [];
  await inPieces(data.images.device, indices.length, size, async (start, count) => {
    const some = indices.subarray(start, start + count);
    const peaks = tidy(() => noGrad(() => peaksOf(model, data.batch(some).images, layer)));
    columns = peaks.columns;
    try {
      const values = await peaks.values.data();
      const places = await peaks.places?.data();
      const outputs = values.length / some.length;
      wanted ??= checkedChannels(options.channels, outputs, layer);
      some.forEach((index, row) => {
        for (const [k, channel] of wanted!.entries()) {
          const at = row * outputs + channel;
          if (!Number.isFinite(values[at]))
            throw new NonFiniteError(`Channel ${channel} of ${layer} gives ${values[at]} for image ${index}.`);
          best[k] ??= new Ranked(top);
          best[k].offer({ index, value: values[at], place: places?.[at] ?? 0 });
        }
      });
    } finally {
      dispose(peaks.values, peaks.places);
    }
    onProgress?.(start + count, indices.length);
  });
  const receptiveField = receptiveFields(model, [height, width, channels]).get(layer)!;
  return {
    layer,
    receptiveField,
    channels: wanted!.map((channel, k) => ({
      channel,
      images: best[k].entries.map(({ index, value, place }): ExcitingImage => {
        const position = [Math.floor(place / columns), place % columns] as const;
        return { index, value, position, window: receptiveWindow(receptiveField, position, [height, width]) };
      }),
    })),
  };
}

/** The largest value of each channel [N, K] and, in a map, where it stands (row by row). */
function peaksOf(model: Module, x: Tensor, layer: string): { values: Tensor; places?: Tensor; columns: number } {
  // Direct: the value must depend on the window that it is shown with, and on nothing else.
  const trace = () => withConvolution('direct', () => model.trace(x, [layer]));
  const { activations } = inEvaluation(model, trace);
  const output = activations[layer];
  if (!output) throw new UsageError(`The model did not run its layer "${layer}".`);
  if (output.rank === 2) return { values: output, columns: 1 };
  if (output.rank !== 4) {
    throw new ShapeError(
      `The layer "${layer}" gives ${formatShape(output.shape)}; channels need [N, h, w, K] or [N, K].`,
    );
  }
  const [images, h, w, channels] = output.shape;
  const flat = reshape(output, [images, h * w, channels]);
  return { values: max(flat, 1), places: argMax(flat, 1), columns: w };
}

function checkedIndices(given: ArrayLike<number> | undefined, count: number): Uint32Array {
  if (given === undefined) return Uint32Array.from({ length: count }, (_, i) => i);
  if (given.length === 0) throw new UsageError('There are no images to look through.');
  return Uint32Array.from(given, index => {
    if (Number.isInteger(index) && index >= 0 && index < count) return index;
    throw new UsageError(`There is no image ${index} among ${count}.`);
  });
}

function checkedChannels(given: ArrayLike<number> | undefined, count: number, layer: string): number[] {
  if (given === undefined) return Array.from({ length: count }, (_, i) => i);
  return Array.from(given, channel => {
    if (Number.isInteger(channel) && channel >= 0 && channel < count) return channel;
    throw new UsageError(`The layer "${layer}" has no channel ${channel}: it has ${count} (0 to ${count - 1}).`);
  });
}

interface Peak {
  readonly index: number;
  readonly value: number;
  readonly place: number;
}

/** The best few of many, however many come. */
class Ranked {
  readonly #most: number;
  readonly entries: Peak[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  offer(peak: Peak): void {
    const { entries } = this;
    const isBetter = (other: Peak) =>
      peak.value > other.value || (peak.value === other.value && peak.index < other.index);
    if (entries.length === this.#most && !isBetter(entries[entries.length - 1])) return;
    const at = entries.findIndex(isBetter);
    entries.splice(at < 0 ? entries.length : at, 0, peak);
    if (entries.length > this.#most) entries.pop();
  }
}
