/**
 * Optimizer steps in WebAssembly. A task is a vector of four elements; the formulas are written once, as a function from
 * the loaded vectors to the new ones. The last vector of an array whose length is not a multiple of four is loaded whole
 * (arrays are padded) and stored as far as the array goes, in a loop of its own.
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
import type { AdamParams, ClipParams, EmaParams, SgdParams } from './optimizer.ts';

/** Fewest tasks worth a second thread. */
const GRAIN = 8192;

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
  const run = (task: I32): [I32, F32x4[]] => {
    const at = f.let(task.shl(4));
    const load = (array: I32): F32x4 => f.let(array.add(at).f32x4());
    return [at, step(reads.map(load), updates.map(load)).map(value => f.let(value))];
  };
  const full = f.let(length.shrU(2));
  const whole = f.let(end.lt(full).select(end, full));
  f.for(start, whole, 1, task => {
    const [at, values] = run(task);
    values.forEach((value, index) => {
      f.store(updates[index].add(at), value);
    });
  });
  f.for(f.let(start.gt(whole).select(start, whole)), end, 1, task => {
    const [at, values] = run(task);
    const left = f.let(length.and(3));
    values.forEach((value, index) => {
      for (let lane = 0; lane < 3; lane++) {
        f.if(left.gt(lane), () => f.storeLane(updates[index].add(at), value, lane, 4 * lane));
      }
    });
  });
}

function variant<P>(
  programOf: (params: P) => WasmProgram,
  lengthOf: (specs: readonly Spec[], params: P) => number,
  argumentsOf: (params: P) => readonly WasmArgument[],
): WasmVariant<P> {
  return {
    name: 'vector',
    applies: () => true,
    plan(specs, params) {
      const length = lengthOf(specs, params);
      const args = [length, ...argumentsOf(params)];
      const program = programOf(params);
      return { passes: [{ program, entry: 'run', tasks: Math.ceil(length / 4), args, grain: GRAIN }] };
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

const adam = wasmProgram('adamStep', m => {
  const arrays = { gradient: i32, hyper: i32, parameter: i32, mean: i32, square: i32 };
  const decays = { beta1: f32, rest1: f32, beta2: f32, rest2: f32 };
  m.function('run', { ...range, ...arrays, ...decays, epsilon: f32, penalty: f32, shrinkage: f32 }, (f, args) => {
    const { hyper } = args;
    const [beta1, rest1, beta2, rest2] = [args.beta1, args.rest1, args.beta2, args.rest2].map(x => f.let(x.splat()));
    const rate = f.let(hyper.f32().div(hyper.f32(4)).splat());
    const rootScale = f.let(F32.constant(1).div(hyper.f32(8).sqrt()).splat());
    const epsilon = f.let(args.epsilon.splat());
    const penalty = f.let(args.penalty.splat());
    const shrinkage = f.let(hyper.f32().mul(args.shrinkage).splat());
    const updates = [args.parameter, args.mean, args.square];
    forEachVector(f, args, [args.gradient], updates, ([gradient], [p, mean, square]) => {
      const g = f.let(gradient.add(penalty.mul(p)));
      const first = f.let(beta1.mul(mean).add(rest1.mul(g)));
      const second = f.let(beta2.mul(square).add(rest2.mul(g.mul(g))));
      const step = rate.mul(first).div(second.sqrt().mul(rootScale).add(epsilon));
      return [p.sub(shrinkage.mul(p)).sub(step), first, second];
    });
  });
});

export const adamStepWasm: readonly WasmVariant<AdamParams>[] = [
  variant(
    () => adam,
    ofFirstInput,
    ({ beta1, beta2, epsilon, weightDecay, decoupled }) => [
      ...[input(0), input(1), output(0), output(1), output(2)],
      ...[beta1, 1 - beta1, beta2, 1 - beta2, epsilon],
      ...(decoupled ? [0, weightDecay] : [weightDecay, 0]),
    ],
  ),
];

const ema = wasmProgram('emaStep', m => {
  m.function('run', { ...range, parameter: i32, hyper: i32, average: i32 }, (f, args) => {
    const decay = f.let(args.hyper.f32x4Splat());
    const rest = f.let(F32.constant(1).sub(args.hyper.f32()).splat());
    forEachVector(f, args, [args.parameter], [args.average], ([p], [average]) => [decay.mul(average).add(rest.mul(p))]);
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
  m.function('run', { ...range, sumOfSquares: i32, gradient: i32, maxNorm: f32 }, (f, args) => {
    const sum = f.let(args.sumOfSquares.f32());
    const scale = args.maxNorm.div(sum.sqrt().add(1e-6)).min(1);
    // sum - sum is 0, but NaN for an infinity: then everything becomes NaN.
    const factor = f.let(scale.add(sum.sub(sum)).splat());
    forEachVector(f, args, [], [args.gradient], (_, [g]) => [g.mul(factor)]);
  });
});

export const clipByGlobalNormWasm: readonly WasmVariant<ClipParams>[] = [
  variant(
    () => clip,
    (_, { shape }) => sizeOf(shape),
    ({ maxNorm }) => [input(0), output(0), maxNorm],
  ),
];
