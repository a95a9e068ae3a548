/**
 * Reductions in WGSL: any axes as a chain of steps, each as one or more passes of `steps.wgsl.ts`. How an extent is cut
 * follows from the shape alone.
 */

import type { WgslPass, WgslPlan, WgslVariant } from '../../devices/kernel.ts';
import { input, output, type Slot, type Spec, scratch, type WebGpuAdapterInfo } from '../../devices/kernel.ts';
import { normalizeAxes } from '../../devices/shape.ts';
import { f32Bits } from '../../devices/webgpu/uniforms.ts';
import { overflowRepair } from './overflow.ts';
import { repairPass } from './overflow.wgsl.ts';
import { reducePairs } from './pairs.wgsl.ts';
import { type ReduceOp, type ReduceParams, type ReduceStep, reducedCount, reduceSteps } from './reduce.ts';
import { chunksOf, type StepForm, type StepShape, stepPass, stepShape, type WgslFold } from './steps.wgsl.ts';

/** The passes of a chain of steps. Only the first pass reads through `fold.load`, only the last one divides. */
export function stepsPlan(
  fold: WgslFold,
  steps: readonly ReduceStep[],
  form: StepForm,
  adapter: WebGpuAdapterInfo,
): WgslPlan {
  const shapes: StepShape[] = [];
  for (const { outer, extent, inner } of steps) {
    let left = extent;
    for (;;) {
      const shape = stepShape(outer, left, inner, form);
      shapes.push(shape);
      if (chunksOf(shape) === 1) break;
      left = chunksOf(shape);
    }
  }
  const scratches: Spec[] = [];
  const passes = shapes.map((shape, index): WgslPass => {
    const isFirst = index === 0;
    const isLast = index === shapes.length - 1;
    const from: Slot = isFirst ? input(0) : scratch(index - 1);
    const to: Slot = isLast ? output(0) : scratch(index);
    if (!isLast) {
      const lanes = shape.horizontal ? 1 : shape.width;
      const dtype = fold.type === 'f32' ? 'float32' : 'int32';
      scratches.push({ shape: [shape.outer * chunksOf(shape) * shape.units * lanes], dtype });
    }
    const reading = isFirst ? {} : { readType: fold.type, load: 'x' };
    return stepPass({ ...fold, ...reading, divisor: isLast ? fold.divisor : 1 }, shape, from, to, adapter);
  });
  return { passes, scratch: scratches };
}

const COMBINE: Record<ReduceOp, string> = {
  sum: 'a + b',
  mean: 'a + b',
  sumOfSquares: 'a + b',
  prod: 'a * b',
  max: 'maximum(a, b)',
  min: 'minimum(a, b)',
};

function identityOf(op: ReduceOp, type: 'f32' | 'i32'): number {
  if (op === 'max') return type === 'f32' ? f32Bits(-Infinity) : -(2 ** 31);
  if (op === 'min') return type === 'f32' ? f32Bits(Infinity) : 2 ** 31 - 1;
  return op === 'prod' ? f32Bits(1) : 0;
}

/** Both forms of a kernel that is one chain of steps. */
function variants<P>(
  chain: (spec: Spec, params: P) => { fold: WgslFold; steps: readonly ReduceStep[] },
): WgslVariant<P>[] {
  return (['tree', 'serial'] as const).map(form => ({
    name: form,
    applies: () => true,
    prefers: (_, __, adapter) => form === 'serial' || !adapter.isSoftware,
    plan([spec], params, adapter) {
      const { fold, steps } = chain(spec, params);
      return stepsPlan(fold, steps, form, adapter);
    },
  }));
}

const sums: readonly WgslVariant<ReduceParams>[] = variants(({ shape, dtype }, { op, axes }) => {
  const normal = normalizeAxes(axes, shape.length, op);
  const type = dtype === 'int32' ? 'i32' : 'f32';
  const fold: WgslFold = {
    type,
    readType: type,
    load: op === 'sumOfSquares' ? 'x * x' : 'x',
    combine: COMBINE[op],
    identity: identityOf(op, type),
    divisor: op === 'mean' ? reducedCount(shape, normal) : 1,
  };
  return { fold, steps: reduceSteps(shape, normal) };
});

/** Sums are looked at once more: `overflow.ts`. */
const repaired = sums.map(
  (variant): WgslVariant<ReduceParams> => ({
    ...variant,
    plan(specs, params, adapter) {
      const plan = variant.plan(specs, params, adapter);
      const [{ shape, dtype }] = specs;
      const repair = overflowRepair(params.op, shape, normalizeAxes(params.axes, shape.length, params.op));
      if (!repair || dtype !== 'float32') return plan;
      return { ...plan, passes: [...plan.passes, repairPass(repair, adapter)] };
    },
  }),
);

export const reduceWgsl: readonly WgslVariant<ReduceParams>[] = [reducePairs, ...repaired];
