/**
 * Softmax and cross-entropy with their sums, and what is made of them, in float64: for devices of highest precision. exp and
 * log are those of float32. A difference of logits does not overflow here, so none needs a unit.
 */
import { input, output, type Slot, type Spec, type WasmVariant } from '../../devices/kernel.ts';
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
import { exp, log } from '../elementwise/vector-math.wasm.ts';
import { assign, combined, demote, type F64x4, held, promote, wideSplat, wideZeros } from '../float64.wasm.ts';
import { type Columns, forEachColumns, grainOf, labelOf, rowMaximum } from './rows.wasm.ts';
import { type CrossEntropyParams, type SoftmaxParams, softmaxSizes } from './softmax.ts';

/** Sum over a row of what `term` makes of its columns, four times; lanes past the row's end must be 0. */
function wideSum(f: FunctionBuilder, classes: number, term: (columns: Columns) => F64x4): F64x4 {
  const sum = wideZeros(f);
  forEachColumns(f, classes, columns => assign(f, sum, combined(sum, term(columns), 'add')));
  const pair = f.let(sum[0].add(sum[1]));
  const total = f.let(pair.add(pair.swapped()));
  return [total, total];
}

/** Sum of exp(x - maximum) over a row; hands each vector of exponentials to `visit`. */
function exponentialSum(
  f: FunctionBuilder,
  classes: number,
  row: I32,
  maximum: F32x4,
  visit?: (columns: Columns, exponentials: F32x4) => void,
): F64x4 {
  return wideSum(f, classes, columns => {
    const e = exp(f, f.let(columns.load(row, Number.NEGATIVE_INFINITY).sub(maximum)));
    visit?.(columns, e);
    return promote(f, e);
  });
}

/** log(sum): of the sum rounded to float32, and to first order of what the rounding took. */
function wideLog(f: FunctionBuilder, sum: F64x4): F64x4 {
  const rounded = f.let(demote(sum));
  const near = promote(f, rounded);
  const rest = combined(combined(sum, near, 'sub'), near, 'div');
  return held(f, combined(promote(f, log(f, rounded)), rest, 'add'));
}

/** x - maximum of some columns, 0 past the row's end. */
const shifted = (f: FunctionBuilder, columns: Columns, x: I32, maximum: F32x4): F64x4 =>
  combined(promote(f, columns.clear(columns.load(x, 0))), promote(f, columns.clear(maximum)), 'sub');

/** The first number of two, of an element at an address. */
const one = (address: I32): F64x2 => address.f32x4Zero().promoteLow();

type Rows = Record<'a' | 'b' | 'c', I32>;

/** A program over rows of arrays a, b and c, all shaped like the logits. */
const rowProgram = (
  name: string,
  classes: number,
  body: (f: FunctionBuilder, rows: Rows, number: I32, perRow: I32) => void,
): WasmProgram =>
  wasmProgram(`${name} float64 ${classes}`, m => {
    m.function('run', { start: i32, end: i32, a: i32, b: i32, c: i32, perRow: i32 }, (f, { start, end, ...arrays }) => {
      f.for(start, end, 1, row => {
        const offset = f.let(row.mul(classes * 4));
        const [a, b, c] = [arrays.a, arrays.b, arrays.c].map(array => f.let(array.add(offset)));
        body(f, { a, b, c }, row, arrays.perRow);
      });
    });
  });

const softmaxProgram = (classes: number): WasmProgram =>
  rowProgram('softmax', classes, (f, { a: x, b: y }) => {
    const maximum = rowMaximum(f, classes, x);
    const sum = exponentialSum(f, classes, x, maximum, (columns, e) => columns.store(y, e));
    forEachColumns(f, classes, columns =>
      columns.store(y, demote(combined(promote(f, columns.load(y, 0)), sum, 'div'))),
    );
  });

const logSoftmaxProgram = (classes: number): WasmProgram =>
  rowProgram('logSoftmax', classes, (f, { a: x, b: y }) => {
    const maximum = rowMaximum(f, classes, x);
    const logSum = wideLog(f, exponentialSum(f, classes, x, maximum));
    forEachColumns(f, classes, columns =>
      columns.store(y, demote(combined(shifted(f, columns, x, maximum), logSum, 'sub'))),
    );
  });

