/**
 * What is ground and what is garment, by plain means: transparent parts get a ground, even edges are cut off, the ground
 * is the median of the border and the garment the median of what differs from it.
 */
import type { Box, GreyRaster, PhotoPixels } from './photo-raster.ts';

/** From this luminance on, what is opaque of a picture with transparency counts as light and gets a black ground. */
const LIGHT = 0.75;
/** Grey that differs by more than this from the ground is not ground. */
const NOT_GROUND = 0.1;
/** Part of the shorter edge that counts as border, on every side. */
const BORDER = 0.02;

interface Size {
  readonly width: number;
  readonly height: number;
}

const luminance = (red: number, green: number, blue: number): number =>
  (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;

/**
 * Colours without transparency. What is transparent is laid on white, as in a catalogue; on black where the opaque part
 * is light, or a white garment would vanish.
 *
 * @returns `[height, width, 3]` bytes; `onto` is undefined where nothing was transparent
 */
export function flatten({ width, height, rgba }: PhotoPixels): {
  rgb: Uint8Array;
  onto: 'white' | 'black' | undefined;
} {
  let [weight, light] = [0, 0];
  const area = width * height;
  for (let p = 0; p < 4 * area; p += 4) {
    weight += rgba[p + 3];
    light += rgba[p + 3] * luminance(rgba[p], rgba[p + 1], rgba[p + 2]);
  }
  const isOpaque = weight === 255 * area;
  const onto = isOpaque ? undefined : weight > 0 && light / weight > LIGHT ? 'black' : 'white';
  const ground = onto === 'black' ? 0 : 255;
  const rgb = new Uint8Array(3 * area);
  for (let p = 0; p < area; p++) {
    const opacity = rgba[4 * p + 3] / 255;
    for (let c = 0; c < 3; c++) rgb[3 * p + c] = Math.round(opacity * rgba[4 * p + c] + (1 - opacity) * ground);
  }
  return { rgb, onto };
}

/** Luminance by Rec. 709 of the values as they are stored, which is what ImageMagick's grey is. */
export function greyOf(rgb: Uint8Array): Float32Array {
  const grey = new Float32Array(rgb.length / 3);
  for (let p = 0; p < grey.length; p++) grey[p] = luminance(rgb[3 * p], rgb[3 * p + 1], rgb[3 * p + 2]);
  return grey;
}

/**
 * The box that is left when edges of the corner's colour are cut off: left and top edges are compared with the corner at
 * the top left, the right edge with that at the top right, the bottom edge with that at the bottom left, as ImageMagick's
 * `-trim` does. A colour is the same when the root mean square of the differences is within the tolerance.
 *
 * @returns the whole picture, and `isFlat`, where nothing would be left
 */
export function trimBox(rgb: Uint8Array, { width, height }: Size, tolerance: number): { box: Box; isFlat: boolean } {
  const limit = 3 * (255 * tolerance) ** 2;
  const differs = (p: number, corner: number): boolean => {
    let squares = 0;
    for (let c = 0; c < 3; c++) squares += (rgb[3 * p + c] - rgb[3 * corner + c]) ** 2;
    return squares > limit;
  };
  const rowDiffers = (y: number, corner: number): boolean => {
    for (let x = 0; x < width; x++) if (differs(y * width + x, corner)) return true;
    return false;
  };
  const columnDiffers = (x: number, corner: number): boolean => {
    for (let y = 0; y < height; y++) if (differs(y * width + x, corner)) return true;
    return false;
  };
  const [topLeft, topRight, bottomLeft] = [0, width - 1, (height - 1) * width];
  let top = 0;
  while (top < height && !rowDiffers(top, topLeft)) top++;
  if (top === height) return { box: { left: 0, top: 0, width, height }, isFlat: true };
  let bottom = height - 1;
  while (bottom > top && !rowDiffers(bottom, bottomLeft)) bottom--;
  let left = 0;
  while (left < width - 1 && !columnDiffers(left, topLeft)) left++;
  let right = width - 1;
  while (right > left && !columnDiffers(right, topRight)) right--;
  return { box: { left, top, width: right - left + 1, height: bottom - top + 1 }, isFlat: false };
}

export interface Ground {
  /** Median grey of the picture's border. */
  readonly ground: number;
  /** Median grey of what, inside the box, differs from the ground; the ground's own where nothing does. */
  readonly garment: number;
  /** Share of the box that differs from the ground. */
  readonly share: number;
  /** Share of the border that differs from the ground. */
  readonly clutter: number;
}

/** Ground and garment of a grey picture, before it was trimmed to `box`. */
export function findGround({ values, width, height }: GreyRaster, box: Box): Ground {
  const reach = Math.max(1, Math.round(BORDER * Math.min(width, height)));
  const border: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isInner = y >= reach && y < height - reach && x >= reach && x < width - reach;
      // A row of inner pixels is left out in one step.
      if (isInner) x = width - reach - 1;
      else border.push(values[y * width + x]);
    }
  }
  const ground = median(Float32Array.from(border));
  const isGround = (grey: number): boolean => Math.abs(grey - ground) <= NOT_GROUND;
  const garment = new Float32Array(box.width * box.height);
  let found = 0;
  for (let y = box.top; y < box.top + box.height; y++) {
    for (let x = box.left; x < box.left + box.width; x++) {
      const grey = values[y * width + x];
      if (!isGround(grey)) garment[found++] = grey;
    }
  }
  const strangers = border.filter(grey => !isGround(grey)).length;
  return {
    ground,
    garment: found === 0 ? ground : median(garment.subarray(0, found)),
    share: found / garment.length,
    clutter: strangers / border.length,
  };
}

function median(values: Float32Array): number {
  const sorted = values.slice().sort();
  return sorted[sorted.length >> 1];
}
