/**
 * Products with a thin side: up to four rows of A against a large B, or up to four columns of B against a large A. Every
 * element of the large matrix is used at most four times, so the time is that of reading it once; packing it would
 * triple that. The large matrix is read in its own order, whichever way k runs in it:
 *
 *     dot    k runs along its rows (B transposed; A as it lies): one dot product per row and thin vector, four k at a
 *            time, the lanes added at the end.
 *     sweep  k runs across its rows (B as it lies, A transposed): its rows, scaled by elements of the thin vectors, are
 *            added to the output, which stays in L1; several rows per visit of the output.
 *
 * The names below see it from the large matrix: it has `large` vectors of length k, the thin side has `thin` of them.
 */
import { input, output, scratch, type WasmPlan, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32,
  F32x4,
  type FunctionBuilder,
  f32,
  f32x4,
  I32,
  i32,
  type ModuleBuilder,
  splat,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { type MatmulParams, type MatmulSizes, matmulSizes } from './matmul.ts';
import { minimum } from './tile.wasm.ts';

const MAX_THIN = 4;
/** Output elements per task of a sweep (2 KiB: with four thin vectors 8 KiB of L1), and rows per task of a dot. */
const SWEEP_COLUMNS = 512;
const DOT_ROWS = 32;
const WANTED_TASKS = 8;
/** Elements of the large matrix worth waking a thread for. */
const GRAIN_ELEMENTS = 60_000;

interface Layout {
  readonly thin: number;
  /** The thin side is A (rows of C); otherwise B (columns of C). */
  readonly thinRows: boolean;
  /** Whether k runs along the rows of the thin matrix as it lies. */
  readonly thinAlong: boolean;
  readonly bias: boolean;
  readonly relu: boolean;
  readonly relaxed: boolean;
}

/** Byte distances between elements: of the output along the large and thin side, of the thin matrix along both. */
interface Distances {
  readonly outLarge: I32;
  readonly outThin: I32;
  readonly thinVector: I32;
  readonly thinK: I32;
}

function distances({ thin, thinRows, thinAlong }: Layout, large: I32, k: I32): Distances {
  const one = I32.constant(4);
  return {
    outLarge: thinRows ? one : I32.constant(thin * 4),
    outThin: thinRows ? large.shl(2) : one,
    thinVector: thinAlong ? k.shl(2) : one,
    thinK: thinAlong ? one : I32.constant(thin * 4),
  };
}

/** Bias of one output: it belongs to the columns of C. */
function biasOf({ bias: hasBias, thinRows }: Layout, bias: I32, large: I32, thin: number): F32 {
  if (!hasBias) return F32.constant(0);
  return thinRows ? bias.add(large.shl(2)).f32() : bias.f32(thin * 4);
}

const parameters = {
  start: i32,
  end: i32,
  matrix: i32,
  vectors: i32,
  bias: i32,
  out: i32,
  /** The thread's own memory. */
  room: i32,
  large: i32,
  k: i32,
  /** Large vectors (dot) or output elements (sweep) per task. */
  part: i32,
};

/** Copies the thin vectors into the thread's memory, one after the other, k contiguous. */
function gatherVectors(f: FunctionBuilder, { thin }: Layout, at: Distances, vectors: I32, room: I32, k: I32): void {
  for (let i = 0; i < thin; i++) {
    const from = f.let(vectors.add(at.thinVector.mul(i)));
    const to = f.let(room.add(k.mul(i * 4)));
    f.for(0, k, 1, () => {
      f.store(to, from.f32());
      f.advance(to, 4);
      f.advance(from, at.thinK);
    });
  }
}

function defineDot(m: ModuleBuilder, layout: Layout): void {
  const { thin, thinAlong, relu, relaxed } = layout;
  m.function('dot', parameters, (f, { start, end, matrix, vectors, bias, out, room, large, k, part }) => {
    const at = distances(layout, large, k);
    const first = f.let(vectors);
    if (!thinAlong) {
      gatherVectors(f, layout, at, vectors, room, k);
      f.set(first, room);
    }
    const sums = Array.from({ length: thin }, () => f.local(f32x4));
    const tails = Array.from({ length: thin }, () => f.local(f32));
    const wholeVectors = f.let(k.shrU(2));
    f.for(start.mul(part), f.let(minimum(end.mul(part), large)), 1, row => {
      const from = f.let(matrix.add(row.mul(k).shl(2)));
      const others = Array.from({ length: thin }, (_, i) => f.let(first.add(k.mul(i * 4))));
      for (const sum of sums) f.set(sum, F32x4.constant(0, 0, 0, 0));
      f.if(wholeVectors, () =>
        f.repeat(wholeVectors, () => {
          const values = f.let(from.f32x4());
          sums.forEach((sum, i) => {
            f.set(sum, values.multiplyAdd(others[i].f32x4(), sum, relaxed));
            f.advance(others[i], 16);
          });
          f.advance(from, 16);
        }),
      );
      tails.forEach((tail, i) => {
        f.set(tail, biasOf(layout, bias, row, i).add(sums[i].horizontalSum()));
      });
      f.for(wholeVectors.shl(2), k, 1, () => {
        tails.forEach((tail, i) => {
          f.set(tail, tail.add(from.f32().mul(others[i].f32())));
          f.advance(others[i], 4);
        });
        f.advance(from, 4);
      });
      const to = f.let(out.add(row.mul(at.outLarge)));
      tails.forEach((tail, i) => {
        f.store(to.add(at.outThin.mul(i)), relu ? reluOf(tail) : tail);
      });
    });
  });
}

/** max(x, 0); a NaN stays a NaN. */
const reluOf = (x: F32): F32 => x.lt(0).select(F32.constant(0), x);

/** Rows of the large matrix per visit of the output: as many as leave registers for their factors. */
const rowsPerVisit = (thin: number): number => Math.floor(8 / thin);

/**
 * One task computes `part` neighbouring outputs for every thin vector, in the thread's memory [thin][part], from where
 * they are written out: the output may lie across (one column of C).
 */
function defineSweep(m: ModuleBuilder, layout: Layout): void {
  const { thin, relu, relaxed } = layout;
  m.function('sweep', parameters, (f, { start, end, matrix, vectors, bias, out, room, large, k, part }) => {
    const at = distances(layout, large, k);
    const rowBytes = f.let(large.shl(2));
    const sumBytes = f.let(part.shl(2));
    const step = rowsPerVisit(thin);
    f.for(start, end, 1, task => {
      const first = f.let(task.mul(part));
      const count = f.let(minimum(large.sub(first), part));
      for (let i = 0; i < thin; i++) {
        f.for(0, count, 1, j => {
          f.store(room.add(sumBytes.mul(i)).add(j.shl(2)), biasOf(layout, bias, first.add(j), i));
        });
      }
      const from = f.let(matrix.add(first.shl(2)));
      const factor = f.let(vectors);
      const addRows = (rows: number) => {
        const factors = Array.from({ length: thin }, (_, i) =>
          Array.from({ length: rows }, (_, r) => f.let(factor.add(at.thinVector.mul(i)).add(at.thinK.mul(r)).f32())),
        );
        addScaledRows(f, { from, rowBytes, count, factors, room, sumBytes, relaxed });
        f.advance(from, rowBytes.mul(rows));
        f.advance(factor, at.thinK.mul(rows));
      };
      const whole = f.let(k.divU(step).mul(step));
      f.for(0, whole, step, () => addRows(step));
      f.for(whole, k, 1, () => addRows(1));
      for (let i = 0; i < thin; i++) {
        const to = f.let(out.add(first.mul(at.outLarge)).add(at.outThin.mul(i)));
        f.for(0, count, 1, j => {
          const value = f.let(room.add(sumBytes.mul(i)).add(j.shl(2)).f32());
          f.store(to.add(j.mul(at.outLarge)), relu ? reluOf(value) : value);
        });
      }
    });
  });
}

/** sums[i][0 .. count) += sum over r of factors[i][r] * row r: vectors of four, then single elements. */
function addScaledRows(
  f: FunctionBuilder,
  at: {
    from: I32;
    rowBytes: I32;
    count: I32;
    factors: readonly (readonly F32[])[];
    room: I32;
    sumBytes: I32;
    relaxed: boolean;
  },
): void {
  const rows = at.factors[0].map((_, r) => f.let(at.from.add(at.rowBytes.mul(r))));
  const sums = at.factors.map((_, i) => f.let(at.room.add(at.sumBytes.mul(i))));
  const wide = at.factors.map(row => row.map(factor => f.let(splat(factor))));
  const advance = (bytes: number) => {
    for (const pointer of [...rows, ...sums]) f.advance(pointer, bytes);
  };
  f.for(0, at.count.shrU(2), 1, () => {
    const values = rows.map(row => f.let(row.f32x4()));
    sums.forEach((sum, i) => {
      let total = sum.f32x4();
      values.forEach((value, r) => {
        total = value.multiplyAdd(wide[i][r], total, at.relaxed);
      });
      f.store(sum, total);
    });
    advance(16);
  });
  f.for(0, at.count.and(3), 1, () => {
    const values = rows.map(row => f.let(row.f32()));
    sums.forEach((sum, i) => {
      let total = sum.f32();
      values.forEach((value, r) => {
        total = total.add(value.mul(at.factors[i][r]));
      });
      f.store(sum, total);
    });
    advance(4);
  });
}

function thinProgram(layout: Layout): WasmProgram {
  return wasmProgram(`matmul thin ${JSON.stringify(layout)}`, m => {
    defineDot(m, layout);
    defineSweep(m, layout);
  });
}

/** The side with at most four vectors; rows of A where both are thin. */
function thinSide({ batch, m, n }: MatmulSizes): 'rows' | 'columns' | undefined {
  if (batch !== 1) return undefined;
  if (m <= MAX_THIN && m <= n) return 'rows';
  return n <= MAX_THIN ? 'columns' : undefined;
}

export const matmulThin: WasmVariant<MatmulParams> = {
  name: 'thin',
  applies(specs, params) {
    const sizes = matmulSizes(specs, params);
    return sizes.m > 0 && sizes.n > 0 && thinSide(sizes) !== undefined;
  },
  plan(specs, params, adapter): WasmPlan {
    const sizes = matmulSizes(specs, params);
    const { m, n, k } = sizes;
    const thinRows = thinSide(sizes) === 'rows';
    const layout: Layout = {
      thin: thinRows ? m : n,
      thinRows,
      thinAlong: thinRows ? !params.transposeA : params.transposeB,
      bias: specs.length > 2,
      relu: params.activation === 'relu',
      relaxed: adapter.relaxedSimd,
    };
    const large = thinRows ? n : m;
    const isDot = thinRows ? params.transposeB : !params.transposeA;
    const most = isDot ? DOT_ROWS : SWEEP_COLUMNS;
    // Whole cache lines of output where there is enough of it.
    const part = Math.max(isDot ? 1 : 64, Math.min(most, Math.ceil(large / WANTED_TASKS / 16) * 16));
    return {
      scratch: [{ bytes: 4 * layout.thin * Math.max(1, isDot ? k : part), perThread: true }],
      passes: [
        {
          program: thinProgram(layout),
          entry: isDot ? 'dot' : 'sweep',
          tasks: Math.ceil(large / part),
          grain: Math.ceil(GRAIN_ELEMENTS / (part * Math.max(1, k))),
          args: [
            input(thinRows ? 1 : 0),
            input(thinRows ? 0 : 1),
            layout.bias ? input(2) : 0,
            output(0),
            scratch(0),
            large,
            k,
            part,
          ],
        },
      ],
    };
  },
};