const softmaxGradientProgram = (classes: number): WasmProgram =>
  rowProgram('softmaxGradient', classes, (f, { a: y, b: dy, c: dx }) => {
    const load = (columns: Columns, row: I32): F64x4 => promote(f, columns.load(row, 0));
    const projection = wideSum(f, classes, columns => combined(load(columns, y), load(columns, dy), 'mul'));
    forEachColumns(f, classes, columns => {
      const rest = combined(load(columns, dy), projection, 'sub');
      columns.store(dx, demote(combined(rest, load(columns, y), 'mul')));
    });
  });

const logSoftmaxGradientProgram = (classes: number): WasmProgram =>
  rowProgram('logSoftmaxGradient', classes, (f, { a: y, b: dy, c: dx }) => {
    const sum = wideSum(f, classes, columns => promote(f, columns.load(dy, 0)));
    forEachColumns(f, classes, columns => {
      const p = promote(f, exp(f, f.let(columns.load(y, 0))));
      columns.store(dx, demote(combined(promote(f, columns.load(dy, 0)), combined(p, sum, 'mul'), 'sub')));
    });
  });

/** A factor as the two float32 it is the sum of. */
const FACTORS = { keep: f32, keepLow: f32, spread: f32, spreadLow: f32 };
const parts = (factor: number): number[] => [Math.fround(factor), factor - Math.fround(factor)];
const joinedFactor = (f: FunctionBuilder, high: F32, low: F32): F64x4 =>
  held(f, combined(wideSplat(f, high), wideSplat(f, low), 'add'));

function lossProgram(classes: number, { hard, smooth }: { hard: boolean; smooth: boolean }): WasmProgram {
  return wasmProgram(`crossEntropy float64 ${classes} ${hard} ${smooth}`, m => {
    m.function('run', { start: i32, end: i32, logits: i32, labels: i32, loss: i32, ...FACTORS }, (f, a) => {
      const keep = joinedFactor(f, a.keep, a.keepLow);
      const spread = joinedFactor(f, a.spread, a.spreadLow);
      f.for(a.start, a.end, 1, row => {
        const x = f.let(a.logits.add(row.mul(classes * 4)));
        const { label, possible } = labelOf(f, a.labels, row, classes);
        const maximum = rowMaximum(f, classes, x);
        const [value] = wideLog(f, exponentialSum(f, classes, x, maximum));
        if (hard) f.set(value, value.sub(keep[0].mul(one(x.add(label.shl(2))).sub(maximum.promoteLow()))));
        if (smooth) {
          const [total] = wideSum(f, classes, columns => shifted(f, columns, x, maximum));
          f.set(value, value.sub(spread[0].mul(total)));
        }
        f.store(a.loss.add(row.shl(2)), possible.select(value.demote().lane(0), F32.constant(Number.NaN)));
      });
    });
  });
}

function gradientProgram(classes: number): WasmProgram {
  return wasmProgram(`crossEntropyGradient float64 ${classes}`, m => {
    const arrays = { logits: i32, labels: i32, dloss: i32, dlogits: i32 };
    m.function('run', { start: i32, end: i32, ...arrays, ...FACTORS }, (f, a) => {
      const keep = joinedFactor(f, a.keep, a.keepLow);
      const spread = joinedFactor(f, a.spread, a.spreadLow);
      f.for(a.start, a.end, 1, row => {
        const offset = f.let(row.mul(classes * 4));
        const x = f.let(a.logits.add(offset));
        const dx = f.let(a.dlogits.add(offset));
        const { label, possible } = labelOf(f, a.labels, row, classes);
        const maximum = rowMaximum(f, classes, x);
        const sum = exponentialSum(f, classes, x, maximum, (columns, e) => columns.store(dx, e));
        const given = possible.select(a.dloss.add(row.shl(2)).f32(), F32.constant(Number.NaN));
        const factor = wideSplat(f, f.let(given));
        const chosen = f.let(dx.add(label.shl(2)));
        const p = one(chosen).div(sum[0]);
        const atLabel = f.let(p.sub(spread[0]).sub(keep[0]).mul(factor[0]).demote());
        forEachColumns(f, classes, columns => {
          const rest = combined(combined(promote(f, columns.load(dx, 0)), sum, 'div'), spread, 'sub');
          columns.store(dx, demote(combined(rest, factor, 'mul')));
        });
        f.storeLane(chosen, atLabel, 0);
      });
    });
  });
}

