/** Models for images of any size, number of channels and number of classes: the options that follow from the data. */
import { UsageError } from '../../devices/errors.ts';
import { formatShape } from '../../devices/shape.ts';
import type { ModelSpec } from './index.ts';
import type { MiniResNetOptions } from './mini-resnet.ts';

/** What a model has to tell apart. */
export interface ImageTask {
  /** [height, width, channels] */
  readonly imageShape: readonly [number, number, number];
  readonly classes: number;
  /** Mean of the training pixels in [0, 1], one for each channel. */
  readonly mean: readonly number[];
  /** Their standard deviation; where a channel has none, it is not divided by it. */
  readonly std: readonly number[];
}

/**
 * The model with the options that the images ask for; all others stay as they are.
 * @throws UsageError for images that are too small for the model's strides, naming both
 */
export function modelForImages(spec: ModelSpec, task: ImageTask): ModelSpec {
  const { imageShape, classes, mean } = task;
  const [height, width, channels] = imageShape;
  const std = task.std.map(value => (value > 0 ? value : 1));
  const shared = { classes, mean, std };
  switch (spec.name) {
    case 'cnn':
      return { name: spec.name, options: { ...spec.options, ...shared, imageShape } };
    case 'lenet5':
      return { name: spec.name, options: { ...spec.options, ...shared, channels, imageSize: [height, width] } };
    case 'mini-resnet':
      checkStrides(spec.name, spec.options, imageShape);
      return { name: spec.name, options: { ...spec.options, ...shared, channels } };
    case 'resnet20':
      checkStrides(spec.name, { widths: [16, 32, 64] }, imageShape);
      return { name: spec.name, options: { ...spec.options, ...shared, channels } };
    case 'mcnn15': {
      // Its dense layer has the size that three poolings leave of 28 pixels.
      if ([height, width].some(extent => extent >> 3 !== 3)) {
        throw new UsageError(
          `mcnn15: three poolings must leave 3 x 3 pixels; images of ${formatShape([height, width])} pixels do not fit (24 to 31 do).`,
        );
      }
      return { name: spec.name, options: { ...spec.options, ...shared, channels } };
    }
  }
}

const STEM_STRIDES = { small: 1, strided: 2, imagenet: 4 } as const;

function checkStrides(
  name: string,
  { stem = 'small', widths = [32, 64, 128] }: Pick<MiniResNetOptions, 'stem' | 'widths'>,
  [height, width]: readonly [number, number, number],
): void {
  const stride = STEM_STRIDES[stem] * 2 ** (widths.length - 1);
  if (Math.min(height, width) >= stride) return;
  throw new UsageError(
    `${name}: strides of ${stride} in all (stem ${stem}, ${widths.length} stages) leave nothing of images of ` +
      `${formatShape([height, width])} pixels.`,
  );
}
