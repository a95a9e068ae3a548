/**
 * Sums, means and sums of squares in pairs of float32, for devices of highest precision: partial results stay pairs from
 * step to step, and what is written is rounded once. An invocation takes one chunk of one column, as the `serial` form of
 * `steps.wgsl.ts` does.
 */
import { input, output, type Slot, scratch, type WgslPass, type WgslVariant } from '../../devices/kernel.ts';
import { normalizeAxes } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import { pairSumsAndArithmetic } from '../pairs.wgsl.ts';
import { overflowRepair } from './overflow.ts';
import { repairPass } from './overflow.wgsl.ts';
import { isSum, type ReduceParams, type ReduceStep, reducedCount, reduceSteps } from './reduce.ts';

const WORKGROUP = 256;
/** Rows that one invocation sums. */
const CHUNK = 64;

interface Form {
  /** Partial results, which are pairs; else float32. */
  readonly pairsIn: boolean;
  readonly pairsOut: boolean;
  readonly square: boolean;
  readonly divide: boolean;
}

function sourceOf({ pairsIn, pairsOut, square, divide }: Form): string {
  const type = (pairs: boolean): string => (pairs ? 'FloatPair' : 'f32');
  const add = pairsIn
    ? 'accumulate(&sum, &low, x.high); low += x.low;'
    : square
      ? 'addWholeProduct(&sum, &low, x, x);'
      : 'accumulate(&sum, &low, x);';
  return /* wgsl */ `
struct Params {
  extent: u32, inner: u32, chunk: u32, chunks: u32, count: u32, divisorHigh: f32, divisorLow: f32,
}
@group(0) @binding(0) var<storage, ${pairsIn ? 'read_write' : 'read'}> source: array<${type(pairsIn)}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type(pairsOut)}>;
@group(0) @binding(2) var<uniform> params: Params;
${pairSumsAndArithmetic('f32', 'params.count >> 31u')}

@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.count) { return; }
  let part = i / params.inner;
  let first = (part % params.chunks) * params.chunk;
  let past = min(first + params.chunk, params.extent);
  let base = (part / params.chunks) * params.extent;
  var sum = 0.0;
  var low = 0.0;
  for (var row = first; row < past; row++) {
    let x = source[(base + row) * params.inner + i % params.inner];
    ${add}
  }
  // Where the sum is not finite its error is NaN, and the sum says it all.
  var total = FloatPair(sum, 0.0);
  if (!isLost(sum)) {
    total = sumOf(sum, low);
    ${divide ? 'total = ratio(total, FloatPair(params.divisorHigh, params.divisorLow));' : ''}
  }
  result[i] = ${pairsOut ? 'total' : 'rounded(total)'};
}
`;
}

interface PassShape {
  readonly step: ReduceStep;
  readonly chunks: number;
}

/** The passes of each step: one, and more as long as there is more than one chunk. */
function passShapes(steps: readonly ReduceStep[]): PassShape[] {
  return steps.flatMap(step => {
    const shapes: PassShape[] = [];
    for (let extent = step.extent; ; extent = shapes[shapes.length - 1].chunks) {
      const chunks = Math.max(1, Math.ceil(extent / CHUNK));
      shapes.push({ step: { ...step, extent }, chunks });
      if (chunks === 1) return shapes;
    }
  });
}

export const reducePairs: WgslVariant<ReduceParams> = {
  name: 'pairs',
  precision: 'highest',
  applies: ([{ dtype }], { op }) => dtype === 'float32' && isSum(op),
  plan([{ shape }], { op, axes }, adapter) {
    const normal = normalizeAxes(axes, shape.length, op);
    const divisor = op === 'mean' ? reducedCount(shape, normal) : 1;
    const high = Math.fround(divisor);
    const shapes = passShapes(reduceSteps(shape, normal));
    const last = shapes.length - 1;
    const passes = shapes.map(({ step: { outer, extent, inner }, chunks }, index): WgslPass => {
      const form = {
        pairsIn: index > 0,
        pairsOut: index < last,
        square: index === 0 && op === 'sumOfSquares',
        divide: index === last && divisor !== 1,
      };
      const from: Slot = index === 0 ? input(0) : scratch(index - 1);
      const to: Slot = index === last ? output(0) : scratch(index);
      const count = outer * chunks * inner;
      return {
        source: sourceOf(form),
        bindings: [from, to],
        uniforms: uniforms([extent, inner, CHUNK, chunks, count, f32Bits(high), f32Bits(divisor - high)]),
        workgroups: linearGrid(count, WORKGROUP, adapter.maxComputeWorkgroupsPerDimension),
      };
    });
    const repair = overflowRepair(op, shape, normal);
    return {
      passes: repair ? [...passes, repairPass(repair, adapter, 'pairs')] : passes,
      scratch: shapes.slice(0, last).map(({ step, chunks }) => ({
        shape: [2 * step.outer * chunks * step.inner],
        dtype: 'float32',
      })),
    };
  },
};
