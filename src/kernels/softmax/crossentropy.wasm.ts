/**
 * Cross-entropy for WebAssembly, a task being a row. With z = x - max(x) and L = log(sum exp(z)) the loss of a label is
 * L - (1 - s) z[label] - s / C sum(z): the log-probabilities themselves are never written.
 */
import { input, output, type WasmPass, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32,
  type FunctionBuilder,
  f32,
  I32,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { log } from '../elementwise/vector-math.wasm.ts';
import { forEachColumns, rowExponentials, rowMaximum, rowSum } from './rows.wasm.ts';
import { type CrossEntropyParams, type SoftmaxParams, type SoftmaxSizes, softmaxSizes } from './softmax.ts';
import { grainOf } from './softmax.wasm.ts';

const logOf = (f: FunctionBuilder, sum: F32): F32 => f.let(log(f, f.let(sum.splat())).lane(0));

/** The label of a row, 0 where it is impossible, and whether it is possible. */
function labelOf(f: FunctionBuilder, labels: I32, row: I32, classes: number): { label: I32; possible: I32 } {
  const given = f.let(labels.add(row.shl(2)).i32());
  const possible = f.let(given.ltU(classes));
  return { label: f.let(possible.select(given, I32.constant(0))), possible };
}

function lossProgram(classes: number, smooth: boolean): WasmProgram {
  return wasmProgram(`crossEntropy ${classes} ${smooth}`, m => {
    const parameters = { start: i32, end: i32, logits: i32, labels: i32, loss: i32, keep: f32, spread: f32 };
    m.function('run', parameters, (f, { start, end, logits, labels, loss, keep, spread }) => {
      f.for(start, end, 1, row => {
        const x = f.let(logits.add(row.mul(classes * 4)));
        const { label, possible } = labelOf(f, labels, row, classes);
        const maximum = rowMaximum(f, classes, x);
        const logSum = logOf(f, rowExponentials(f, classes, x, maximum));
        const z = x.add(label.shl(2)).f32().sub(maximum.lane(0));
        const value = f.let(logSum.sub(keep.mul(z)));
        if (smooth) {
          const total = rowSum(f, classes, columns => columns.clear(columns.load(x, 0).sub(maximum)));
          f.set(value, value.sub(spread.mul(total)));
        }
        f.store(loss.add(row.shl(2)), possible.select(value, F32.constant(Number.NaN)));
      });
    });
  });
}

function gradientProgram(classes: number): WasmProgram {
  return wasmProgram(`crossEntropyGradient ${classes}`, m => {
    const parameters = {
      start: i32,
      end: i32,
      logits: i32,
      labels: i32,
      dloss: i32,
      dlogits: i32,
      keep: f32,
      spread: f32,
    };
    m.function('run', parameters, (f, { start, end, logits, labels, dloss, dlogits, keep, spread }) => {
      f.for(start, end, 1, row => {
        const offset = f.let(row.mul(classes * 4));
        const x = f.let(logits.add(offset));
        const dx = f.let(dlogits.add(offset));
        const { label, possible } = labelOf(f, labels, row, classes);
        const maximum = rowMaximum(f, classes, x);
        const sum = rowExponentials(f, classes, x, maximum, (columns, e) => columns.store(dx, e));
        const inverse = f.let(F32.constant(1).div(sum));
        const factor = f.let(possible.select(dloss.add(row.shl(2)).f32(), F32.constant(Number.NaN)));
        const chosen = f.let(dx.add(label.shl(2)));
        const atLabel = f.let(chosen.f32().mul(inverse).sub(spread).sub(keep).mul(factor));
        forEachColumns(f, classes, columns => {
          const p = columns.load(dx, 0).mul(inverse.splat());
          columns.store(dx, p.sub(spread.splat()).mul(factor.splat()));
        });
        f.store(chosen, atLabel);
      });
    });
  });
}

function softLossProgram(classes: number): WasmProgram {
  return wasmProgram(`crossEntropySoft ${classes}`, m => {
    const parameters = { start: i32, end: i32, logits: i32, targets: i32, loss: i32 };
    m.function('run', parameters, (f, { start, end, logits, targets, loss }) => {
      f.for(start, end, 1, row => {
        const offset = f.let(row.mul(classes * 4));
        const x = f.let(logits.add(offset));
        const t = f.let(targets.add(offset));
        const maximum = rowMaximum(f, classes, x);
        const logSum = f.let(logOf(f, rowExponentials(f, classes, x, maximum)).splat());
        const total = rowSum(f, classes, columns => {
          const logp = columns.load(x, 0).sub(maximum).sub(logSum);
          return columns.clear(columns.load(t, 0).mul(logp));
        });
        f.store(loss.add(row.shl(2)), total.neg());
      });
    });
  });
}

function softGradientProgram(classes: number): WasmProgram {
  return wasmProgram(`crossEntropySoftGradient ${classes}`, m => {
    const parameters = { start: i32, end: i32, logits: i32, targets: i32, dloss: i32, dlogits: i32 };
    m.function('run', parameters, (f, { start, end, logits, targets, dloss, dlogits }) => {
      f.for(start, end, 1, row => {
        const offset = f.let(row.mul(classes * 4));
        const x = f.let(logits.add(offset));
        const t = f.let(targets.add(offset));
        const dx = f.let(dlogits.add(offset));
        const maximum = rowMaximum(f, classes, x);
        const sum = rowExponentials(f, classes, x, maximum, (columns, e) => columns.store(dx, e));
        const total = rowSum(f, classes, columns => columns.load(t, 0));
        const scale = f.let(total.div(sum).splat());
        const factor = f.let(dloss.add(row.shl(2)).f32().splat());
        forEachColumns(f, classes, columns => {
          columns.store(dx, columns.load(dx, 0).mul(scale).sub(columns.load(t, 0)).mul(factor));
        });
      });
    });
  });
}

const rowsPass = (program: WasmProgram, args: WasmPass['args'], { rows, classes }: SoftmaxSizes) => ({
  passes: [{ program, entry: 'run', tasks: rows, args, grain: grainOf(classes) }],
});

const loss: WasmVariant<CrossEntropyParams> = {
  name: 'rows',
  applies: () => true,
  plan(specs, { smoothing }) {
    const sizes = softmaxSizes(specs);
    const args = [input(0), input(1), output(0), 1 - smoothing, smoothing / sizes.classes];
    return rowsPass(lossProgram(sizes.classes, smoothing > 0), args, sizes);
  },
};

const gradient: WasmVariant<CrossEntropyParams> = {
  name: 'rows',
  applies: () => true,
  plan(specs, { smoothing }) {
    const sizes = softmaxSizes(specs);
    const args = [input(0), input(1), input(2), output(0), 1 - smoothing, smoothing / sizes.classes];
    return rowsPass(gradientProgram(sizes.classes), args, sizes);
  },
};

const softLoss: WasmVariant<SoftmaxParams> = {
  name: 'rows',
  applies: () => true,
  plan(specs) {
    const sizes = softmaxSizes(specs);
    return rowsPass(softLossProgram(sizes.classes), [input(0), input(1), output(0)], sizes);
  },
};

const softGradient: WasmVariant<SoftmaxParams> = {
  name: 'rows',
  applies: () => true,
  plan(specs) {
    const sizes = softmaxSizes(specs);
    return rowsPass(softGradientProgram(sizes.classes), [input(0), input(1), input(2), output(0)], sizes);
  },
};

export const crossEntropyWasm = [loss];
export const crossEntropyGradientWasm = [gradient];
export const crossEntropySoftWasm = [softLoss];
export const crossEntropySoftGradientWasm = [softGradient];
