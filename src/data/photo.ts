/**
 * From a photograph to the 28 x 28 bytes that a network for Fashion-MNIST takes: the data set's own pipeline (trim the
 * edges, longest edge to 28, sharpen, extend, negate, 8-bit grey), and what a photograph needs besides: transparent parts
 * are laid on a ground, whether to negate is decided and not assumed, and every stage is kept to be shown. Nothing here
 * cuts a garment out of a cluttered scene; such a photograph gets a warning instead. A browser can run it on the pixels
 * of a canvas.
 *
 * H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST. arXiv:1708.07747, 2017, section 2 (the pipeline).
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { findGround, flatten, greyOf, trimBox } from './photo-ground.ts';
import { areaResize, type Box, crop, extend, type PhotoPixels, sharpen, subsample } from './photo-raster.ts';

export type { PhotoPixels } from './photo-raster.ts';

/** What a step made of the picture. */
export interface PhotoStage {
  readonly name:
    | 'flattened'
    | 'grey'
    | 'trimmed'
    | 'resized'
    | 'sharpened'
    | 'extended'
    | 'negated'
    | 'levels'
    | 'final';
  /** In a few plain words, with the decision taken. */
  readonly what: string;
  readonly width: number;
  readonly height: number;
  /** `[height, width]` in [0, 1], or bytes; the flattened picture `[height, width, 3]` bytes. */
  readonly values: Float32Array | Float64Array | Uint8Array;
}

export type PhotoWarningKind = 'flat' | 'low contrast' | 'cluttered' | 'small';

export interface PhotoWarning {
  readonly kind: PhotoWarningKind;
  /** One sentence. */
  readonly text: string;
}

export interface PrepareOptions {
  /** How the longest edge becomes 28: the mean over the area of each pixel (default), or one pixel taken of many, as the data set's own pipeline does. */
  readonly resize?: 'area' | 'subsample';
  /** Default `auto`: negate where the garment is darker than the ground around it. */
  readonly negate?: 'auto' | boolean;
  /** Draw the ground's grey to black, as it is in the data set. Default true. */
  readonly levels?: boolean;
  /** Share of the full range within which an edge counts as the corner's colour. Default 0.05. */
  readonly tolerance?: number;
  /** Edge of the result in pixels. Default 28. */
  readonly size?: number;
}

export interface PreparedPhoto {
  /** `[size, size]` bytes, the garment light on a dark ground. */
  readonly image: Uint8Array;
  readonly size: number;
  readonly stages: readonly PhotoStage[];
  readonly warnings: readonly PhotoWarning[];
  /** Grey of the ground: the median of the picture's border, in [0, 1]. */
  readonly ground: number;
  /** Grey of the garment: the median of what is not ground. */
  readonly garment: number;
  readonly negated: boolean;
  /** What was left after trimming. */
  readonly box: Box;
}

/** Below this difference of grey a garment hardly stands out from the ground. */
const LEAST_CONTRAST = 0.15;
/** A garment fills more than this of the box around it; where less differs from the ground, only seams and shadows are seen. */
const LEAST_SHARE = 0.12;
/** Share of border pixels that may differ from the ground before it counts as cluttered. */
const MOST_CLUTTER = 0.3;

/**
 * Prepares a photograph of one garment.
 *
 * @param picture decoded and turned upright (see `readPicture` in Node)
 * @throws ShapeError for pixels that do not make the picture; UsageError for options out of range
 *
 * @example
 * const { image, stages, warnings } = preparePhoto(await readPicture('shirt.jpg'));
 */
