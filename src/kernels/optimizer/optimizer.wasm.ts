/**
 * Optimizer steps in WebAssembly. A task is four vectors of four elements, written out, so that the addresses, the loop and
 * V8's check for interrupts are paid once per task; the formulas are written once, as a function from the loaded vectors to
 * the new ones. What is left of the array goes vector by vector; if its length is not a multiple of four, the last vector
 * is loaded whole (arrays are padded) and stored as far as the array goes.
 */
import { input, output, type Spec, type WasmArgument, type WasmVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import {
  F32,
  type F32x4,
  type FunctionBuilder,
  f32,
  type I32,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { type AdamParams, CLIP_UNIT, type ClipParams, type EmaParams, type SgdParams } from './optimizer.ts';

/** Vectors of a task. */
const VECTORS = 4;
const TASK_BYTES = 16 * VECTORS;
/** Fewest tasks worth a second thread. */
const GRAIN = 8192 / VECTORS;

/**
 * Emits the loop over tasks.
 * @param step gets the vectors of `reads` and `updates`, and gives the new ones of `updates`
 */
function forEachVector(
  f: FunctionBuilder,
  { start, end, length }: Record<'start' | 'end' | 'length', I32>,
  reads: readonly I32[],
  updates: readonly I32[],
  step: (read: F32x4[], old: F32x4[]) => F32x4[],
): void {
  const first = f.let(start.mul(TASK_BYTES));
  const [readPointers, updatePointers] = [reads, updates].map(arrays => arrays.map(array => f.let(array.add(first))));
  const pointers = [...readPointers, ...updatePointers];
  const stepAt = (offset: number): F32x4[] => {
    const load = (pointer: I32): F32x4 => f.let(pointer.f32x4(offset));
    return step(readPointers.map(load), updatePointers.map(load)).map(value => f.let(value));
  };
  const vectors = (count: number): void => {
    for (let v = 0; v < count; v++) {
      stepAt(16 * v).forEach((value, index) => {
        f.store(updatePointers[index], value, 16 * v);
      });
    }
    for (const pointer of pointers) f.advance(pointer, 16 * count);
  };
  const full = f.let(length.divU(4 * VECTORS));
  const whole = f.let(end.lt(full).select(end, full).sub(start));
  f.if(whole.gt(0), () => f.repeat(whole, () => vectors(VECTORS)));
  f.if(end.gt(full), () => {
    const left = f.let(length.sub(full.mul(4 * VECTORS)));
    const single = f.let(left.shrU(2));
    f.if(single, () => f.repeat(single, () => vectors(1)));
    const lanes = f.let(left.and(3));
    f.if(lanes, () => {
      stepAt(0).forEach((value, index) => {
        for (let lane = 0; lane < 3; lane++) {
          f.if(lanes.gt(lane), () => f.storeLane(updatePointers[index], value, lane, 4 * lane));
        }
      });
    });
  });
}

function variant<P>(
  programOf: (params: P, relaxed: boolean) => WasmProgram,
  lengthOf: (specs: readonly Spec[], params: P) => number,
  argumentsOf: (params: P) => readonly WasmArgument[],
): WasmVariant<P> {
  return {
    name: 'vector',
    applies: () => true,
    plan(specs, params, { relaxedSimd }) {
      const length = lengthOf(specs, params);
      const args = [length, ...argumentsOf(params)];
      const program = programOf(params, relaxedSimd);
      return { passes: [{ program, entry: 'run', tasks: Math.ceil(length / (4 * VECTORS)), args, grain: GRAIN }] };
    },
  };
}

const ofFirstInput = ([first]: readonly Spec[]): number => sizeOf(first.shape);
const range = { start: i32, end: i32, length: i32 };

const plainSgd = wasmProgram('sgdStep plain', m => {
  m.function('run', { ...range, gradient: i32, hyper: i32, parameter: i32, weightDecay: f32 }, (f, args) => {
    const rate = f.let(args.hyper.f32x4Splat());
    const weightDecay = f.let(args.weightDecay.splat());
    forEachVector(f, args, [args.gradient], [args.parameter], ([g], [p]) => [
      p.sub(rate.mul(g.add(weightDecay.mul(p)))),
    ]);
  });
});

const momentumSgd = (nesterov: boolean): WasmProgram =>
  wasmProgram(`sgdStep ${nesterov ? 'nesterov' : 'momentum'}`, m => {
    const arrays = { gradient: i32, hyper: i32, parameter: i32, velocity: i32 };
    m.function('run', { ...range, ...arrays, momentum: f32, weightDecay: f32 }, (f, args) => {
      const rate = f.let(args.hyper.f32x4Splat());
      const momentum = f.let(args.momentum.splat());
      const weightDecay = f.let(args.weightDecay.splat());
      forEachVector(f, args, [args.gradient], [args.parameter, args.velocity], ([gradient], [p, velocity]) => {
        const g = f.let(gradient.add(weightDecay.mul(p)));
        const v = f.let(momentum.mul(velocity).add(g));
        return [p.sub(rate.mul(nesterov ? g.add(momentum.mul(v)) : v)), v];
      });
    });
  });

export const sgdStepWasm: readonly WasmVariant<SgdParams>[] = [
  variant(
    ({ momentum, nesterov }) => (momentum === 0 ? plainSgd : momentumSgd(nesterov)),
    ofFirstInput,
    ({ momentum, weightDecay }) =>
      momentum === 0
        ? [input(0), input(1), output(0), weightDecay]
        : [input(0), input(1), output(0), output(1), momentum, weightDecay],
  ),
];

/** Weight decay is part of the gradient (Adam), apart from it (AdamW, `decoupled`), or none: then it costs no register. */
const adam = (decay: 'coupled' | 'decoupled' | 'none', relaxed: boolean): WasmProgram =>
  wasmProgram(`adamStep ${decay} ${relaxed}`, m => {
    const arrays = { gradient: i32, hyper: i32, parameter: i32, mean: i32, square: i32 };
    const decays = { beta1: f32, rest1: f32, beta2: f32, rest2: f32 };
    m.function('run', { ...range, ...arrays, ...decays, epsilon: f32, weightDecay: f32 }, (f, args) => {
      const { hyper } = args;
      const [beta1, rest1, beta2, rest2] = [args.beta1, args.rest1, args.beta2, args.rest2].map(x => f.let(x.splat()));
      const minusRate = f.let(
        F32.constant(0)
          .sub(hyper.f32().div(hyper.f32(4)))
          .splat(),
      );
      const rootScale = f.let(F32.constant(1).div(hyper.f32(8).sqrt()).splat());
      const epsilon = f.let(args.epsilon.splat());
      const penalty = f.let(args.weightDecay.splat());
      const minusShrinkage = f.let(F32.constant(0).sub(hyper.f32().mul(args.weightDecay)).splat());
      const updates = [args.parameter, args.mean, args.square];
      forEachVector(f, args, [args.gradient], updates, ([gradient], [p, mean, square]) => {
        const g = decay === 'coupled' ? f.let(penalty.multiplyAdd(p, gradient, relaxed)) : gradient;
        const first = f.let(beta1.multiplyAdd(mean, rest1.mul(g), relaxed));
        const second = f.let(beta2.multiplyAdd(square, rest2.mul(g.mul(g)), relaxed));
        const step = first.div(second.sqrt().multiplyAdd(rootScale, epsilon, relaxed));
        const kept = decay === 'decoupled' ? minusShrinkage.multiplyAdd(p, p, relaxed) : p;
        return [minusRate.multiplyAdd(step, kept, relaxed), first, second];
      });
    });
  });

export const adamStepWasm: readonly WasmVariant<AdamParams>[] = [
  variant(
    ({ weightDecay, decoupled }, relaxed) =>
      adam(weightDecay === 0 ? 'none' : decoupled ? 'decoupled' : 'coupled', relaxed),
    ofFirstInput,
    ({ beta1, beta2, epsilon, weightDecay }) => [
      ...[input(0), input(1), output(0), output(1), output(2)],
      ...[beta1, 1 - beta1, beta2, 1 - beta2, epsilon, weightDecay],
    ],
  ),
];

const ema = wasmProgram('emaStep', m => {
  m.function('run', { ...range, parameter: i32, hyper: i32, average: i32 }, (f, args) => {
    const rest = f.let(args.hyper.f32x4Splat());
    const decay = f.let(args.hyper.f32(4).splat());
    const loop = (step: (p: F32x4, average: F32x4) => F32x4) =>
      forEachVector(f, args, [args.parameter], [args.average], ([p], [average]) => [step(p, average)]);
    f.if(
      args.hyper.f32().lt(0.5),
      () => loop((p, average) => average.add(rest.mul(p.sub(average)))),
      () => loop((p, average) => p.sub(decay.mul(p.sub(average)))),
    );
  });
});

export const emaStepWasm: readonly WasmVariant<EmaParams>[] = [
  variant(
    () => ema,
    ofFirstInput,
    () => [input(0), input(1), output(0)],
  ),
];

const clip = wasmProgram('clipByGlobalNorm', m => {
  m.function('run', { ...range, sums: i32, gradient: i32, maxNorm: f32 }, (f, args) => {
    const [sum, ofScaled] = [0, 4].map(offset => f.let(args.sums.f32(offset)));
    const one = F32.constant(1);
    const root = f.let(ofScaled.sqrt());
    const isHuge = f.let(sum.eq(Number.POSITIVE_INFINITY));
    const exceeds = f.let(root.le(args.maxNorm.mul(CLIP_UNIT)).eqz());
    const plain = args.maxNorm.div(sum.sqrt().add(1e-6)).min(1);
    const scale = isHuge.select(exceeds.select(args.maxNorm.div(root), one), plain);
    const unit = f.let(isHuge.and(exceeds).select(F32.constant(CLIP_UNIT), one).splat());
    // sum - sum is 0, but NaN for an infinity: then everything becomes NaN.
    const decisive = f.let(isHuge.select(ofScaled, sum));
    const factor = f.let(scale.add(decisive.sub(decisive)).splat());
    forEachVector(f, args, [], [args.gradient], (_, [g]) => [g.mul(unit).mul(factor)]);
  });
});

export const clipByGlobalNormWasm: readonly WasmVariant<ClipParams>[] = [
  variant(
    () => clip,
    (_, { shape }) => sizeOf(shape),
    ({ maxNorm }) => [input(0), output(0), maxNorm],
  ),
];