const softLossProgram = (classes: number): WasmProgram =>
  rowProgram('crossEntropySoft', classes, (f, { a: x, b: t }, row, loss) => {
    const maximum = rowMaximum(f, classes, x);
    const logSum = wideLog(f, exponentialSum(f, classes, x, maximum));
    const [total] = wideSum(f, classes, columns => {
      const target = f.let(columns.load(t, 0));
      const logit = f.let(columns.load(x, 0));
      // 0 log 0 = 0: a masked class without a target counts as if it were the most likely.
      const isMasked = target.eq(0).and(logit.sub(maximum).eq(Number.NEGATIVE_INFINITY));
      const z = combined(promote(f, isMasked.select(maximum, logit)), promote(f, maximum), 'sub');
      // Past the row's end the target is 0, and what it is multiplied by is finite where the loss is.
      return combined(promote(f, target), combined(z, logSum, 'sub'), 'mul');
    });
    f.storeLane(loss.add(row.shl(2)), total.demote().neg(), 0);
  });

const softGradientProgram = (classes: number): WasmProgram =>
  wasmProgram(`crossEntropySoftGradient float64 ${classes}`, m => {
    const arrays = { logits: i32, targets: i32, dloss: i32, dlogits: i32 };
    m.function('run', { start: i32, end: i32, ...arrays }, (f, a) => {
      f.for(a.start, a.end, 1, row => {
        const offset = f.let(row.mul(classes * 4));
        const [x, t, dx] = [a.logits, a.targets, a.dlogits].map(array => f.let(array.add(offset)));
        const sum = exponentialSum(f, classes, x, rowMaximum(f, classes, x), (columns, e) => columns.store(dx, e));
        const total = wideSum(f, classes, columns => promote(f, columns.load(t, 0)));
        const scale = held(f, combined(total, sum, 'div'));
        const factor = wideSplat(f, f.let(a.dloss.add(row.shl(2)).f32()));
        forEachColumns(f, classes, columns => {
          const p = combined(promote(f, columns.load(dx, 0)), scale, 'mul');
          const rest = combined(p, promote(f, columns.load(t, 0)), 'sub');
          columns.store(dx, demote(combined(rest, factor, 'mul')));
        });
      });
    });
  });

/** A variant that runs `program` over rows; its arguments follow from the call's parameters. */
const variant = <P>(
  program: (classes: number, params: P) => WasmProgram,
  args: (params: P, classes: number) => readonly (Slot | number)[],
): WasmVariant<P> => ({
  name: 'float64',
  precision: 'highest',
  applies: () => true,
  plan(specs: readonly Spec[], params) {
    const { rows, classes } = softmaxSizes(specs);
    const pass = { entry: 'run', tasks: rows, grain: grainOf(classes) };
    return { passes: [{ ...pass, program: program(classes, params), args: args(params, classes) }] };
  },
});

const ofOne = (): (Slot | number)[] => [input(0), output(0), 0, 0];
const ofTwo = (): (Slot | number)[] => [input(0), input(1), output(0), 0];
const factors = ({ smoothing }: CrossEntropyParams, classes: number): number[] => [
  ...parts(1 - smoothing),
  ...parts(smoothing / classes),
];

export const softmaxFloat64 = variant<SoftmaxParams>(softmaxProgram, ofOne);
export const logSoftmaxFloat64 = variant<SoftmaxParams>(logSoftmaxProgram, ofOne);
export const softmaxGradientFloat64 = variant<SoftmaxParams>(softmaxGradientProgram, ofTwo);
export const logSoftmaxGradientFloat64 = variant<SoftmaxParams>(logSoftmaxGradientProgram, ofTwo);
export const lossFloat64 = variant<CrossEntropyParams>(
  (classes, { smoothing }) => lossProgram(classes, { hard: smoothing < 1, smooth: smoothing > 0 }),
  (params, classes) => [input(0), input(1), output(0), ...factors(params, classes)],
);
export const gradientFloat64 = variant<CrossEntropyParams>(gradientProgram, (params, classes) => [
  ...[input(0), input(1), input(2), output(0)],
  ...factors(params, classes),
]);
export const softLossFloat64 = variant<SoftmaxParams>(softLossProgram, () => [input(0), input(1), 0, output(0)]);
export const softGradientFloat64 = variant<SoftmaxParams>(softGradientProgram, () => [
  input(0),
  input(1),
  input(2),
  output(0),
]);
