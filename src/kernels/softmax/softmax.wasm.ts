/** Softmax for WebAssembly: a task is a row, which stays in the first-level cache while it is read two or three times. */
import { input, output, type Spec, type WasmVariant } from '../../devices/kernel.ts';
import {
  type FunctionBuilder,
  type I32,
  i32,
  splat,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { exp, log } from '../elementwise/vector-math.wasm.ts';
import {
  logSoftmaxFloat64,
  logSoftmaxGradientFloat64,
  softmaxFloat64,
  softmaxGradientFloat64,
} from './float64.wasm.ts';
import { forEachColumns, grainOf, rowExponentials, rowMaximum, rowSum } from './rows.wasm.ts';
import { type SoftmaxParams, softmaxSizes } from './softmax.ts';

/** A program over rows of arrays a, b and c, all shaped like the logits; `row` holds the addresses of their rows. */
function rowProgram(
  name: string,
  classes: number,
  body: (f: FunctionBuilder, row: { a: I32; b: I32; c: I32 }) => void,
): WasmProgram {
  return wasmProgram(`${name} ${classes}`, m => {
    m.function('run', { start: i32, end: i32, a: i32, b: i32, c: i32 }, (f, { start, end, a, b, c }) => {
      f.for(start, end, 1, index => {
        const offset = f.let(index.mul(classes * 4));
        body(f, { a: f.let(a.add(offset)), b: f.let(b.add(offset)), c: f.let(c.add(offset)) });
      });
    });
  });
}

const softmaxProgram = (classes: number): WasmProgram =>
  rowProgram('softmax', classes, (f, { a: x, b: y }) => {
    const maximum = rowMaximum(f, classes, x);
    const sum = rowExponentials(f, classes, x, maximum, (columns, e) => columns.store(y, e));
    const scale = f.let(splat(1).div(sum.splat()));
    forEachColumns(f, classes, columns => columns.store(y, columns.load(y, 0).mul(scale)));
  });

const logSoftmaxProgram = (classes: number): WasmProgram =>
  rowProgram('logSoftmax', classes, (f, { a: x, b: y }) => {
    const maximum = rowMaximum(f, classes, x);
    const logSum = log(f, f.let(rowExponentials(f, classes, x, maximum).splat()));
    forEachColumns(f, classes, columns => columns.store(y, columns.load(x, 0).sub(maximum).sub(logSum)));
  });

const softmaxGradientProgram = (classes: number): WasmProgram =>
  rowProgram('softmaxGradient', classes, (f, { a: y, b: dy, c: dx }) => {
    const sum = rowSum(f, classes, columns => columns.load(y, 0).mul(columns.load(dy, 0)));
    const projection = f.let(sum.splat());
    forEachColumns(f, classes, columns => {
      columns.store(dx, columns.load(dy, 0).sub(projection).mul(columns.load(y, 0)));
    });
  });

const logSoftmaxGradientProgram = (classes: number): WasmProgram =>
  rowProgram('logSoftmaxGradient', classes, (f, { a: y, b: dy, c: dx }) => {
    const sum = f.let(rowSum(f, classes, columns => columns.load(dy, 0)).splat());
    forEachColumns(f, classes, columns => {
      const p = exp(f, f.let(columns.load(y, 0)));
      columns.store(dx, columns.load(dy, 0).sub(p.mul(sum)));
    });
  });

function rowVariant(program: (classes: number) => WasmProgram, inputs: 1 | 2): WasmVariant<SoftmaxParams> {
  return {
    name: 'rows',
    applies: () => true,
    plan(specs: readonly Spec[]) {
      const { rows, classes } = softmaxSizes(specs);
      const args = inputs === 1 ? [input(0), output(0), 0] : [input(0), input(1), output(0)];
      return { passes: [{ program: program(classes), entry: 'run', tasks: rows, args, grain: grainOf(classes) }] };
    },
  };
}

export const softmaxWasm = [softmaxFloat64, rowVariant(softmaxProgram, 1)];
export const logSoftmaxWasm = [logSoftmaxFloat64, rowVariant(logSoftmaxProgram, 1)];
export const softmaxGradientWasm = [softmaxGradientFloat64, rowVariant(softmaxGradientProgram, 2)];
export const logSoftmaxGradientWasm = [logSoftmaxGradientFloat64, rowVariant(logSoftmaxGradientProgram, 2)];
