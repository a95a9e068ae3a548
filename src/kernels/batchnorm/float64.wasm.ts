/**
 * The training forward pass in float64, for devices of highest precision: plain sums of deviations from the first row and
 * of their squares, then y = x scale + shift, rounded once. Written for being right at a glance, not for speed: row by row,
 * the sums in memory.
 */
import { input, output, type Spec, scratch, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32,
  type F32x4,
  type F64x2,
  type FunctionBuilder,
  f32,
  type I32,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { both, demote, type F64x4, promote } from '../float64.wasm.ts';
import { type BatchNormTrainParams, batchNormSizes } from './batchnorm.ts';
import { grainOf, smaller } from './rows.wasm.ts';

/**
 * A vector of channels: four, or one where C is no multiple of four. Then the other lanes are zeros: added to the sums of the
 * channels that follow they change nothing, and what they leave in the table those channels write over.
 */
export interface Channels {
  /** Byte offset of the first in a row of float32; twice that in one of float64. */
  readonly at: I32;
  load(row: I32): F64x4;
  loadFloats(row: I32): F32x4;
  store(row: I32, value: F32x4): void;
}

/** Rows of float64 are padded to whole vectors, so that a single channel may take the room of four. */
export const paddedRow = (channels: number): number => (channels + 3) * 8;

export function forEachVector(f: FunctionBuilder, channels: number, emit: (channels: Channels) => void): void {
  const full = channels - (channels % 4);
  f.for(0, full * 4, 16, at =>
    emit({
      at,
      load: row => promote(f, row.add(at).f32x4()),
      loadFloats: row => row.add(at).f32x4(),
      store: (row, value) => f.store(row.add(at), value),
    }),
  );
  f.for(full * 4, channels * 4, 4, at =>
    emit({
      at,
      load: row => promote(f, row.add(at).f32x4Zero()),
      loadFloats: row => row.add(at).f32x4Zero(),
      store: (row, value) => f.storeLane(row.add(at), value, 0),
    }),
  );
}

const doubleAt = (row: I32, { at }: Channels): I32 => row.add(at.shl(1));
export const loadDoubles = (row: I32, channels: Channels, offset = 0): F64x4 =>
  both(half => doubleAt(row, channels).f64x2(offset + 16 * half));

export function storeDoubles(f: FunctionBuilder, row: I32, channels: Channels, value: F64x4, offset = 0): void {
  value.forEach((half, h) => {
    f.store(doubleAt(row, channels), half, offset + 16 * h);
  });
}

/** Per chunk of rows, sums of deviations from the first row and of their squares: partials [chunks, 2, padded C]. */
function sumsProgram(channels: number): WasmProgram {
  const row8 = paddedRow(channels);
  return wasmProgram(`batchNormSums float64 ${channels}`, m => {
    const parameters = { start: i32, end: i32, x: i32, partials: i32, count: i32, chunkRows: i32 };
    m.function('run', parameters, (f, { start, end, x, partials, count, chunkRows }) => {
      f.for(start, end, 1, chunk => {
        const sums = f.let(partials.add(chunk.mul(2 * row8)));
        f.fill(sums, 0, 2 * row8);
        const first = f.let(chunk.mul(chunkRows));
        f.for(first, f.let(smaller(first.add(chunkRows), count)), 1, row => {
          const here = f.let(x.add(row.mul(channels * 4)));
          forEachVector(f, channels, vector => {
            const base = vector.load(x);
            const value = vector.load(here);
            const d = both(half => f.let(value[half].sub(base[half])));
            const [sum, squares] = [loadDoubles(sums, vector), loadDoubles(sums, vector, row8)];
            storeDoubles(
              f,
              sums,
              vector,
              both(half => sum[half].add(d[half])),
            );
            storeDoubles(
              f,
              sums,
              vector,
              both(half => squares[half].add(d[half].mul(d[half]))),
              row8,
            );
          });
        });
      });
    });
  });
}

/** Mean, inverseStd, the running statistics, and the table [2, padded C] of scale and shift. */
function finishProgram(channels: number): WasmProgram {
  const row8 = paddedRow(channels);
  return wasmProgram(`batchNormFinish float64 ${channels}`, m => {
    const arrays = {
      x: i32,
      gamma: i32,
      beta: i32,
      mean: i32,
      inverseStd: i32,
      runningMean: i32,
      runningVariance: i32,
    };
    const numbers = { chunks: i32, count: f32, epsilon: f32, momentum: f32, keep: f32 };
    const parameters = { start: i32, end: i32, partials: i32, table: i32, ...arrays, ...numbers };
    m.function('run', parameters, (f, a) => {
      const all = (value: F32): F64x2 => f.let(value.splat().promoteLow());
      const [count, epsilon, momentum, keep] = [a.count, a.epsilon, a.momentum, a.keep].map(all);
      const [zero, one] = [0, 1].map(value => all(F32.constant(value)));
      const others = all(a.count.sub(1).max(1));
      forEachVector(f, channels, vector => {
        const totals = [0, 1].map(() => both(() => f.let(zero)));
        const chunk = f.let(a.partials);
        f.repeat(a.chunks, () => {
          totals.forEach((total, part) => {
            const added = loadDoubles(chunk, vector, part * row8);
            for (const half of [0, 1]) f.set(total[half], total[half].add(added[half]));
          });
          f.advance(chunk, 2 * row8);
        });
        const [sum, squares] = totals;
        const base = vector.load(a.x);
        const gamma = vector.load(a.gamma);
        const beta = vector.load(a.beta);
        const offset = both(half => f.let(sum[half].div(count)));
        const mean = both(half => f.let(base[half].add(offset[half])));
        const deviations = both(half => f.let(squares[half].sub(sum[half].mul(offset[half]))));
        const inverse = both(half => f.let(one.div(deviations[half].div(count).add(epsilon).sqrt())));
        const scale = both(half => f.let(gamma[half].mul(inverse[half])));
        const shift = both(half => beta[half].sub(mean[half].mul(scale[half])));
        storeDoubles(f, a.table, vector, scale);
        storeDoubles(f, a.table, vector, shift, row8);
        vector.store(a.mean, demote(mean));
        vector.store(a.inverseStd, demote(inverse));
        const update = (running: I32, value: (half: 0 | 1) => F64x2): void => {
          const before = vector.load(running);
          vector.store(running, demote(both(half => before[half].mul(keep).add(value(half).mul(momentum)))));
        };
        update(a.runningMean, half => mean[half]);
        update(a.runningVariance, half => deviations[half].div(others));
      });
    });
  });
}

/** y = act(x scale + shift [+ residual]); a task is one stretch of rows. */
export function normalizeProgram(
  channels: number,
  { relu, residual }: { relu: boolean; residual: boolean },
): WasmProgram {
  const row8 = paddedRow(channels);
  return wasmProgram(`batchNormNormalize float64 ${channels} ${relu} ${residual}`, m => {
    const arrays = { x: i32, residual: i32, y: i32, table: i32 };
    m.function('run', { start: i32, end: i32, ...arrays, count: i32, taskRows: i32 }, (f, a) => {
      f.for(a.start.mul(a.taskRows), f.let(smaller(a.end.mul(a.taskRows), a.count)), 1, row => {
        const offset = f.let(row.mul(channels * 4));
        forEachVector(f, channels, vector => {
          const x = vector.load(a.x.add(offset));
          const [scale, shift] = [loadDoubles(a.table, vector), loadDoubles(a.table, vector, row8)];
          let value = both(half => x[half].mul(scale[half]).add(shift[half]));
          if (residual) {
            const [plain, added] = [value, vector.load(a.residual.add(offset))];
            value = both(half => plain[half].add(added[half]));
          }
          vector.store(a.y.add(offset), relu ? demote(value).pmax(0) : demote(value));
        });
      });
    });
  });
}

/** Stretches of rows of about `elements` each: a function of the shape alone. */
export function stretches(specs: readonly Spec[], elements: number, most: number): { rows: number; tasks: number } {
  const { channels, count } = batchNormSizes(specs);
  const wanted = Math.min(most, Math.max(1, Math.floor((count * channels) / elements)));
  const rows = Math.max(1, Math.ceil(count / wanted));
  return { rows, tasks: Math.ceil(count / rows) };
}

export const trainFloat64: WasmVariant<BatchNormTrainParams> = {
  name: 'float64',
  precision: 'highest',
  applies: () => true,
  plan(specs, { epsilon, momentum, activation }) {
    const { channels, count } = batchNormSizes(specs);
    const row8 = paddedRow(channels);
    const chunks = stretches(specs, 16384, 32);
    const strips = stretches(specs, 8192, Number.MAX_SAFE_INTEGER);
    const [x, gamma, beta, partials, table] = [input(0), input(1), input(2), scratch(0), scratch(1)];
    const residual = specs.length > 3 ? input(3) : 0;
    return {
      scratch: [{ bytes: chunks.tasks * 2 * row8 }, { bytes: 2 * row8 }],
      passes: [
        {
          program: sumsProgram(channels),
          entry: 'run',
          tasks: chunks.tasks,
          grain: grainOf(chunks.rows * channels),
          args: [x, partials, count, chunks.rows],
        },
        {
          program: finishProgram(channels),
          entry: 'run',
          tasks: 1,
          args: [
            ...[partials, table, x, gamma, beta, output(1), output(2), output(3), output(4)],
            ...[chunks.tasks, count, epsilon, momentum, 1 - momentum],
          ],
        },
        {
          program: normalizeProgram(channels, { relu: activation === 'relu', residual: residual !== 0 }),
          entry: 'run',
          tasks: strips.tasks,
          grain: grainOf(strips.rows * channels),
          args: [x, residual, output(0), table, count, strips.rows],
        },
      ],
    };
  },
};
