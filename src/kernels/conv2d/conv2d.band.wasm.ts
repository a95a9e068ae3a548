/**
 * Bands: some rows of one image, copied into a thread's own memory with their padding written out as zeros, so that inner
 * loops run over pixels without asking where the image ends. A band is chosen to stay in L2; the copy is what would
 * otherwise be an im2col matrix, but each pixel is copied once instead of once per tap.
 */
import { type FunctionBuilder, type I32, type I32Like, i32 } from '../../devices/wasm/assembler/module.ts';

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

/**
 * Rows per band so that a band stays within `bytes` and there are at least `wantedTasks` bands in all, in equal parts. A
 * function of the shape alone: results must not depend on the number of threads.
 */
export function chooseBandRows(
  { batch, rows, wantedTasks }: { batch: number; rows: number; wantedTasks: number },
  bandBytes: (rows: number) => number,
  bytes: number,
): number {
  let parts = 1;
  const band = () => Math.ceil(rows / parts);
  while (band() > 1 && bandBytes(band()) > bytes) parts++;
  while (band() > 4 && batch * parts < wantedTasks) parts++;
  return band();
}

/** Index of the current task's image and first row, from a task number that counts bands within images. */
export function locateBand(f: FunctionBuilder, task: I32, bands: number, bandRows: number): { image: I32; first: I32 } {
  const image = f.let(task.divU(bands));
  const first = f.local(i32);
  f.set(first, task.sub(image.mul(bands)).mul(bandRows));
  return { image, first };
}
