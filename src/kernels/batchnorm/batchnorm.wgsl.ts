/**
 * Plans for WebGPU. A reduction is two dispatches (workgroups over stretches of rows, then one small merge of their
 * partials) and every image is read with consecutive invocations on consecutive vectors, four channels to a vector where
 * C allows. At most eight storage bindings fit a dispatch, so the merge leaves the per-channel numbers of the elementwise
 * pass in one scratch table.
 */
import {
  input,
  output,
  type Slot,
  type Spec,
  scratch,
  type WebGpuAdapterInfo,
  type WgslPass,
  type WgslVariant,
} from '../../devices/kernel.ts';
import { linearGrid } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import {
  type BatchNormEvalGradientParams,
  type BatchNormEvalParams,
  type BatchNormTrainGradientParams,
  type BatchNormTrainParams,
  batchNormSizes,
} from './batchnorm.ts';
import {
  finishGradientPairsSource,
  finishPairsSource,
  gradientPairSumsSource,
  inputGradientPairsSource,
  normalizePairsSource,
  pairSumsSource,
} from './pairs.wgsl.ts';
import {
  finishGradientSource,
  finishStatisticsSource,
  gradientSumsSource,
  inputGradientSource,
  normalizeSource,
  type ReductionShape,
  statisticsSource,
} from './sources.wgsl.ts';

interface Layout extends ReductionShape {
  readonly count: number;
  /** Vectors (or single channels) per row. */
  readonly columns: number;
  readonly chunks: number;
  readonly chunkRows: number;
  /** Rows that one invocation of an elementwise pass handles. */
  readonly elementsPerLane: number;
  readonly maxGroups: number;
}

/** Rows that one invocation adds up before the tree: more where workgroup memory is slow. */
const ROWS_PER_LANE = { hardware: 16, software: 64 };

function layoutOf(specs: readonly Spec[], adapter: WebGpuAdapterInfo): Layout {
  const { channels, count } = batchNormSizes(specs);
  const vector = channels % 4 === 0;
  const columns = vector ? channels / 4 : channels;
  const size = adapter.isSoftware ? 64 : 256;
  // Few widths, because each is a compilation of its own.
  const columnLanes = columns > 16 ? 32 : columns > 4 ? 8 : columns > 1 ? 4 : 1;
  const rowLanes = size / columnLanes;
  const rowsPerLane = adapter.isSoftware ? ROWS_PER_LANE.software : ROWS_PER_LANE.hardware;
  const wanted = Math.min(256, Math.max(1, Math.ceil(count / (rowLanes * rowsPerLane))));
  const chunkRows = Math.max(1, Math.ceil(count / wanted));
  const chunks = Math.ceil(count / chunkRows);
  return {
    vector,
    columnLanes,
    rowLanes,
    count,
    columns,
    chunks,
    chunkRows,
    elementsPerLane: adapter.isSoftware ? 8 : 4,
    maxGroups: adapter.maxComputeWorkgroupsPerDimension,
  };
}

const columnGroups = ({ columns, columnLanes }: Layout): number => Math.ceil(columns / columnLanes);

const partialsSpec = ({ chunks, columns, vector }: Layout): Spec => ({
  shape: [2 * chunks + 1, columns * (vector ? 4 : 1)],
  dtype: 'float32',
});
const tableSpec = ({ columns, vector }: Layout): Spec => ({ shape: [3, columns * (vector ? 4 : 1)], dtype: 'float32' });

interface Elementwise {
  readonly source: (vector: boolean) => string;
  readonly bindings: readonly Slot[];
  readonly numbers?: readonly number[];
}

/** A dispatch over all rows and columns, several rows to an invocation. */
function elementwisePass(layout: Layout, { source, bindings, numbers = [] }: Elementwise): WgslPass {
  const { vector, columns, count, maxGroups } = layout;
  const rowStep = Math.ceil(count / layout.elementsPerLane);
  return {
    source: source(vector),
    bindings,
    uniforms: uniforms([count, columns, rowStep, ...numbers]),
    workgroups: linearGrid(rowStep * columns, 64, maxGroups),
  };
}

const present = (...slots: (Slot | undefined | false)[]): Slot[] => slots.filter(slot => !!slot) as Slot[];

