/**
 * Packing into panels. A panel holds `width` rows or columns of a matrix with k outermost: `panel[k][0 .. width - 1]`,
 * which is the order in which the register tile reads. Whether the matrix is transposed only decides which of two loops
 * packs it:
 *
 *     rows (k runs along memory)       4 x 4 blocks are transposed in registers
 *     columns (k runs across memory)   `width` neighbours are copied for each k
 *
 * Panels at the edge of the matrix hold zeros where there is no row or column, so the tile needs no tails.
 */
import {
  F32,
  type F32x4,
  type FunctionBuilder,
  type FunctionReference,
  type I32,
  type I32Like,
  i32,
  type ModuleBuilder,
} from '../../devices/wasm/assembler/module.ts';

const parameters = {
  /** First element of the panel's first row (or column). */
  from: i32,
  to: i32,
  /** Bytes between rows (`rows`), or between consecutive k (`columns`). */
  stride: i32,
  /** Rows (columns) that exist, at most `width`. */
  valid: i32,
  depth: i32,
};

/** Arguments of a packing function, in this order: from, to, stride, valid, depth. */
export type PackFunction = FunctionReference;

/** Packs where k runs along memory: A as it lies, or B transposed. `width` is 4 or 8. */
export function definePackRows(m: ModuleBuilder, width: number): PackFunction {
  return m.inner(parameters, undefined, (f, { from, to, stride, valid, depth }) => {
    const transposedDepth = f.let(depth.and(~3));
    f.if(
      valid.eq(width),
      () => {
        for (let row = 0; row < width; row += 4) {
          transposeFourRows(f, {
            from: from.add(stride.mul(row)),
            to: to.add(row * 4),
            stride,
            depth: transposedDepth,
            panelStep: width * 4,
          });
        }
      },
      () => f.set(transposedDepth, 0),
    );
    // What is left: the last depth % 4 steps, or everything when rows are missing.
    packElements(f, width, {
      from: from.add(transposedDepth.shl(2)),
      to: to.add(transposedDepth.mul(width * 4)),
      stepAcross: stride,
      stepDepth: 4,
      valid,
      depth: depth.sub(transposedDepth),
    });
  });
}

/** Packs where k runs across memory: A transposed, or B as it lies. `width` is a multiple of 4. */
export function definePackColumns(m: ModuleBuilder, width: number): PackFunction {
  return m.inner(parameters, undefined, (f, { from, to, stride, valid, depth }) => {
    f.if(
      valid.eq(width),
      () => {
        f.for(0, depth, 1, () => {
          for (let column = 0; column < width; column += 4) f.store(to, from.f32x4(column * 4), column * 4);
          f.advance(from, stride);
          f.advance(to, width * 4);
        });
      },
      () => packElements(f, width, { from, to, stepAcross: 4, stepDepth: stride, valid, depth }),
    );
  });
}

/** Four rows become four columns, four k at a time; `depth` is a multiple of 4. */
function transposeFourRows(
  f: FunctionBuilder,
  { from, to, stride, depth, panelStep }: { from: I32; to: I32; stride: I32; depth: I32; panelStep: number },
): void {
  const rows = [f.let(from)];
  for (let i = 1; i < 4; i++) rows.push(f.let(rows[i - 1].add(stride)));
  const panel = f.let(to);
  f.for(0, depth, 4, () => {
    transpose4x4(
      f,
      rows.map(row => f.let(row.f32x4())),
    ).forEach((column, k) => {
      f.store(panel, column, k * panelStep);
    });
    for (const row of rows) f.advance(row, 16);
    f.advance(panel, 4 * panelStep);
  });
}

/** The transposed 4 x 4 block of four vectors: two rounds of interleaving. */
export function transpose4x4(f: FunctionBuilder, [a, b, c, d]: readonly F32x4[]): F32x4[] {
  const abLow = f.let(a.shuffle(b, 0, 4, 1, 5));
  const abHigh = f.let(a.shuffle(b, 2, 6, 3, 7));
  const cdLow = f.let(c.shuffle(d, 0, 4, 1, 5));
  const cdHigh = f.let(c.shuffle(d, 2, 6, 3, 7));
  return [
    abLow.shuffle(cdLow, 0, 1, 4, 5),
    abLow.shuffle(cdLow, 2, 3, 6, 7),
    abHigh.shuffle(cdHigh, 0, 1, 4, 5),
    abHigh.shuffle(cdHigh, 2, 3, 6, 7),
  ];
}

/** One element at a time, for edges: rows (columns) from `valid` on are zeros. */
function packElements(
  f: FunctionBuilder,
  width: number,
  at: { from: I32; to: I32; stepAcross: I32Like; stepDepth: I32Like; valid: I32; depth: I32 },
): void {
  const depth = f.let(at.depth);
  const first = f.let(at.from);
  const panel = f.let(at.to);
  f.for(0, width, 1, i => {
    const from = f.let(first.add(i.mul(at.stepAcross)));
    const to = f.let(panel.add(i.shl(2)));
    const exists = f.let(i.lt(at.valid));
    f.for(0, depth, 1, () => {
      f.if(
        exists,
        () => f.store(to, from.f32()),
        () => f.store(to, F32.constant(0)),
      );
      f.advance(from, at.stepDepth);
      f.advance(to, width * 4);
    });
  });
}
