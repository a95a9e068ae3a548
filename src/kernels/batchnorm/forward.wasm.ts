/**
 * Forward programs. Statistics take one pass over memory: every block of at most 64 rows is summed as deviations from its
 * own first row (d = x - shift; mean = shift + sum d / n, squares = sum d^2 - (sum d)^2 / n) and merged into its chunk by
 * Chan's formula. Unlike E[x^2] - E[x]^2 this cannot cancel: (shift - mean)^2 is one of the squares that are wanted, so
 * the loss is at most a factor n <= 64 of the rounding unit, and usually none.
 */
import {
  type Arguments,
  F32,
  type F32x4,
  type FunctionBuilder,
  f32,
  type I32,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import type { Lanes } from '../lanes.wasm.ts';
import { forEachBand, PARTIAL_ROWS } from './bands.wasm.ts';
import { type Bands, forEachChannel, forEachElement, type RowLayout, smaller } from './rows.wasm.ts';

/**
 * Per chunk and column, the mean (less the column's first value, so that a large common offset costs no digits) and the
 * sum of squared deviations: the first two rows of partials [chunks, 4, W].
 */
export function statisticsProgram({ width }: RowLayout, bands: Bands, relaxed: boolean): WasmProgram {
  return wasmProgram(`batchNormStatistics ${width} ${bands.height} ${relaxed}`, m => {
    const parameters = { start: i32, end: i32, x: i32, partials: i32, rows: i32, chunkRows: i32 };
    m.function('run', parameters, (f, { x, ...range }) => {
      forEachBand(
        f,
        { width, bands },
        range,
        ({ at, rows, offset, first, sums: [sum, squares] }) => {
          const shift = f.let(x.add(first).f32x4(offset));
          const here = f.let(x.add(at));
          for (const there of rows) {
            const d = f.let(here.f32x4(there).sub(shift));
            f.set(sum, sum.add(d));
            f.set(squares, d.multiplyAdd(d, squares, relaxed));
          }
          return [sum, squares];
        },
        (rows, rowsBefore) => {
          const n = f.let(rows.toF32S());
          const before = f.let(rowsBefore.toF32S());
          return {
            perRow: f.let(F32.constant(1).div(n).splat()),
            weight: f.let(n.div(before.add(n)).splat()),
            before: f.let(before.splat()),
          };
        },
        ({ results, offset, column, first, sums: [sum, squares] }, { perRow, weight, before }) => {
          const mean = f.let(results.f32x4(offset));
          const meanOfRows = f.let(sum.mul(perRow));
          const base = x.add(column).f32x4(offset);
          const delta = f.let(x.add(first).f32x4(offset).sub(base).add(meanOfRows).sub(mean));
          const step = f.let(delta.mul(weight));
          const within = squares.sub(sum.mul(meanOfRows));
          const deviations = f.let(results.f32x4(width * 4 + offset).add(within));
          f.store(results, mean.add(step), offset);
          f.store(results, deviations.add(delta.mul(step).mul(before)), width * 4 + offset);
        },
      );
    });
  });
}

const FINISH_PARAMETERS = {
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
type FinishArguments = Arguments<typeof FINISH_PARAMETERS>;

/** Merges the chunks' partials and the tail into mean, inverseStd, the running statistics, and the table [3, W]. */
export function finishStatisticsProgram(layout: RowLayout): WasmProgram {
  const { channels, width, tailRows } = layout;
  return wasmProgram(`batchNormFinishStatistics ${channels} ${tailRows}`, m => {
    m.function('run', FINISH_PARAMETERS, (f, a) => {
      const tail = f.let(a.x.add(a.rows.mul(width * 4)));
      forEachChannel(f, channels, a.start, a.end, (lanes, channel) =>
        storeStatistics(f, layout, a, { lanes, channel, ...momentsOf(f, layout, a, { lanes, channel, tail }) }),
      );
    });
  });
}

/** One channel (four of them in vectors), as a byte offset, and where the rows after the last chunk begin. */
interface ChannelOf {
  readonly lanes: Lanes;
  readonly channel: I32;
  readonly tail: I32;
}

interface Moments {
  /** The channel's first value, and the mean less it. */
  readonly base: F32x4;
  readonly offset: F32x4;
  readonly mean: F32x4;
  /** The sum of squared deviations from the mean. */
  readonly squares: F32x4;
}

/** Mean and squared deviations of a channel, over all its partials and the tail. */
function momentsOf(
  f: FunctionBuilder,
  layout: RowLayout,
  a: FinishArguments,
  { lanes, channel, tail }: ChannelOf,
): Moments {
  const { channels, width, tailRows } = layout;
  const total = f.local(lanes.type);
  const base = f.let(lanes.load(a.x.add(channel)));
  const tailAt = (row: number) => lanes.load(tail.add(channel), row * channels * 4).sub(base);

  const addToTotal = kahanSum(f, lanes, total);
  f.set(total, lanes.all(0));
  forEachPartial(f, layout, a, { lanes, channel, base }, (_, mean, n) => addToTotal(mean.mul(n)));
  for (let row = 0; row < tailRows; row++) addToTotal(tailAt(row));
  const offset = f.let(total.div(lanes.all(a.count)));
  const mean = f.let(base.add(offset));

  f.set(total, lanes.all(0));
  forEachPartial(f, layout, a, { lanes, channel, base }, (at, partialMean, n) => {
    const d = f.let(partialMean.sub(offset));
    f.set(total, total.add(lanes.load(at, width * 4).add(d.mul(d).mul(n))));
  });
  for (let row = 0; row < tailRows; row++) {
    const d = f.let(tailAt(row).sub(offset));
    f.set(total, total.add(d.mul(d)));
  }
  const squares = f.let(lanes.relu(f, total)); // rounding may leave a variance of zero just below zero
  return { base, offset, mean, squares };
}

/** Calls `visit` for every partial of a channel: its address, its mean less `base`, and its row count. */
function forEachPartial(
  f: FunctionBuilder,
  { channels, width, fold }: RowLayout,
  a: FinishArguments,
  { lanes, channel, base }: { readonly lanes: Lanes; readonly channel: I32; readonly base: F32x4 },
  visit: (at: I32, mean: F32x4, n: F32x4) => void,
): void {
  const chunk = f.let(a.partials.add(channel));
  f.for(0, a.rows, a.chunkRows, row => {
    const n = f.let(lanes.all(smaller(f.let(a.rows.sub(row)), a.chunkRows).toF32S()));
    const at = f.let(chunk);
    const columnBase = f.let(a.x.add(channel));
    f.repeat(fold, () => {
      visit(at, lanes.load(at).add(lanes.load(columnBase).sub(base)), n);
      f.advance(at, channels * 4);
      f.advance(columnBase, channels * 4);
    });
    f.advance(chunk, PARTIAL_ROWS * width * 4);
  });
}

/** Adds to `total` by Kahan's sum: hundreds of partials of one sign would cost the mean its last digits. */
function kahanSum(f: FunctionBuilder, lanes: Lanes, total: F32x4): (value: F32x4) => void {
  const compensation = f.let(lanes.all(0));
  return value => {
    const term = f.let(value.sub(compensation));
    const next = f.let(total.add(term));
    f.set(compensation, next.sub(total).sub(term));
    f.set(total, next);
  };
}

/** Everything that follows from the moments of a channel. */
function storeStatistics(
  f: FunctionBuilder,
  { channels, width, fold }: RowLayout,
  a: FinishArguments,
  { lanes, channel, base, offset, mean, squares }: { readonly lanes: Lanes; readonly channel: I32 } & Moments,
): void {
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
    f.advance(column, channels * 4);
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
  readonly bands: Bands;
  readonly residual: boolean;
  readonly relu: boolean;
  readonly relaxed: boolean;
}

/** y = act((x - mean) scale + shift [+ residual]), the parameters from the table [3, W]. */
export function normalizeProgram({ width }: RowLayout, options: NormalizeOptions): WasmProgram {
  const { bands, residual, relu, relaxed } = options;
  return wasmProgram(`batchNormNormalize ${width} ${bands.height} ${residual} ${relu} ${relaxed}`, m => {
    const parameters = { start: i32, end: i32, x: i32, residual: i32, y: i32, table: i32, rows: i32, tail: i32 };
    m.function('run', parameters, (f, a) => {
      const arrays = residual ? [a.x, a.y, a.residual] : [a.x, a.y];
      const walk = { width, bands, parameters: 3 };
      forEachElement(f, walk, a, arrays, (lanes, [x, y, added], offset, [mean, scale, shift]) => {
        const centred = lanes.load(x, offset).sub(mean);
        const fused = relaxed && lanes.width === 4;
        let value = fused ? centred.multiplyAdd(scale, shift, true) : centred.mul(scale).add(shift);
        if (added) value = value.add(lanes.load(added, offset));
        f.store(y, relu ? lanes.relu(f, value) : value, offset);
      });
    });
  });
}
