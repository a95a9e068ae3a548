/**
 * Bands: some rows of one image, copied into a thread's own memory with their padding written out as zeros, so that inner
 * loops run over pixels without asking where the image ends. A band is chosen to stay in L2; the copy is what would
 * otherwise be an im2col matrix, but each pixel is copied once instead of once per tap.
 */
import { type FunctionBuilder, type I32, type I32Like, i32 } from '../../devices/wasm/assembler/module.ts';
import { type AxisClass, type Gather, sourceExtent } from './conv2d.gather.ts';
import type { Conv2dSizes } from './conv2d.ts';

export interface BandShape {
  /** The image: rows x columns x channels. */
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Image column in the band's first column (negative: padding), and number of columns. */
  readonly left: number;
  readonly columns: number;
}

/** Bytes of one row of the band. */
export const bandRowBytes = ({ columns, channels }: BandShape): number => columns * channels * 4;

/** Writes image rows `top .. top + rows - 1` to `band`; rows and columns outside of the image become zeros. */
export function copyBand(
  f: FunctionBuilder,
  shape: BandShape,
  { image, band, top, rows }: { image: I32; band: I32; top: I32; rows: I32Like },
): void {
  const { height, width, channels, left, columns } = shape;
  const pixel = channels * 4;
  const firstColumn = Math.min(Math.max(left, 0), width);
  const lastColumn = Math.max(firstColumn, Math.min(left + columns, width));
  const before = Math.min(Math.max(-left, 0), columns) * pixel;
  const inside = (lastColumn - firstColumn) * pixel;
  const after = columns * pixel - before - inside;
  const to = f.let(band);
  const row = f.let(top);
  const end = f.let(top.add(rows));
  f.while(
    () => row.lt(end),
    () => {
      f.if(
        row.ltU(height), // unsigned: negative rows are large
        () => {
          if (before > 0) f.fill(to, 0, before);
          if (inside > 0) f.copy(to.add(before), image.add(row.mul(width).add(firstColumn).mul(pixel)), inside);
          if (after > 0) f.fill(to.add(before + inside), 0, after);
        },
        () => f.fill(to, 0, columns * pixel),
      );
      f.advance(row, 1);
      f.advance(to, columns * pixel);
    },
  );
}

/** How the target rows of an image are cut into bands, and what of the source each band needs. */
export interface BandLayout {
  readonly band: BandShape;
  /** Target rows per band (of one class), and bands per image. */
  readonly bandRows: number;
  readonly bands: number;
  /** Source row of the band's first row, for the band that starts at target row 0; and source rows per band. */
  readonly top: number;
  readonly sourceRows: number;
}

export interface BandLimits {
  /** Most bytes of one band. */
  readonly bytes: number;
  /** Bytes that go with each target row besides the source. */
  readonly targetRowBytes?: number;
}

/** Fewer bands than this in all leave threads idle or unevenly loaded; but four rows are not cut further. */
const WANTED_BANDS = 8;
const FEWEST_ROWS = 4;

/** Equal bands within the limits. A function of the shape alone: results must not depend on the number of threads. */
export function layOutBands(gather: Gather, { bytes, targetRowBytes = 0 }: BandLimits): BandLayout {
  const { batch, vertical, horizontal, source } = gather;
  const most = (classes: readonly AxisClass[]) => Math.max(...classes.map(({ count }) => count));
  const rows = most(vertical.classes);
  const across = sourceExtent(horizontal, most(horizontal.classes));
  const band = { ...source, left: across.low, columns: across.high - across.low + 1 };
  const top = sourceExtent(vertical, rows).low;
  const sourceRows = (count: number) => sourceExtent(vertical, count).high - top + 1;
  const bandBytes = (count: number) => sourceRows(count) * bandRowBytes(band) + count * targetRowBytes;
  let bands = 1;
  const bandRows = () => Math.ceil(rows / bands);
  while (bandRows() > 1 && bandBytes(bandRows()) > bytes) bands++;
  while (bandRows() > FEWEST_ROWS && batch * bands < WANTED_BANDS) bands++;
  return { band, bandRows: bandRows(), bands: Math.ceil(rows / bandRows()), top, sourceRows: sourceRows(bandRows()) };
}

/** Byte offset in the band of every value under the filter, from its first tap: taps in order, channels innermost. */
export function filterOffsets(
  { kernelHeight, kernelWidth, dilations }: Pick<Conv2dSizes, 'kernelHeight' | 'kernelWidth' | 'dilations'>,
  band: BandShape,
  channels: number,
): number[] {
  const offsets: number[] = [];
  for (let ky = 0; ky < kernelHeight; ky++) {
    for (let kx = 0; kx < kernelWidth; kx++) {
      for (let c = 0; c < channels; c++) {
        offsets.push(ky * dilations[0] * bandRowBytes(band) + (kx * dilations[1] * band.channels + c) * 4);
      }
    }
  }
  return offsets;
}

/** Image and first target row of a task, where tasks count the bands of all images. */
export function locateBand(f: FunctionBuilder, { bands, bandRows }: BandLayout, task: I32): { image: I32; first: I32 } {
  const image = f.let(task.divU(bands));
  const first = f.local(i32);
  f.set(first, task.sub(image.mul(bands)).mul(bandRows));
  return { image, first };
}
