/**
 * Gradient programs. One pass over memory sums g and g (x - mean) per column, g being dy where the ReLU was open; a second
 * one writes dx. In training dx needs the sums first; with fixed statistics it does not, so the first pass writes dx too.
 * Where g is not dy itself the first pass writes it, so that the second need not read y and dy again: into the residual's
 * gradient, which it is, or to where dx will be.
 */
import { f32, i32, type WasmProgram, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { fourLanes, type Lanes } from '../lanes.wasm.ts';
import { forEachBand, PARTIAL_ROWS } from './bands.wasm.ts';
import { type Bands, forEachChannel, forEachElement, type RowLayout } from './rows.wasm.ts';

export interface GradientOptions {
  readonly relu: boolean;
  readonly residual: boolean;
  /** Fixed statistics: dx = g gamma inverseStd, at once. */
  readonly fixed: boolean;
  readonly relaxed: boolean;
}

/** Whether the first pass writes g. */
const keepsMasked = ({ relu, residual, fixed }: GradientOptions): boolean => residual || (relu && !fixed);

const key = ({ relu, residual, fixed, relaxed }: GradientOptions): string =>
  `${relu ? 'relu' : 'linear'}${residual ? ' residual' : ''}${fixed ? ' fixed' : ''}${relaxed ? ' relaxed' : ''}`;

/** The vectors the sums need, laid out over W columns: table [2, W] of mean and gamma inverseStd. */
export function gradientTableProgram({ channels, width, fold }: RowLayout, fixed: boolean): WasmProgram {
  return wasmProgram(`batchNormGradientTable ${channels} ${fixed}`, m => {
    const parameters = { start: i32, end: i32, gamma: i32, mean: i32, spread: i32, table: i32, epsilon: f32 };
    m.function('run', parameters, (f, a) => {
      forEachChannel(f, channels, a.start, a.end, (lanes, channel) => {
        const mean = f.let(lanes.load(a.mean.add(channel)));
        const inverseStd = inverseStdOf(lanes, lanes.load(a.spread.add(channel)), fixed ? a.epsilon : undefined);
        const scale = f.let(lanes.load(a.gamma.add(channel)).mul(inverseStd));
        const column = f.let(a.table.add(channel));
        f.repeat(fold, () => {
          f.store(column, mean);
          f.store(column, scale, width * 4);
          f.advance(column, channels * 4);
        });
      });
    });
  });
}

type Vector = ReturnType<Lanes['all']>;

/** `spread` is inverseStd itself, or with an epsilon the variance it is made of. */
const inverseStdOf = (lanes: Lanes, spread: Vector, epsilon: Parameters<Lanes['all']>[0] | undefined): Vector =>
  epsilon === undefined ? spread : lanes.all(1).div(spread.add(lanes.all(epsilon)).sqrt());

/**
 * Per chunk, the sums of g and g (x - mean) of every column: the first two rows of partials [chunks, 4, W]. Writes g where
 * it is kept, and dx with fixed statistics.
 */
export function gradientSumsProgram({ width }: RowLayout, bands: Bands, options: GradientOptions): WasmProgram {
  const { relu, fixed, relaxed } = options;
  const keeps = keepsMasked(options);
  return wasmProgram(`batchNormGradientSums ${width} ${bands.height} ${key(options)}`, m => {
    const parameters = {
      start: i32,
      end: i32,
      x: i32,
      y: i32,
      dy: i32,
      table: i32,
      partials: i32,
      dx: i32,
      g: i32,
      rows: i32,
      chunkRows: i32,
    };
    m.function('run', parameters, (f, a) => {
      const { x, y, dy, dx, g: kept, table, ...range } = a;
      forEachBand(
        f,
        { width, bands },
        range,
        ({ at, rows, offset, column, sums: [sum, sumDeviation] }) => {
          const parameters = f.let(table.add(column));
          const mean = f.let(parameters.f32x4(offset));
          const scale = fixed ? f.let(parameters.f32x4(width * 4 + offset)) : mean;
          const [here, hereY, hereDy] = [x, y, dy].map(array => f.let(array.add(at)));
          for (const there of rows) {
            const loaded = hereDy.f32x4(there);
            const g = f.let(relu ? fourLanes.zeroWhere(hereY.f32x4(there).le(0), loaded) : loaded);
            if (fixed) f.store(dx.add(at), g.mul(scale), there);
            if (keeps) f.store(kept.add(at), g, there);
            f.set(sum, sum.add(g));
            f.set(sumDeviation, g.multiplyAdd(here.f32x4(there).sub(mean), sumDeviation, relaxed));
          }
          return [sum, sumDeviation];
        },
        () => undefined,
        ({ results, offset, sums }) => {
          sums.forEach((sum, part) => {
            const there = part * width * 4 + offset;
            f.store(results, results.f32x4(there).add(sum), there);
          });
        },
      );
    });
  });
}

/**
 * Adds up chunks and tail: dbeta, dgamma; and the table [3, W] of scale = gamma inverseStd,
 * slope = -scale inverseStd dgamma / count and offset = -scale dbeta / count - mean slope. Writes of the tail what the
 * sums' program writes of the rows before it.
 */
export function finishGradientProgram(layout: RowLayout, options: GradientOptions): WasmProgram {
  const { channels, width, fold, tailRows } = layout;
  const { relu, fixed } = options;
  const keeps = keepsMasked(options);
  return wasmProgram(`batchNormFinishGradient ${channels} ${tailRows} ${key(options)}`, m => {
    const parameters = {
      start: i32,
      end: i32,
      x: i32,
      y: i32,
      dy: i32,
      gamma: i32,
      mean: i32,
      spread: i32,
      partials: i32,
      dx: i32,
      g: i32,
      dgamma: i32,
      dbeta: i32,
      table: i32,
      rows: i32,
      chunkRows: i32,
      count: f32,
      epsilon: f32,
    };
    m.function('run', parameters, (f, a) => {
      const stride = channels * 4;
      const tail = f.let(a.rows.mul(width * 4));
      forEachChannel(f, channels, a.start, a.end, (lanes, channel) => {
        const mean = f.let(lanes.load(a.mean.add(channel)));
        const inverseStd = f.let(inverseStdOf(lanes, lanes.load(a.spread.add(channel)), fixed ? a.epsilon : undefined));
        const scale = f.let(lanes.load(a.gamma.add(channel)).mul(inverseStd));
        const sum = f.let(lanes.all(0));
        const sumDeviation = f.let(lanes.all(0));
        const chunk = f.let(a.partials.add(channel));
        f.for(0, a.rows, a.chunkRows, () => {
          const at = f.let(chunk);
          f.repeat(fold, () => {
            f.set(sum, sum.add(lanes.load(at)));
            f.set(sumDeviation, sumDeviation.add(lanes.load(at, width * 4)));
            f.advance(at, stride);
          });
          f.advance(chunk, PARTIAL_ROWS * width * 4);
        });
        for (let row = 0; row < tailRows; row++) {
          const at = f.let(tail.add(channel).add(row * stride));
          const dy = f.let(lanes.load(a.dy.add(at)));
          const g = relu ? f.let(lanes.zeroWhere(lanes.load(a.y.add(at)).le(lanes.all(0)), dy)) : dy;
          f.set(sum, sum.add(g));
          f.set(sumDeviation, sumDeviation.add(g.mul(lanes.load(a.x.add(at)).sub(mean))));
          if (fixed) f.store(a.dx.add(at), g.mul(scale));
          if (keeps) f.store(a.g.add(at), g);
        }
        const dgamma = f.let(sumDeviation.mul(inverseStd));
        f.store(a.dbeta.add(channel), sum);
        f.store(a.dgamma.add(channel), dgamma);
        if (fixed) return;
        const loss = f.let(scale.div(lanes.all(a.count)).mul(lanes.all(-1)));
        const slope = f.let(dgamma.mul(inverseStd).mul(loss));
        const offset = f.let(sum.mul(loss).sub(mean.mul(slope)));
        const column = f.let(a.table.add(channel));
        f.repeat(fold, () => {
          [scale, slope, offset].forEach((value, part) => {
            f.store(column, value, part * width * 4);
          });
          f.advance(column, stride);
        });
      });
    });
  });
}

/** dx = scale g + (slope x + offset), the parameters from the table [3, W]. `g` may lie where dx goes. */
export function inputGradientProgram({ width }: RowLayout, bands: Bands, relaxed: boolean): WasmProgram {
  return wasmProgram(`batchNormInputGradient ${width} ${bands.height} ${relaxed}`, m => {
    const parameters = { start: i32, end: i32, x: i32, g: i32, dx: i32, table: i32, rows: i32, tail: i32 };
    m.function('run', parameters, (f, a) => {
      const walk = { width, bands, parameters: 3 };
      forEachElement(f, walk, a, [a.x, a.g, a.dx], (lanes, [x, g, dx], at, [scale, slope, offset]) => {
        const multiplyAdd = (value: Vector, factor: Vector, addend: Vector): Vector =>
          relaxed && lanes.width === 4 ? value.multiplyAdd(factor, addend, true) : value.mul(factor).add(addend);
        const along = multiplyAdd(lanes.load(x, at), slope, offset);
        f.store(dx, multiplyAdd(lanes.load(g, at), scale, along), at);
      });
    });
  });
}
