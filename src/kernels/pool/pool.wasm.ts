/** Plans for WebAssembly: tasks are rows of output pixels, rows of input pixels, or images. */
import { input, output, type Spec, scratch, type WasmPass, type WasmVariant } from '../../devices/kernel.ts';
import type { WasmProgram } from '../../devices/wasm/assembler/module.ts';
import {
  averagePoolGradientProgram,
  averagePoolProgram,
  disjointAverageGradientProgram,
  globalAverageGradientProgram,
  globalAverageProgram,
} from './average.wasm.ts';
import {
  averageGradientFloat64,
  averagePoolFloat64,
  globalAverageFloat64,
  globalAverageGradientFloat64,
  maxPoolGradientFloat64,
} from './float64.wasm.ts';
import {
  disjointMaxPoolGradientProgram,
  maxPoolGradientProgram,
  maxPoolPickProgram,
  maxPoolProgram,
} from './max.wasm.ts';
import {
  type AvgPool2dGradientParams,
  type AvgPool2dParams,
  avgPool2dGradientSizes,
  type GlobalAveragePoolGradientParams,
  hasDisjointWindows,
  type Pool2dGeometry,
  pool2dSizes,
  type WindowShape,
} from './pool.ts';

const shapeOf = ([x]: readonly Spec[], params: Pool2dGeometry): WindowShape => ({
  ...pool2dSizes('pool', x.shape, params),
  ...params,
});

/** One pass over `tasks` tasks that touch `elements` numbers each. */
function onePass(program: WasmProgram, args: WasmPass['args'], tasks: number, elements: number) {
  const grain = Math.max(1, Math.ceil(32768 / Math.max(1, elements)));
  return { passes: [{ program, entry: 'run', args, tasks, grain }] };
}

/** Numbers touched by one row of windows. */
const rowElements = ({ outputWidth, kernel, channels }: WindowShape): number =>
  outputWidth * channels * (kernel[0] * kernel[1] + 1);

const maxPool: WasmVariant<Pool2dGeometry> = {
  name: 'windows',
  applies: () => true,
  plan(specs, params) {
    const shape = shapeOf(specs, params);
    const tasks = shape.batch * shape.outputHeight;
    return onePass(maxPoolProgram(shape), [input(0), output(0), 0], tasks, rowElements(shape));
  },
};

const pick: WasmVariant<Pool2dGeometry> = {
  name: 'windows',
  applies: () => true,
  plan(specs, params) {
    const shape = shapeOf(specs, params);
    const tasks = shape.batch * shape.outputHeight;
    return onePass(maxPoolPickProgram(shape), [input(0), output(0), input(1)], tasks, 2 * rowElements(shape));
  },
};

const disjointGradient: WasmVariant<Pool2dGeometry> = {
  name: 'disjoint',
  applies(specs, params) {
    const shape = shapeOf(specs, params);
    return hasDisjointWindows(shape) && shape.kernel[0] * shape.kernel[1] <= 4;
  },
  plan(specs, params) {
    const shape = shapeOf(specs, params);
    const tasks = shape.batch * shape.outputHeight;
    const program = disjointMaxPoolGradientProgram(shape);
    return onePass(program, [input(0), output(0), input(1)], tasks, 2 * rowElements(shape));
  },
};

const overlappingGradient: WasmVariant<Pool2dGeometry> = {
  name: 'overlapping',
  applies: () => true,
  plan(specs, params) {
    const shape = shapeOf(specs, params);
    const { batch, channels, outputHeight } = shape;
    // Few images leave threads without work: split their channels, in whole cache lines.
    const blocks = batch >= 16 ? 1 : Math.min(Math.ceil(channels / 16), Math.ceil(16 / Math.max(1, batch)));
    const blockChannels = Math.ceil(channels / blocks / 16) * 16;
    const used = Math.ceil(channels / blockChannels);
    const program = maxPoolGradientProgram(shape, used, used === 1 ? channels : blockChannels);
    const elements = (2 * outputHeight * rowElements(shape)) / used;
    return onePass(program, [input(0), input(1), output(0)], batch * used, elements);
  },
};

const average: WasmVariant<AvgPool2dParams> = {
  name: 'windows',
  applies: () => true,
  plan(specs, params) {
    const shape = shapeOf(specs, params);
    const tasks = shape.batch * shape.outputHeight;
    const program = averagePoolProgram(shape, params.countPadding);
    return onePass(program, [input(0), output(0), 0], tasks, rowElements(shape));
  },
};

