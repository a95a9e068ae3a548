/**
 * The chapter on what is inside: the filters of the first layer, which are small enough to look at, and the activations of
 * one image at several depths, where edges turn into regions and regions into something that no longer looks like the image.
 */
import type { InsideResult } from '../../study/results.ts';
import type { Block, Section } from '../html.ts';
import { imageSheet } from '../image-sheet.ts';
import { enlarge, heatPicture, imagePicture, type Picture, signedPicture, valueRange } from '../picture.ts';
import { type FigureSource, shown } from './chapter.ts';

const TILE = 56;
const COLUMNS = 8;

/**
 * Filters as pictures, one scale for all. Of one input channel: blue negative, red positive. Of three: each weight is the
 * brightness of its colour, grey is zero. Of other numbers of channels: their mean, as of one.
 * @param weights [height, width, channels, filters]
 */
export function filterSheet(weights: ArrayLike<number>, [height, width, inputs, filters]: readonly number[]): Picture {
  const limit = Math.max(...valueRange(weights).map(Math.abs));
  const tiles = Array.from({ length: filters }, (_, filter) => {
    const own = Float64Array.from({ length: height * width * inputs }, (_, i) => weights[i * filters + filter]);
    return enlarge(filterPicture(own, [height, width, inputs], limit), Math.max(1, Math.floor(TILE / width)));
  });
  return imageSheet(tiles, { columns: COLUMNS });
}

function filterPicture(own: Float64Array, [height, width, inputs]: readonly number[], limit: number): Picture {
  if (inputs === 3) {
    return imagePicture(
      own.map(weight => (limit > 0 ? 0.5 + weight / (2 * limit) : 0.5)),
      width,
      height,
    );
  }
  const pixels = Float64Array.from({ length: height * width }, (_, pixel) =>
    own.subarray(pixel * inputs, (pixel + 1) * inputs).reduce((sum, weight) => sum + weight / inputs, 0),
  );
  return signedPicture(pixels, width, height, { limit });
}

/**
 * The first channels of an activation of one image, one scale for all.
 * @param values [height, width, channels]
 */
export function featureMapSheet(
  values: ArrayLike<number>,
  [height, width, channels]: readonly number[],
  most: number,
): Picture {
  const count = Math.min(most, channels);
  const maps = Array.from({ length: count }, (_, channel) =>
    Float64Array.from({ length: height * width }, (_, i) => values[i * channels + channel]),
  );
  const [low, high] = maps.reduce(
    ([least, greatest], map) => {
      const [from, to] = valueRange(map);
      return [Math.min(least, from), Math.max(greatest, to)];
    },
    [0, 0],
  );
  const tiles = maps.map(map =>
    enlarge(heatPicture(map, width, height, { range: [low, high] }), Math.max(1, Math.floor(TILE / width))),
  );
  return imageSheet(tiles, { columns: COLUMNS });
}

/** The chapter on filters and feature maps. */
export function insideSection({ networks, image, label, figure }: InsideResult, read: FigureSource): Section {
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        'The first layer multiplies every neighbourhood of pixels with a set of small filters; the layers after it do the same ' +
        'with the results. What a single filter or channel "means" is a story told afterwards: look for variety and for structure, ' +
        'not for meaning.',
    },
    shown(read, figure, `The example: test image ${image}, ${label}.`, 112),
  ];
  for (const { model, filters, layers } of networks) {
    const [height, width] = filters.size;
    blocks.push(
      { kind: 'heading', text: model },
      shown(
        read,
        filters.figure,
        `${model}: the ${filters.count} filters of its first layer (${filters.path}), ${height} x ${width} pixels each; ` +
          (filters.channels === 3
            ? 'a colour adds where it is bright and takes away where it is dark, mid grey does nothing. Light beside dark answers to edges, ' +
              'a hue to colour. Several alike, or all grey, would say that the layer is larger than it needs to be.'
            : 'red adds, blue takes away, near-white does nothing. Pairs of red beside blue answer to edges, one colour alone to ' +
              'brightness. Several alike, or all near-white, would say that the layer is larger than it needs to be.'),
      ),
    );
    for (const layer of layers) {
      const [h, w, channels] = layer.shape;
      blocks.push(
        shown(
          read,
          layer.figure,
          `${model}, ${layer.path}: ${h} x ${w} pixels, the first ${layer.shown} of ${channels} channels, dark is zero, one scale for ` +
            `all. ${Math.round(100 * layer.silent)} % of the layer's values are zero or less for this image.`,
        ),
      );
    }
  }
  return { title: 'Inside the networks', blocks };
}