export function preparePhoto(picture: PhotoPixels, options: PrepareOptions = {}): PreparedPhoto {
  const { resize = 'area', negate = 'auto', levels = true, tolerance = 0.05, size = 28 } = options;
  check(picture, tolerance, size);
  const stages: PhotoStage[] = [];
  const keep = <S extends PhotoStage>(stage: S): S => {
    stages.push(stage);
    return stage;
  };

  const { rgb, onto } = flatten(picture);
  const { width, height } = picture;
  const whole = { width, height };
  keep({
    name: 'flattened',
    what: onto === undefined ? 'as it is; nothing is transparent' : `transparent parts laid on ${onto}`,
    ...whole,
    values: rgb,
  });
  const grey = keep({ name: 'grey', what: 'luminance (Rec. 709)', ...whole, values: greyOf(rgb) });
  const trim = trimBox(rgb, whole, tolerance);
  const { ground, garment, share, clutter } = findGround(grey, trim.box);
  const trimmed = keep({
    name: 'trimmed',
    what: `edges within ${Math.round(100 * tolerance)} % of the corner's colour cut off: ${trim.box.width} x ${trim.box.height} pixels left`,
    ...crop(grey, trim.box),
  });

  const longest = Math.max(trimmed.width, trimmed.height);
  const edge = (length: number): number => Math.max(1, Math.round((length * size) / longest));
  const shrink = resize === 'area' ? areaResize : subsample;
  const resized = keep({
    name: 'resized',
    what: `longest edge to ${size} by ${resize === 'area' ? 'the mean over areas' : 'subsampling'}`,
    ...shrink(trimmed, edge(trimmed.width), edge(trimmed.height)),
  });
  const sharpened = keep({ name: 'sharpened', what: 'radius 1, sigma 1', ...sharpen(resized) });
  const extended = keep({
    name: 'extended',
    what: `centred on ${size} x ${size} pixels of the ground's grey`,
    ...extend(sharpened, size, ground),
  });

  const isDarker = garment < ground;
  const negated = negate === 'auto' ? isDarker : negate;
  const side = `the garment (${percent(garment)} of white) is ${isDarker ? 'darker' : 'lighter'} than the ground (${percent(ground)})`;
  const turned = keep({
    name: 'negated',
    what:
      negate === 'auto'
        ? `${negated ? 'negated' : 'not negated'}: ${side}`
        : `${negated ? 'negated' : 'not negated'} as told`,
    width: size,
    height: size,
    values: negated ? Float64Array.from(extended.values, value => 1 - value) : extended.values,
  });
  // Told to negate wrongly, the garment is darker than the ground: then nothing could be drawn to black but itself.
  const base = negated ? 1 - ground : ground;
  const isDrawn = levels && negated === isDarker && base < 1;
  const level = keep({
    name: 'levels',
    what: isDrawn ? `the ground's grey (${percent(base)}) drawn to black` : 'left as they are',
    width: size,
    height: size,
    values: isDrawn ? Float64Array.from(turned.values, value => (value - base) / (1 - base)) : turned.values,
  });
  const image = Uint8Array.from(level.values, value => Math.round(255 * Math.min(1, Math.max(0, value))));
  keep({ name: 'final', what: '8-bit grey', width: size, height: size, values: image });

  const warnings = warningsOf({ ...trim, contrast: Math.abs(garment - ground), share, ground, clutter, longest, size });
  return { image, size, stages, warnings, ground, garment, negated, box: trim.box };
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

interface Findings {
  readonly isFlat: boolean;
  readonly contrast: number;
  readonly share: number;
  readonly ground: number;
  readonly clutter: number;
  readonly longest: number;
  readonly size: number;
}

function warningsOf({ isFlat, contrast, share, ground, clutter, longest, size }: Findings): PhotoWarning[] {
  if (isFlat) return [{ kind: 'flat', text: 'The picture is one even colour; there is no garment to be seen.' }];
  const warnings: PhotoWarning[] = [];
  if (contrast < LEAST_CONTRAST || share < LEAST_SHARE) {
    const what = ground > 0.75 ? 'A white garment on a white ground' : 'The garment is about as bright as the ground';
    warnings.push({ kind: 'low contrast', text: `${what}: its outline may be lost; photograph it on another ground.` });
  }
  if (clutter > MOST_CLUTTER) {
    warnings.push({
      kind: 'cluttered',
      text: `The background is cluttered: ${percent(clutter)} of the border is not of the ground's grey, and nothing is cut out here.`,
    });
  }
  if (longest < size) {
    warnings.push({ kind: 'small', text: `The garment is only ${longest} pixels long; it is enlarged to ${size}.` });
  }
  return warnings;
}

function check({ width, height, rgba }: PhotoPixels, tolerance: number, size: number): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new ShapeError(`A picture cannot be ${width} x ${height} pixels.`);
  }
  if (rgba.length !== width * height * 4) {
    throw new ShapeError(`${rgba.length} bytes do not make a picture of ${width} x ${height} pixels in RGBA.`);
  }
  if (!(tolerance >= 0 && tolerance < 1)) {
    throw new UsageError(`The tolerance of trimming lies from 0 to below 1, not ${tolerance}.`);
  }
  if (!Number.isInteger(size) || size < 1) {
    throw new UsageError(`The edge of a prepared photograph is a whole number of pixels, not ${size}.`);
  }
}
