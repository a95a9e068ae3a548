/**
 * Both gradients, and the evaluation form, in float64: for devices of highest precision. As in `float64.wasm.ts`, row by
 * row with the sums in memory; the ReLU's mask is taken from y wherever g is wanted.
 */
import { input, output, type Spec, scratch, type WasmPass, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32,
  type F64x2,
  type FunctionBuilder,
  f32,
  type I32,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { assign, both, combined, demote, type F64x4, held, promote, wideSplat, wideZeros } from '../float64.wasm.ts';
import { fourLanes } from '../lanes.wasm.ts';
import {
  type BatchNormEvalGradientParams,
  type BatchNormEvalParams,
  type BatchNormTrainGradientParams,
  batchNormSizes,
} from './batchnorm.ts';
import {
  type Channels,
  forEachVector,
  loadDoubles,
  normalizeProgram,
  paddedRow,
  storeDoubles,
  stretches,
} from './float64.wasm.ts';
import { grainOf, smaller } from './rows.wasm.ts';

interface Options {
  readonly relu: boolean;
  readonly residual: boolean;
  /** Fixed statistics: dx = g gamma inverseStd. */
  readonly fixed: boolean;
}

/** g: dy where the ReLU was open. */
function maskedGradient(f: FunctionBuilder, vector: Channels, relu: boolean, y: I32, dy: I32) {
  const loaded = vector.loadFloats(dy);
  return f.let(relu ? fourLanes.zeroWhere(vector.loadFloats(y).le(0), loaded) : loaded);
}

/** Per chunk of rows, sums of g and of g (x - mean): partials [chunks, 2, padded C]. Writes g as dresidual. */
function sumsProgram(channels: number, { relu, residual }: Options): WasmProgram {
  const row8 = paddedRow(channels);
  return wasmProgram(`batchNormGradientSums float64 ${channels} ${relu} ${residual}`, m => {
    const arrays = { x: i32, y: i32, dy: i32, mean: i32, partials: i32, dresidual: i32 };
    m.function('run', { start: i32, end: i32, ...arrays, count: i32, chunkRows: i32 }, (f, a) => {
      f.for(a.start, a.end, 1, chunk => {
        const sums = f.let(a.partials.add(chunk.mul(2 * row8)));
        f.fill(sums, 0, 2 * row8);
        const first = f.let(chunk.mul(a.chunkRows));
        f.for(first, f.let(smaller(first.add(a.chunkRows), a.count)), 1, row => {
          const offset = f.let(row.mul(channels * 4));
          const [x, y, dy] = [a.x, a.y, a.dy].map(array => f.let(array.add(offset)));
          forEachVector(f, channels, vector => {
            const floats = maskedGradient(f, vector, relu, y, dy);
            if (residual) vector.store(a.dresidual.add(offset), floats);
            const g = promote(f, floats);
            const terms = [g, combined(g, combined(vector.load(x), vector.load(a.mean), 'sub'), 'mul')];
            terms.forEach((term, part) => {
              const sum = combined(loadDoubles(sums, vector, part * row8), term, 'add');
              storeDoubles(f, sums, vector, held(f, sum), part * row8);
            });
          });
        });
      });
    });
  });
}

/** 1 / sqrt(variance + epsilon) */
function inverseStdOf(f: FunctionBuilder, variance: F64x4, epsilon: F32): F64x4 {
  const shifted = combined(variance, wideSplat(f, epsilon), 'add');
  const one = wideSplat(f, F32.constant(1));
  return held(
    f,
    both((half): F64x2 => one[half].div(shifted[half].sqrt())),
  );
}

/** dbeta, dgamma, and the table [3, padded C] of scale, offset and slope: dx = scale (g - offset - slope (x - mean)). */
function finishProgram(channels: number, fixed: boolean): WasmProgram {
  const row8 = paddedRow(channels);
  return wasmProgram(`batchNormFinishGradient float64 ${channels} ${fixed}`, m => {
    const arrays = { partials: i32, gamma: i32, spread: i32, dgamma: i32, dbeta: i32, table: i32 };
    m.function('run', { start: i32, end: i32, ...arrays, chunks: i32, count: f32, epsilon: f32 }, (f, a) => {
      const count = wideSplat(f, a.count);
      forEachVector(f, channels, vector => {
        const totals = [wideZeros(f), wideZeros(f)];
        f.for(0, a.chunks, 1, chunk => {
          const sums = f.let(a.partials.add(chunk.mul(2 * row8)));
          totals.forEach((total, part) => {
            assign(f, total, combined(total, loadDoubles(sums, vector, part * row8), 'add'));
          });
        });
        const [sum, deviations] = totals;
        const spread = vector.load(a.spread);
        const inverse = fixed ? inverseStdOf(f, spread, a.epsilon) : spread;
        const dgamma = held(f, combined(deviations, inverse, 'mul'));
        vector.store(a.dbeta, demote(sum));
        vector.store(a.dgamma, demote(dgamma));
        const scale = combined(vector.load(a.gamma), inverse, 'mul');
        const offset = combined(sum, count, 'div');
        const slope = combined(combined(dgamma, inverse, 'mul'), count, 'div');
        [scale, offset, slope].forEach((value, part) => {
          storeDoubles(f, a.table, vector, held(f, value), part * row8);
        });
      });
    });
  });
}

/** dx; a task is one stretch of rows. */
function inputGradientProgram(channels: number, { relu, fixed }: Options): WasmProgram {
  const row8 = paddedRow(channels);
  return wasmProgram(`batchNormInputGradient float64 ${channels} ${relu} ${fixed}`, m => {
    const arrays = { x: i32, y: i32, dy: i32, mean: i32, dx: i32, table: i32 };
    m.function('run', { start: i32, end: i32, ...arrays, count: i32, taskRows: i32 }, (f, a) => {
      f.for(a.start.mul(a.taskRows), f.let(smaller(a.end.mul(a.taskRows), a.count)), 1, row => {
        const at = f.let(row.mul(channels * 4));
        forEachVector(f, channels, vector => {
          const g = promote(f, maskedGradient(f, vector, relu, a.y.add(at), a.dy.add(at)));
          const [scale, offset, slope] = [0, 1, 2].map(part => loadDoubles(a.table, vector, part * row8));
          const deviation = (): F64x4 => combined(vector.load(a.x.add(at)), vector.load(a.mean), 'sub');
          const rest = fixed ? g : combined(combined(g, offset, 'sub'), combined(slope, deviation(), 'mul'), 'sub');
          vector.store(a.dx.add(at), demote(combined(scale, rest, 'mul')));
        });
      });
    });
  });
}

function gradientPlan(specs: readonly Spec[], options: Options, epsilon: number) {
  const { channels, count } = batchNormSizes(specs);
  const row8 = paddedRow(channels);
  const chunks = stretches(specs, 16384, 32);
  const strips = stretches(specs, 8192, Number.MAX_SAFE_INTEGER);
  const [x, y, dy, gamma, mean, spread] = specs.map((_, index) => input(index));
  const [dx, dgamma, dbeta] = [output(0), output(1), output(2)];
  const [partials, table] = [scratch(0), scratch(1)];
  const passes: WasmPass[] = [
    {
      program: sumsProgram(channels, options),
      entry: 'run',
      tasks: chunks.tasks,
      grain: grainOf(chunks.rows * channels),
      args: [x, y, dy, mean, partials, options.residual ? output(3) : 0, count, chunks.rows],
    },
    {
      program: finishProgram(channels, options.fixed),
      entry: 'run',
      tasks: 1,
      args: [partials, gamma, spread, dgamma, dbeta, table, chunks.tasks, count, epsilon],
    },
    {
      program: inputGradientProgram(channels, options),
      entry: 'run',
      tasks: strips.tasks,
      grain: grainOf(strips.rows * channels),
      args: [x, y, dy, mean, dx, table, count, strips.rows],
    },
  ];
  return { passes, scratch: [{ bytes: Math.max(1, chunks.tasks) * 2 * row8 }, { bytes: 3 * row8 }] };
}

const HIGHEST = { name: 'float64', precision: 'highest', applies: () => true } as const;

export const trainGradientFloat64: WasmVariant<BatchNormTrainGradientParams> = {
  ...HIGHEST,
  plan: (specs, { activation, residual }) =>
    gradientPlan(specs, { relu: activation === 'relu', residual, fixed: false }, 0),
};

export const evalGradientFloat64: WasmVariant<BatchNormEvalGradientParams> = {
  ...HIGHEST,
  plan: (specs, { activation, residual, epsilon }) =>
    gradientPlan(specs, { relu: activation === 'relu', residual, fixed: true }, epsilon),
};

/** The table [2, padded C] of scale and shift from running statistics. */
function evalTableProgram(channels: number): WasmProgram {
  return wasmProgram(`batchNormEvalTable float64 ${channels}`, m => {
    const arrays = { gamma: i32, beta: i32, mean: i32, variance: i32, table: i32 };
    m.function('run', { start: i32, end: i32, ...arrays, epsilon: f32 }, (f, a) => {
      forEachVector(f, channels, vector => {
        const inverse = inverseStdOf(f, vector.load(a.variance), a.epsilon);
        const scale = held(f, combined(vector.load(a.gamma), inverse, 'mul'));
        const shift = combined(vector.load(a.beta), combined(vector.load(a.mean), scale, 'mul'), 'sub');
        storeDoubles(f, a.table, vector, scale);
        storeDoubles(f, a.table, vector, held(f, shift), paddedRow(channels));
      });
    });
  });
}

export const evaluateFloat64: WasmVariant<BatchNormEvalParams> = {
  ...HIGHEST,
  plan(specs, { epsilon, activation }) {
    const { channels, count } = batchNormSizes(specs);
    const strips = stretches(specs, 8192, Number.MAX_SAFE_INTEGER);
    const residual = specs.length > 5 ? input(5) : 0;
    const [table, program] = [scratch(0), evalTableProgram(channels)];
    return {
      scratch: [{ bytes: 2 * paddedRow(channels) }],
      passes: [
        { program, entry: 'run', tasks: 1, args: [input(1), input(2), input(3), input(4), table, epsilon] },
        {
          program: normalizeProgram(channels, { relu: activation === 'relu', residual: residual !== 0 }),
          entry: 'run',
          tasks: strips.tasks,
          grain: grainOf(strips.rows * channels),
          args: [input(0), residual, output(0), table, count, strips.rows],
        },
      ],
    };
  },
};
