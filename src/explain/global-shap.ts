/**
 * What a model looks at for a class as a whole: attributions of many images averaged per class, signed (do the parts agree
 * on their direction?) and absolute (how much they matter at all), and the same added up over regions of the image.
 */
import { ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape, sizeOf } from '../devices/shape.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Attribution, type Explainable, pixelMaps, targetRows } from './attribution.ts';
import { type DeepShapOptions, deepShap } from './deep-shap.ts';
import { imageRows } from './evaluation.ts';

/** A named part of the image: `mask[pixel]` not 0 belongs to it, row by row. */
export interface Region {
  readonly name: string;
  readonly mask: ArrayLike<number>;
}

export interface ClassSummaryOptions {
  readonly classes: number;
  /** Default: nine fields of a three by three grid. */
  readonly regions?: readonly Region[];
}

/** One class over all regions, in the order of `regions`. */
export interface ClassRegions {
  readonly count: number;
  /** Mean over the class's images of the sum of attributions in the region. */
  readonly signed: number[];
  /** The same of their magnitudes. */
  readonly absolute: number[];
  /** The region's part of all magnitudes of the class; the regions of a partition add up to 1. */
  readonly share: number[];
}

export interface ClassSummary {
  /** Images explained for each class. */
  readonly counts: Int32Array;
  /** [classes, ...image] */
  readonly meanSigned: Float64Array;
  readonly meanAbsolute: Float64Array;
  readonly shape: readonly number[];
  readonly regions: readonly string[];
  readonly byClass: readonly ClassRegions[];
}

const ROWS = ['top', 'middle', 'bottom'];
const COLUMNS = ['left', 'centre', 'right'];

/** Nine fields: top left, top centre, ... bottom right. */
export function gridRegions(height: number, width: number): Region[] {
  const fieldOf = (pixel: number): number =>
    Math.floor((3 * Math.floor(pixel / width)) / height) * 3 + Math.floor((3 * (pixel % width)) / width);
  return ROWS.flatMap((row, i) =>
    COLUMNS.map((column, j) => ({
      name: `${row} ${column}`,
      mask: Uint8Array.from({ length: height * width }, (_, pixel) => Number(fieldOf(pixel) === i * 3 + j)),
    })),
  );
}

/** Sums of attributions and of their magnitudes per class, filled chunk by chunk. */
class ClassSums {
  readonly counts: Int32Array;
  readonly signed: Float64Array;
  readonly absolute: Float64Array;
  readonly image: readonly number[];

  constructor(classes: number, image: readonly number[]) {
    if (!Number.isInteger(classes) || classes < 1) throw new UsageError(`There cannot be ${classes} classes.`);
    this.counts = new Int32Array(classes);
    this.image = image;
    this.signed = new Float64Array(classes * sizeOf(image));
    this.absolute = new Float64Array(this.signed.length);
  }

  add({ values, target }: Pick<Attribution, 'values' | 'target'>): void {
    const size = sizeOf(this.image);
    target.forEach((label, i) => {
      if (label >= this.counts.length) {
        throw new UsageError(
          `Image ${i} is explained for class ${label}, but there are ${this.counts.length} classes.`,
        );
      }
      this.counts[label]++;
      for (let k = 0; k < size; k++) {
        const value = values[i * size + k];
        this.signed[label * size + k] += value;
        this.absolute[label * size + k] += Math.abs(value);
      }
    });
  }

  summary(given: readonly Region[] | undefined): ClassSummary {
    const size = sizeOf(this.image);
    const mean = (sums: Float64Array) => sums.map((sum, i) => sum / Math.max(1, this.counts[Math.floor(i / size)]));
    const [meanSigned, meanAbsolute] = [mean(this.signed), mean(this.absolute)];
    const [height, width] = this.image;
    const regions = given ?? gridRegions(height, width);
    for (const { name, mask } of regions) {
      if (mask.length !== height * width) {
        throw new ShapeError(`The region "${name}" has ${mask.length} pixels; images have ${height} x ${width}.`);
      }
    }
    const shape = [this.counts.length, ...this.image];
    const signed = pixelMaps({ values: meanSigned, shape }).values;
    const absolute = pixelMaps({ values: meanAbsolute, shape }).values;
    const within = (maps: ArrayLike<number>, label: number, mask: ArrayLike<number>): number => {
      let sum = 0;
      for (let p = 0; p < mask.length; p++) if (mask[p] !== 0) sum += maps[label * mask.length + p];
      return sum;
    };
    const everywhere = new Uint8Array(height * width).fill(1);
    const byClass = Array.from(this.counts, (count, label): ClassRegions => {
      const total = within(absolute, label, everywhere);
      const inRegions = regions.map(({ mask }) => within(absolute, label, mask));
      return {
        count,
        signed: regions.map(({ mask }) => within(signed, label, mask)),
        absolute: inRegions,
        share: inRegions.map(sum => (total > 0 ? sum / total : 0)),
      };
    });
    return { counts: this.counts, meanSigned, meanAbsolute, shape, regions: regions.map(({ name }) => name), byClass };
  }
}

/**
 * Means per class of attributions [N, H, W, C] or [N, h, w], each image counting for the class it is explained for.
 * @throws UsageError for a target that is no class; ShapeError for regions of another size
 */
export function summarizeByClass(
  attribution: Pick<Attribution, 'values' | 'shape' | 'target'>,
  { classes, regions }: ClassSummaryOptions,
): ClassSummary {
  const { shape } = attribution;
  if (shape.length < 3 || shape.length > 4) {
    throw new ShapeError(`Attributions of shape ${formatShape(shape)} are no pictures [N, H, W, C] or [N, h, w].`);
  }
  const sums = new ClassSums(classes, shape.slice(1));
  sums.add(attribution);
  return sums.summary(regions);
}

export interface GlobalShapOptions extends DeepShapOptions, ClassSummaryOptions {
  /** Images whose attributions are held at a time. Default 100. */
  readonly imagesAtOnce?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface GlobalShap extends ClassSummary {
  /** The largest relative additivity error of any image. */
  readonly additivityError: number;
}

/**
 * DeepSHAP of many images, each for its target (its predicted class, or its label when labels are given as `target`),
 * summarised per class.
 *
 * @param x images [N, H, W, C]
 */
export async function globalShap(f: Explainable, x: Tensor, options: GlobalShapOptions): Promise<GlobalShap> {
  const { imagesAtOnce = 100, classes, regions, onProgress, target, ...rest } = options;
  if (x.rank !== 4) throw new ShapeError(`Global SHAP explains images [N, H, W, C], not ${formatShape(x.shape)}.`);
  if (!Number.isInteger(imagesAtOnce) || imagesAtOnce < 1) {
    throw new UsageError(`imagesAtOnce must be a whole number of at least 1, not ${imagesAtOnce}.`);
  }
  const images = x.shape[0];
  const sums = new ClassSums(classes, x.shape.slice(1));
  let additivityError = 0;
  for (let start = 0; start < images; start += imagesAtOnce) {
    const count = Math.min(imagesAtOnce, images - start);
    const some = tidy(() => imageRows(x, start, count));
    try {
      const part = await deepShap(f, some, {
        ...rest,
        target: targetRows(target, start, count, images) ?? 'predicted',
      });
      sums.add(part);
      additivityError = Math.max(additivityError, part.additivityError);
    } finally {
      some.dispose();
    }
    onProgress?.(start + count, images);
  }
  return { ...sums.summary(regions), additivityError };
}
