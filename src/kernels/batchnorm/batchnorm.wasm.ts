/** Plans for WebAssembly: which programs run, over how many tasks. `rows.wasm.ts` says how they walk over the data. */
import { input, output, type Slot, type Spec, scratch, type WasmPass, type WasmVariant } from '../../devices/kernel.ts';
import { chunksOf, partialBytes } from './bands.wasm.ts';
import type {
  BatchNormEvalGradientParams,
  BatchNormEvalParams,
  BatchNormTrainGradientParams,
  BatchNormTrainParams,
} from './batchnorm.ts';
import { trainFloat64 } from './float64.wasm.ts';
import { evalGradientFloat64, evaluateFloat64, trainGradientFloat64 } from './float64-gradient.wasm.ts';
import { evalTableProgram, finishStatisticsProgram, normalizeProgram, statisticsProgram } from './forward.wasm.ts';
import {
  finishGradientProgram,
  type GradientOptions,
  gradientSumsProgram,
  gradientTableProgram,
  inputGradientProgram,
} from './gradient.wasm.ts';
import { elementwiseTasks, grainOf, type RowLayout, rowLayout } from './rows.wasm.ts';

const tailValues = (layout: RowLayout): number => layout.tailRows * layout.channels;

function normalizePass(
  layout: RowLayout,
  relaxed: boolean,
  { relu, residual, table }: { relu: boolean; residual: Slot | undefined; table: Slot },
): WasmPass {
  const { bands, tasks, grain } = elementwiseTasks(layout);
  return {
    program: normalizeProgram(layout, { bands, residual: residual !== undefined, relu, relaxed }),
    entry: 'run',
    tasks,
    grain,
    args: [input(0), residual ?? 0, output(0), table, layout.rows, tailValues(layout)],
  };
}

const channelTasks = ({ channels }: RowLayout) => ({ entry: 'run', tasks: Math.ceil(channels / 4), grain: 128 });

const train: WasmVariant<BatchNormTrainParams> = {
  name: 'simd',
  applies: () => true,
  plan(specs, { epsilon, momentum, activation }, { relaxedSimd }) {
    const layout = rowLayout(specs);
    const { width, rows, count } = layout;
    const chunks = chunksOf(layout);
    const { bands, chunkRows } = chunks;
    const [partials, table] = [scratch(0), scratch(1)];
    return {
      scratch: [{ bytes: partialBytes(layout, chunks) }, { bytes: 3 * width * 4 }],
      passes: [
        {
          program: statisticsProgram(layout, bands, relaxedSimd),
          entry: 'run',
          tasks: chunks.chunks,
          grain: grainOf(chunkRows * width),
          args: [input(0), partials, rows, chunkRows],
        },
        {
          program: finishStatisticsProgram(layout),
          ...channelTasks(layout),
          args: [
            input(0),
            partials,
            input(1),
            input(2),
            output(1),
            output(2),
            output(3),
            output(4),
            table,
            rows,
            chunkRows,
            count,
            epsilon,
            momentum,
            1 - momentum,
          ],
        },
        normalizePass(layout, relaxedSimd, {
          relu: activation === 'relu',
          residual: specs.length > 3 ? input(3) : undefined,
          table,
        }),
      ],
    };
  },
};

const evaluate: WasmVariant<BatchNormEvalParams> = {
  name: 'simd',
  applies: () => true,
  plan(specs, { epsilon, activation }, { relaxedSimd }) {
    const layout = rowLayout(specs);
    const table = scratch(0);
    return {
      scratch: [{ bytes: 3 * layout.width * 4 }],
      passes: [
        {
          program: evalTableProgram(layout),
          ...channelTasks(layout),
          args: [input(1), input(2), input(3), input(4), table, epsilon],
        },
        normalizePass(layout, relaxedSimd, {
          relu: activation === 'relu',
          residual: specs.length > 5 ? input(5) : undefined,
          table,
        }),
      ],
    };
  },
};

/** The passes both gradients share; `epsilon` turns the running variance into inverseStd (not used in training). */
function gradientPasses(specs: readonly Spec[], options: GradientOptions, epsilon: number) {
  const layout = rowLayout(specs);
  const { width, rows, count } = layout;
  const chunks = chunksOf(layout);
  const { bands, chunkRows } = chunks;
  const [x, y, dy, gamma, mean, spread] = specs.map((_, index) => input(index));
  const [dx, dgamma, dbeta] = [output(0), output(1), output(2)];
  // The residual's gradient is g; without a residual g lies where dx will be. A gradient without ReLU has it in dy.
  const g = options.residual ? output(3) : options.relu ? dx : dy;
  const [partials, table] = [scratch(0), scratch(1)];
  const passes: WasmPass[] = [
    {
      program: gradientTableProgram(layout, options.fixed),
      ...channelTasks(layout),
      args: [gamma, mean, spread, table, epsilon],
    },
    {
      program: gradientSumsProgram(layout, bands, options),
      entry: 'run',
      tasks: chunks.chunks,
      grain: grainOf(chunkRows * width),
      args: [x, y, dy, table, partials, dx, g, rows, chunkRows],
    },
    {
      program: finishGradientProgram(layout, options),
      ...channelTasks(layout),
      args: [x, y, dy, gamma, mean, spread, partials, dx, g, dgamma, dbeta, table, rows, chunkRows, count, epsilon],
    },
  ];
  const scratchBytes = [{ bytes: partialBytes(layout, chunks) }, { bytes: 3 * width * 4 }];
  return { layout, passes, scratch: scratchBytes, table, g };
}

const trainGradient: WasmVariant<BatchNormTrainGradientParams> = {
  name: 'simd',
  applies: () => true,
  plan(specs, { activation, residual }, { relaxedSimd }) {
    const options = { relu: activation === 'relu', residual, fixed: false, relaxed: relaxedSimd };
    const { layout, passes, scratch: arrays, table, g } = gradientPasses(specs, options, 0);
    const { bands, tasks, grain } = elementwiseTasks(layout);
    passes.push({
      program: inputGradientProgram(layout, bands, relaxedSimd),
      entry: 'run',
      tasks,
      grain,
      args: [input(0), g, output(0), table, layout.rows, tailValues(layout)],
    });
    return { passes, scratch: arrays };
  },
};

const evalGradient: WasmVariant<BatchNormEvalGradientParams> = {
  name: 'simd',
  applies: () => true,
  plan(specs, { activation, residual, epsilon }, { relaxedSimd }) {
    const options = { relu: activation === 'relu', residual, fixed: true, relaxed: relaxedSimd };
    const { passes, scratch: arrays } = gradientPasses(specs, options, epsilon);
    return { passes, scratch: arrays };
  },
};

export const batchNormTrainWasm = [trainFloat64, train];
export const batchNormEvalWasm = [evaluateFloat64, evaluate];
export const batchNormTrainGradientWasm = [trainGradientFloat64, trainGradient];
export const batchNormEvalGradientWasm = [evalGradientFloat64, evalGradient];
