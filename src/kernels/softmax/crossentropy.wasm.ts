/**
 * Cross-entropy for WebAssembly, a task being a row. With z = x - max(x) and L = log(sum exp(z)) the loss of a label is
 * L - (1 - s) z[label] - s / C sum(z): the log-probabilities themselves are never written. z comes in units of 2^20, and
 * its factors hold the other 2^20.
 */
import { input, output, type WasmPass, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32,
  type FunctionBuilder,
  f32,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { log } from '../elementwise/vector-math.wasm.ts';
import { gradientFloat64, lossFloat64, softGradientFloat64, softLossFloat64 } from './float64.wasm.ts';
import { forEachColumns, grainOf, labelOf, rowExponentials, rowMaximum, rowSum } from './rows.wasm.ts';
import {
  type CrossEntropyParams,
  DIFFERENCE_UNIT,
  type SoftmaxParams,
  type SoftmaxSizes,
  softmaxSizes,
} from './softmax.ts';

const logOf = (f: FunctionBuilder, sum: F32): F32 => f.let(log(f, f.let(sum.splat())).lane(0));

/** Which terms a loss has: that of the label (`hard`), and those of all classes (`smooth`). */
interface Terms {
  readonly hard: boolean;
  readonly smooth: boolean;
}

function lossProgram(classes: number, { hard, smooth }: Terms): WasmProgram {
  return wasmProgram(`crossEntropy ${classes} ${hard} ${smooth}`, m => {
    const parameters = { start: i32, end: i32, logits: i32, labels: i32, loss: i32, keep: f32, spread: f32 };
    m.function('run', parameters, (f, { start, end, logits, labels, loss, keep, spread }) => {
      f.for(start, end, 1, row => {
        const x = f.let(logits.add(row.mul(classes * 4)));
        const { label, possible } = labelOf(f, labels, row, classes);
        const maximum = rowMaximum(f, classes, x);
        const logSum = logOf(f, rowExponentials(f, classes, x, maximum));
        const shift = f.let(maximum.mul(DIFFERENCE_UNIT));
        const value = f.let(logSum);
        if (hard) {
          const z = x.add(label.shl(2)).f32().mul(DIFFERENCE_UNIT).sub(shift.lane(0));
          f.set(value, value.sub(keep.mul(z)));
        }
        if (smooth) {
          const total = rowSum(f, classes, columns =>
            columns.clear(columns.load(x, 0).mul(DIFFERENCE_UNIT).sub(shift)),
          );
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
        const logSum = f.let(
          logOf(f, rowExponentials(f, classes, x, maximum))
            .mul(DIFFERENCE_UNIT)
            .splat(),
        );
        const shift = f.let(maximum.mul(DIFFERENCE_UNIT));
        const total = rowSum(f, classes, columns => {
          const logp = f.let(columns.load(x, 0).mul(DIFFERENCE_UNIT).sub(shift).sub(logSum));
          const target = f.let(columns.load(t, 0));
          const isMasked = target.eq(0).and(logp.eq(Number.NEGATIVE_INFINITY));
          return columns.clear(target.mul(logp).bits().andNot(isMasked).asF32x4()); // 0 log 0 = 0
        });
        f.store(loss.add(row.shl(2)), total.mul(-1 / DIFFERENCE_UNIT));
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
    const factors = [1 - smoothing, smoothing / sizes.classes].map(factor => factor / DIFFERENCE_UNIT);
    const terms = { hard: smoothing < 1, smooth: smoothing > 0 };
    return rowsPass(lossProgram(sizes.classes, terms), [input(0), input(1), output(0), ...factors], sizes);
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

export const crossEntropyWasm = [lossFloat64, loss];
export const crossEntropyGradientWasm = [gradientFloat64, gradient];
export const crossEntropySoftWasm = [softLossFloat64, softLoss];
export const crossEntropySoftGradientWasm = [softGradientFloat64, softGradient];
