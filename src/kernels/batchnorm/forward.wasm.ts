/**
 * Forward programs. Statistics take one pass over memory: every block of at most 64 rows is summed as deviations from its
 * own first row (d = x - shift; mean = shift + sum d / n, squares = sum d^2 - (sum d)^2 / n) and merged into its chunk by
 * Chan's formula. Unlike E[x^2] - E[x]^2 this cannot cancel: (shift - mean)^2 is one of the squares that are wanted, so
 * the loss is at most a factor n <= 64 of the rounding unit, and usually none.
 */
import {
  type F32x4,
  f32,
  type I32,
  i32,
  splat,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { forEachChannel, forEachColumnBlock, forEachElement, type RowLayout, smaller } from './rows.wasm.ts';

/** Columns of four whose shift, sum and squares stay in registers. */
const STATISTICS_VECTORS = 2;

/**
 * Per chunk and column, the mean (less the column's first value, so that a large common offset costs no digits) and the
 * sum of squared deviations: partials [chunks, 2, W].
 */
export function statisticsProgram({ width }: RowLayout, blockRows: number, relaxed: boolean): WasmProgram {
  return wasmProgram(`batchNormStatistics ${width} ${blockRows} ${relaxed}`, m => {
    const parameters = { start: i32, end: i32, x: i32, partials: i32, rows: i32, chunkRows: i32 };
    m.function('run', parameters, (f, { start, end, x, partials, rows, chunkRows }) => {
      const range = { start, end, rows, chunkRows };
      forEachColumnBlock(f, width, blockRows, STATISTICS_VECTORS, range, block => {
        const vectors = [...Array(block.vectors).keys()];
        const pointer = f.let(x.add(block.first));
        const shift = vectors.map(v => f.let(pointer.f32x4(v * 16)));
        const sum = vectors.map(() => f.let(splat(0)));
        const squares = vectors.map(() => f.let(splat(0)));
        // Two rows at a time, each with sums of its own, so that an addition need not wait for the one before it.
        const otherSum = vectors.map(() => f.let(splat(0)));
        const otherSquares = vectors.map(() => f.let(splat(0)));
        const pairs = f.let(block.rows.shrU(1));
        const accumulate = (row: number, sums: F32x4[], squaresOf: F32x4[]) => {
          const d = vectors.map(v => f.let(pointer.f32x4(row * width * 4 + v * 16).sub(shift[v])));
          for (const v of vectors) f.set(sums[v], sums[v].add(d[v]));
          for (const v of vectors) f.set(squaresOf[v], d[v].multiplyAdd(d[v], squaresOf[v], relaxed));
        };
        f.if(pairs, () =>
          f.repeat(pairs, () => {
            accumulate(0, sum, squares);
            accumulate(1, otherSum, otherSquares);
            f.advance(pointer, width * 8);
          }),
        );
        f.if(block.rows.and(1), () => accumulate(0, sum, squares));
        for (const v of vectors) {
          f.set(sum[v], sum[v].add(otherSum[v]));
          f.set(squares[v], squares[v].add(otherSquares[v]));
        }
        const n = f.let(block.rows.toF32S());
        const before = f.let(block.rowsBefore.toF32S());
        const weight = f.let(n.div(before.add(n)));
        const out = f.let(partials.add(block.chunk.mul(width * 8)).add(block.column));
        const base = f.let(x.add(block.column));
        for (const v of vectors) {
          const offset = f.let(sum[v].div(n.splat()));
          const mean = f.let(shift[v].sub(base.f32x4(v * 16)).add(offset));
          const deviations = f.let(squares[v].sub(sum[v].mul(offset)));
          f.if(
            block.rowsBefore,
            () => {
              const delta = f.let(mean.sub(out.f32x4(v * 16)));
              const step = f.let(delta.mul(weight.splat()));
              f.store(out, out.f32x4(v * 16).add(step), v * 16);
              const between = delta.mul(step).mul(before.splat());
              f.store(out, out.f32x4(width * 4 + v * 16).add(deviations.add(between)), width * 4 + v * 16);
            },
            () => {
              f.store(out, mean, v * 16);
              f.store(out, deviations, width * 4 + v * 16);
            },
          );
        }
      });
    });
  });
}

/** Merges the chunks' partials and the tail into mean, inverseStd, the running statistics, and the table [3, W]. */
export function finishStatisticsProgram({ channels, width, fold, tailRows }: RowLayout): WasmProgram {
  return wasmProgram(`batchNormFinishStatistics ${channels} ${tailRows}`, m => {
    const parameters = {
      start: i32,
      end: i32,
      x: i32,
      partials: i32,
      gamma: i32,
      beta: i32,
      mean: i32,
      inverseStd: i32,
      runningMean: i32,
      runningVariance: i32,
      table: i32,
      rows: i32,
      chunkRows: i32,
      count: f32,
      epsilon: f32,
      momentum: f32,
      keep: f32,
    };
    m.function('run', parameters, (f, a) => {
      const stride = channels * 4;
      const tail = f.let(a.x.add(a.rows.mul(width * 4)));
      forEachChannel(f, channels, a.start, a.end, (lanes, channel) => {
        const total = f.local(lanes.type);
        const base = f.let(lanes.load(a.x.add(channel)));
        /** Calls `visit` for every partial of this channel: its address, its mean less `base`, and its row count. */
        const forEachPartial = (visit: (at: I32, mean: F32x4, n: F32x4) => void) => {
          const chunk = f.let(a.partials.add(channel));
          f.for(0, a.rows, a.chunkRows, row => {
            const n = f.let(lanes.all(smaller(f.let(a.rows.sub(row)), a.chunkRows).toF32S()));
            const at = f.let(chunk);
            const columnBase = f.let(a.x.add(channel));
            f.repeat(fold, () => {
              visit(at, lanes.load(at).add(lanes.load(columnBase).sub(base)), n);
              f.advance(at, stride);
              f.advance(columnBase, stride);
            });
            f.advance(chunk, width * 8);
          });
        };
        const tailAt = (row: number) => lanes.load(tail.add(channel), row * stride).sub(base);

        f.set(total, lanes.all(0));
        forEachPartial((_, mean, n) => f.set(total, total.add(mean.mul(n))));
        for (let row = 0; row < tailRows; row++) f.set(total, total.add(tailAt(row)));
        const offset = f.let(total.div(lanes.all(a.count)));
        const mean = f.let(base.add(offset));

        f.set(total, lanes.all(0));
        forEachPartial((at, partialMean, n) => {
          const d = f.let(partialMean.sub(offset));
          f.set(total, total.add(lanes.load(at, width * 4).add(d.mul(d).mul(n))));
        });
        for (let row = 0; row < tailRows; row++) {
          const d = f.let(tailAt(row).sub(offset));
          f.set(total, total.add(d.mul(d)));
        }
        const squares = f.let(lanes.relu(f, total)); // rounding may leave a variance of zero just below zero
        const one = lanes.all(1);
        const deviation = squares.div(lanes.all(a.count)).add(lanes.all(a.epsilon)).sqrt();
        const inverseStd = f.let(one.div(deviation));
        const unbiased = squares.div(lanes.all(a.count.sub(1).max(1)));

        const update = (running: I32, value: F32x4) => {
          const at = f.let(running.add(channel));
          f.store(
            at,
            lanes
              .load(at)
              .mul(lanes.all(a.keep))
              .add(value.mul(lanes.all(a.momentum))),
          );
        };
        f.store(a.mean.add(channel), mean);
        f.store(a.inverseStd.add(channel), inverseStd);
        update(a.runningMean, mean);
        update(a.runningVariance, unbiased);
        const scale = f.let(lanes.load(a.gamma.add(channel)).mul(inverseStd));
        // What rounding took from the mean comes back through the shift: y is exact to its own digits, not to the mean's.
        const lost = base.sub(mean).add(offset);
        const shift = f.let(lanes.load(a.beta.add(channel)).sub(lost.mul(scale)));
        const column = f.let(a.table.add(channel));
        f.repeat(fold, () => {
          [mean, scale, shift].forEach((value, part) => {
            f.store(column, value, part * width * 4);
          });
          f.advance(column, stride);
        });
      });
    });
  });
}

/** The table [3, W] of mean, scale and shift from running statistics. */
export function evalTableProgram({ channels, width, fold }: RowLayout): WasmProgram {
  return wasmProgram(`batchNormEvalTable ${channels}`, m => {
    const parameters = {
      start: i32,
      end: i32,
      gamma: i32,
      beta: i32,
      mean: i32,
      variance: i32,
      table: i32,
      epsilon: f32,
    };
    m.function('run', parameters, (f, a) => {
      forEachChannel(f, channels, a.start, a.end, (lanes, channel) => {
        const mean = f.let(lanes.load(a.mean.add(channel)));
        const deviation = lanes.load(a.variance.add(channel)).add(lanes.all(a.epsilon)).sqrt();
        const scale = f.let(lanes.load(a.gamma.add(channel)).mul(lanes.all(1).div(deviation)));
        const shift = f.let(lanes.load(a.beta.add(channel)));
        const column = f.let(a.table.add(channel));
        f.repeat(fold, () => {
          [mean, scale, shift].forEach((value, part) => {
            f.store(column, value, part * width * 4);
          });
          f.advance(column, channels * 4);
        });
      });
    });
  });
}

export interface NormalizeOptions {
  readonly rowsPerTask: number;
  readonly residual: boolean;
  readonly relu: boolean;
  readonly relaxed: boolean;
}

/** y = act((x - mean) scale + shift [+ residual]), the parameters from the table [3, W]. */
export function normalizeProgram({ width }: RowLayout, options: NormalizeOptions): WasmProgram {
  const { rowsPerTask, residual, relu, relaxed } = options;
  return wasmProgram(`batchNormNormalize ${width} ${rowsPerTask} ${residual} ${relu} ${relaxed}`, m => {
    const parameters = { start: i32, end: i32, x: i32, residual: i32, y: i32, table: i32, rows: i32, tail: i32 };
    m.function('run', parameters, (f, a) => {
      const arrays = residual ? [a.x, a.y, a.residual] : [a.x, a.y];
      forEachElement(f, { width, rowsPerTask }, a, arrays, (lanes, [x, y, added], offset, parameter) => {
        const centred = lanes.load(x, offset).sub(parameter(0));
        const fused = relaxed && lanes.width === 4;
        let value = fused
          ? centred.multiplyAdd(parameter(1), parameter(2), true)
          : centred.mul(parameter(1)).add(parameter(2));
        if (added) value = value.add(lanes.load(added, offset));
        f.store(y, relu ? lanes.relu(f, value) : value, offset);
      });
    });
  });
}