const train: WgslVariant<BatchNormTrainParams> = {
  name: 'tree',
  applies: () => true,
  plan(specs, { epsilon, momentum, activation }, adapter) {
    const layout = layoutOf(specs, adapter);
    const { count, columns, chunks, chunkRows } = layout;
    const [partials, table] = [scratch(0), scratch(1)];
    const residual = specs.length > 3;
    return {
      scratch: [partialsSpec(layout), tableSpec(layout)],
      passes: [
        {
          source: statisticsSource(layout),
          bindings: [input(0), partials],
          uniforms: uniforms([count, columns, chunkRows, chunks]),
          workgroups: [columnGroups(layout), chunks, 1],
        },
        {
          source: finishStatisticsSource(layout),
          bindings: [partials, input(1), input(2), output(1), output(2), output(3), output(4), table],
          uniforms: uniforms([
            count,
            columns,
            chunkRows,
            chunks,
            f32Bits(epsilon),
            f32Bits(momentum),
            f32Bits(1 - momentum),
          ]),
          workgroups: [columnGroups(layout), 1, 1],
        },
        elementwisePass(layout, {
          source: vector => normalizeSource({ vector, residual, relu: activation === 'relu', fixed: false }),
          bindings: present(input(0), residual && input(3), output(0), table),
        }),
      ],
    };
  },
};

const trainPairs: WgslVariant<BatchNormTrainParams> = {
  name: 'pairs',
  precision: 'highest',
  applies: () => true,
  plan(specs, { epsilon, momentum, activation }, adapter) {
    const layout = layoutOf(specs, adapter);
    const { count, columns, chunks, chunkRows, vector } = layout;
    const [partials, table] = [scratch(0), scratch(1)];
    const residual = specs.length > 3;
    const width = columns * (vector ? 4 : 1);
    return {
      scratch: [
        { shape: [4 * chunks, width], dtype: 'float32' },
        { shape: [4, width], dtype: 'float32' },
      ],
      passes: [
        {
          source: pairSumsSource(layout),
          bindings: [input(0), partials],
          uniforms: uniforms([count, columns, chunkRows]),
          workgroups: [columnGroups(layout), chunks, 1],
        },
        {
          source: finishPairsSource(layout),
          bindings: [partials, input(0), input(1), output(1), output(2), output(3), output(4), table],
          uniforms: uniforms([count, columns, chunks, f32Bits(epsilon), f32Bits(momentum), f32Bits(1 - momentum)]),
          workgroups: [columnGroups(layout), 1, 1],
        },
        elementwisePass(layout, {
          source: vector => normalizePairsSource({ vector, residual, relu: activation === 'relu', fixed: false }),
          bindings: present(input(0), residual && input(3), output(0), input(2), table),
        }),
      ],
    };
  },
};

const evaluate: WgslVariant<BatchNormEvalParams> = {
  name: 'elementwise',
  applies: () => true,
  plan(specs, { epsilon, activation }, adapter) {
    const residual = specs.length > 5;
    return {
      passes: [
        elementwisePass(layoutOf(specs, adapter), {
          source: vector => normalizeSource({ vector, residual, relu: activation === 'relu', fixed: true }),
          bindings: present(input(0), residual && input(5), output(0), input(1), input(2), input(3), input(4)),
          numbers: [f32Bits(epsilon)],
        }),
      ],
    };
  },
};

/** Both gradients: sums (and dresidual), merge, dx. With fixed statistics `epsilon` makes inverseStd of the variance. */
function gradientPlan(
  specs: readonly Spec[],
  { relu, residual, epsilon }: { relu: boolean; residual: boolean; epsilon: number | undefined },
  adapter: WebGpuAdapterInfo,
) {
  const layout = layoutOf(specs, adapter);
  const { count, columns, chunks, chunkRows } = layout;
  const [x, y, dy, gamma, mean, spread] = specs.map((_, index) => input(index));
  const [dx, dgamma, dbeta, dresidual] = [0, 1, 2, 3].map(output);
  const [partials, table] = [scratch(0), scratch(1)];
  const fixed = epsilon !== undefined;
  const passes: WgslPass[] = [
    {
      source: gradientSumsSource(layout, { relu, residual }),
      bindings: present(x, dy, mean, partials, relu && y, residual && dresidual),
      uniforms: uniforms([count, columns, chunkRows]),
      workgroups: [columnGroups(layout), Math.max(1, chunks), 1],
    },
    {
      source: finishGradientSource(layout, fixed),
      bindings: [partials, gamma, mean, spread, dgamma, dbeta, table],
      uniforms: uniforms([count, columns, chunks, f32Bits(epsilon ?? 0)]),
      workgroups: [columnGroups(layout), 1, 1],
    },
  ];
  if (count > 0) {
    const masked = relu && !residual;
    passes.push(
      elementwisePass(layout, {
        source: vector => inputGradientSource({ vector, masked, fixed, fromResidual: residual }),
        bindings: present(residual ? dresidual : dy, dx, table, !fixed && x, masked && y),
      }),
    );
  }
  return { passes, scratch: [partialsSpec(layout), tableSpec(layout)] };
}