const disjointAverageGradient: WasmVariant<AvgPool2dGradientParams> = {
  name: 'disjoint',
  applies: (specs, params) =>
    hasDisjointWindows({ ...avgPool2dGradientSizes(specs, params), ...params }) &&
    params.kernel[0] * params.kernel[1] <= 16,
  plan(specs, params) {
    const shape = { ...avgPool2dGradientSizes(specs, params), ...params };
    const program = disjointAverageGradientProgram(shape);
    return onePass(program, [0, output(0), input(0)], shape.batch * shape.outputHeight, rowElements(shape));
  },
};

const averageGradient: WasmVariant<AvgPool2dGradientParams> = {
  name: 'gather',
  applies: () => true,
  plan(specs, params) {
    const shape = { ...avgPool2dGradientSizes(specs, params), ...params };
    const { batch, height, width, channels } = shape;
    const program = averagePoolGradientProgram(shape, params.countPadding);
    return onePass(program, [input(0), output(0)], batch * height, 4 * width * channels);
  },
};

const globalAverage: WasmVariant<Record<string, never>> = {
  name: 'images',
  applies: () => true,
  plan([x]) {
    const [batch, height, width, channels] = x.shape;
    const program = globalAverageProgram(height, width, channels);
    return onePass(program, [input(0), output(0)], batch, height * width * channels);
  },
};

const globalAverageGradient: WasmVariant<GlobalAveragePoolGradientParams> = {
  name: 'images',
  applies: () => true,
  plan([dy], { inputSize }) {
    const [batch, channels] = dy.shape;
    const area = inputSize[0] * inputSize[1];
    return onePass(globalAverageGradientProgram(area, channels), [input(0), output(0)], batch, area * channels);
  },
};

const HIGHEST = { name: 'float64', precision: 'highest' } as const;

/** Disjoint windows add nothing up, in whatever precision. */
const maxGradientFloat64: WasmVariant<Pool2dGeometry> = {
  ...HIGHEST,
  applies: (specs, params) => !hasDisjointWindows(shapeOf(specs, params)),
  plan(specs, params) {
    const shape = shapeOf(specs, params);
    const { batch, height, width, channels, outputHeight } = shape;
    const args = [input(0), input(1), output(0), scratch(0)];
    return {
      ...onePass(maxPoolGradientFloat64(shape), args, batch, 2 * outputHeight * rowElements(shape)),
      scratch: [{ bytes: 8 * height * width * channels, perThread: true }],
    };
  },
};

const averageFloat64: WasmVariant<AvgPool2dParams> = {
  ...HIGHEST,
  applies: () => true,
  plan(specs, params) {
    const shape = shapeOf(specs, params);
    const program = averagePoolFloat64(shape, params.countPadding);
    return onePass(program, [input(0), output(0), 0], shape.batch * shape.outputHeight, rowElements(shape));
  },
};

const averageGradientWide: WasmVariant<AvgPool2dGradientParams> = {
  ...HIGHEST,
  applies: () => true,
  plan(specs, params) {
    const shape = { ...avgPool2dGradientSizes(specs, params), ...params };
    const { batch, height, width, channels } = shape;
    const program = averageGradientFloat64(shape, params.countPadding);
    return onePass(program, [input(0), output(0)], batch * height, 4 * width * channels);
  },
};

const globalFloat64: WasmVariant<Record<string, never>> = {
  ...HIGHEST,
  applies: () => true,
  plan([x]) {
    const [batch, height, width, channels] = x.shape;
    const area = height * width;
    return onePass(globalAverageFloat64(area, channels), [input(0), output(0), area], batch, area * channels);
  },
};

const globalGradientFloat64: WasmVariant<GlobalAveragePoolGradientParams> = {
  ...HIGHEST,
  applies: (_, { inputSize }) => inputSize[0] * inputSize[1] > 0,
  plan([dy], { inputSize }) {
    const [batch, channels] = dy.shape;
    const area = inputSize[0] * inputSize[1];
    const program = globalAverageGradientFloat64(area, channels);
    return onePass(program, [input(0), output(0), area], batch, area * channels);
  },
};

export const maxPool2dWasm = [maxPool];
export const maxPool2dGradientWasm = [maxGradientFloat64, disjointGradient, overlappingGradient];
export const maxPool2dPickWasm = [pick];
export const avgPool2dWasm = [averageFloat64, average];
export const avgPool2dGradientWasm = [averageGradientWide, disjointAverageGradient, averageGradient];
export const globalAveragePoolWasm = [globalFloat64, globalAverage];
export const globalAveragePoolGradientWasm = [globalGradientFloat64, globalAverageGradient];