const trainGradient: WgslVariant<BatchNormTrainGradientParams> = {
  name: 'tree',
  applies: () => true,
  plan(specs, { activation, residual }, adapter) {
    return gradientPlan(specs, { relu: activation === 'relu', residual, epsilon: undefined }, adapter);
  },
};

const evalGradient: WgslVariant<BatchNormEvalGradientParams> = {
  name: 'tree',
  applies: () => true,
  plan(specs, { activation, residual, epsilon }, adapter) {
    return gradientPlan(specs, { relu: activation === 'relu', residual, epsilon }, adapter);
  },
};

/** Arrays of that many numbers per channel. */
const perChannel = ({ columns, vector }: Layout, count: number): Spec => ({
  shape: [count, columns * (vector ? 4 : 1)],
  dtype: 'float32',
});

const HIGHEST = { name: 'pairs', precision: 'highest', applies: () => true } as const;

const evaluatePairs: WgslVariant<BatchNormEvalParams> = {
  ...HIGHEST,
  plan(specs, { epsilon, activation }, adapter) {
    const residual = specs.length > 5;
    return {
      passes: [
        elementwisePass(layoutOf(specs, adapter), {
          source: vector => normalizePairsSource({ vector, residual, relu: activation === 'relu', fixed: true }),
          bindings: present(input(0), residual && input(5), output(0), input(2), input(1), input(3), input(4)),
          numbers: [f32Bits(epsilon)],
        }),
      ],
    };
  },
};

/** As `gradientPlan`, in pairs; dx is made of y and dy again. */
function pairGradientPlan(
  specs: readonly Spec[],
  { relu, residual, epsilon }: { relu: boolean; residual: boolean; epsilon: number | undefined },
  adapter: WebGpuAdapterInfo,
) {
  const layout = layoutOf(specs, adapter);
  const { count, columns, chunks, chunkRows } = layout;
  const [x, y, dy, gamma, mean, spread] = specs.map((_, index) => input(index));
  const [dx, dgamma, dbeta, dresidual] = [0, 1, 2, 3].map(output);
  const [partials, table] = [scratch(0), scratch(1)];
  const fixed = epsilon !== undefined;
  const passes: WgslPass[] = [
    {
      source: gradientPairSumsSource(layout, { relu, residual }),
      bindings: present(x, dy, mean, partials, relu && y, residual && dresidual),
      uniforms: uniforms([count, columns, chunkRows]),
      workgroups: [columnGroups(layout), Math.max(1, chunks), 1],
    },
    {
      source: finishGradientPairsSource(layout, fixed),
      bindings: [partials, gamma, spread, dgamma, dbeta, table],
      uniforms: uniforms([count, columns, chunks, f32Bits(epsilon ?? 0)]),
      workgroups: [columnGroups(layout), 1, 1],
    },
  ];
  if (count > 0) {
    passes.push(
      elementwisePass(layout, {
        source: vector => inputGradientPairsSource({ vector, relu, fixed }),
        bindings: present(dy, dx, table, !fixed && x, !fixed && mean, relu && y),
      }),
    );
  }
  return { passes, scratch: [perChannel(layout, 4 * Math.max(1, chunks)), perChannel(layout, 6)] };
}

const trainGradientPairs: WgslVariant<BatchNormTrainGradientParams> = {
  ...HIGHEST,
  plan: (specs, { activation, residual }, adapter) =>
    pairGradientPlan(specs, { relu: activation === 'relu', residual, epsilon: undefined }, adapter),
};

const evalGradientPairs: WgslVariant<BatchNormEvalGradientParams> = {
  ...HIGHEST,
  plan: (specs, { activation, residual, epsilon }, adapter) =>
    pairGradientPlan(specs, { relu: activation === 'relu', residual, epsilon }, adapter),
};

export const batchNormTrainWgsl = [trainPairs, train];
export const batchNormEvalWgsl = [evaluatePairs, evaluate];
export const batchNormTrainGradientWgsl = [trainGradientPairs, trainGradient];
export const batchNormEvalGradientWgsl = [evalGradientPairs, evalGradient];
