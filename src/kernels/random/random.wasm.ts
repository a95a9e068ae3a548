/**
 * Random numbers in WebAssembly. A task is four Philox blocks, that is 16 elements: the blocks are computed side by side
 * in the lanes, transposed into the order of the elements, and each vector of four elements is used and stored.
 */
import { input, output, type Slot, type WasmVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import {
  F32x4,
  type FunctionBuilder,
  f32,
  type I32,
  I32x4,
  i32,
  splatI32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { philoxBlocks, transposeWords } from './philox.wasm.ts';
import {
  type AdvanceParams,
  type BernoulliParams,
  type DropoutParams,
  dropoutScale,
  type RandomParams,
  thresholdOf,
} from './random.ts';

const ELEMENTS = 16;

/** Fewest tasks worth a second thread: a task takes about 30 ns, waking a thread 15 us. */
const GRAIN = 512;

/** Stores the first `left` lanes of a vector. */
function storePart(f: FunctionBuilder, address: I32, value: F32x4 | I32x4, left: I32): void {
  for (let lane = 0; lane < 4; lane++) f.if(left.gt(lane), () => f.storeLane(address, value, lane, 4 * lane));
}

/** Emits the loop over tasks. `use` turns the random words of four elements, `at` bytes into the arrays, into values. */
function forEachWords(
  f: FunctionBuilder,
  { start, end, state, y, length }: Record<'start' | 'end' | 'state' | 'y' | 'length', I32>,
  use: (words: I32x4, at: I32) => F32x4 | I32x4,
): void {
  const key: [I32, I32] = [f.let(state.i32(0)), f.let(state.i32(4))];
  const low = f.let(splatI32(state.i32(8)));
  const high = f.let(splatI32(state.i32(12)));
  const forEach = (from: I32, to: I32, store: (address: I32, value: F32x4 | I32x4, element: I32) => void): void =>
    f.for(from, to, 1, task => {
      const blocks = splatI32(task.shl(2)).add(I32x4.constant(0, 1, 2, 3));
      const words = philoxBlocks(f, [blocks, I32x4.constant(0, 0, 0, 0), low, high], key);
      transposeWords(f, words).forEach((four, index) => {
        const at = f.let(task.mul(4 * ELEMENTS).add(16 * index));
        store(y.add(at), f.let(use(four, at)), task.mul(ELEMENTS).add(4 * index));
      });
    });
  const full = f.let(length.shrU(4));
  const whole = f.let(end.lt(full).select(end, full));
  forEach(start, whole, (address, value) => f.store(address, value));
  const rest = f.let(start.gt(whole).select(start, whole));
  forEach(rest, end, (address, value, element) => storePart(f, address, value, f.let(length.sub(element))));
}

function variant<P>(
  program: WasmProgram,
  arrays: readonly Slot[],
  lengthOf: (shape: readonly number[], params: P) => number,
  numbers: (params: P) => readonly number[] = () => [],
): WasmVariant<P> {
  return {
    name: 'philox-4-blocks',
    applies: () => true,
    plan(specs, params) {
      const length = lengthOf(specs[0].shape, params);
      const args = [...arrays, length, ...numbers(params)];
      return { passes: [{ program, entry: 'run', tasks: Math.ceil(length / ELEMENTS), args, grain: GRAIN }] };
    },
  };
}

const arguments_ = { start: i32, end: i32, state: i32, y: i32, length: i32 };
const ofShape = (_: readonly number[], { shape }: RandomParams): number => sizeOf(shape);

const bitsProgram = wasmProgram('randomBits', m => {
  m.function('run', arguments_, (f, args) => forEachWords(f, args, words => words));
});

export const randomBitsWasm: readonly WasmVariant<RandomParams>[] = [
  variant(bitsProgram, [input(0), output(0)], ofShape),
];

const uniformProgram = wasmProgram('randomUniform', m => {
  m.function('run', arguments_, (f, args) =>
    forEachWords(f, args, words =>
      words
        .shrU(8)
        .toF32x4S()
        .mul(2 ** -24),
    ),
  );
});

export const randomUniformWasm: readonly WasmVariant<RandomParams>[] = [
  variant(uniformProgram, [input(0), output(0)], ofShape),
];

/** All bits set in the lanes that hit. `always` is -1 where every word does, otherwise 0. */
const hits = (words: I32x4, threshold: I32, always: I32): I32x4 => words.ltU(threshold).or(always);
const odds = (probability: number): number[] => {
  const { threshold, always } = thresholdOf(probability);
  return [threshold | 0, always ? -1 : 0];
};

const bernoulliProgram = wasmProgram('bernoulli', m => {
  m.function('run', { ...arguments_, threshold: i32, always: i32 }, (f, args) => {
    const one = f.let(F32x4.constant(1, 1, 1, 1).bits());
    forEachWords(f, args, words => hits(words, args.threshold, args.always).and(one));
  });
});

export const bernoulliWasm: readonly WasmVariant<BernoulliParams>[] = [
  variant<BernoulliParams>(bernoulliProgram, [input(0), output(0)], ofShape, ({ probability }) => odds(probability)),
];

const dropoutProgram = wasmProgram('dropout', m => {
  const parameters = { start: i32, end: i32, x: i32, state: i32, y: i32, length: i32 };
  m.function('run', { ...parameters, threshold: i32, always: i32, scale: f32 }, (f, args) => {
    const scale = f.let(args.scale.splat().bits());
    forEachWords(f, args, (words, at) => {
      const factor = hits(words, args.threshold, args.always).and(scale).asF32x4();
      return args.x.add(at).f32x4().mul(factor);
    });
  });
});

export const dropoutWasm: readonly WasmVariant<DropoutParams>[] = [
  variant(dropoutProgram, [input(0), input(1), output(0)], sizeOf, ({ rate }) => [
    ...odds(1 - rate),
    dropoutScale(rate),
  ]),
];

const advanceProgram = wasmProgram('advanceState', m => {
  m.function('run', { start: i32, end: i32, state: i32, low: i32, high: i32 }, (f, { state, low, high }) => {
    const sum = f.let(state.i32(8).add(low));
    f.store(state, sum, 8);
    f.store(state, state.i32(12).add(high).add(sum.ltU(low)), 12);
  });
});

export const advanceStateWasm: readonly WasmVariant<AdvanceParams>[] = [
  {
    name: 'scalar',
    applies: () => true,
    plan: (_, { by }) => ({
      passes: [
        {
          program: advanceProgram,
          entry: 'run',
          tasks: 1,
          args: [output(0), (by % 2 ** 32) | 0, (by / 2 ** 32) | 0],
        },
      ],
    }),
  },
];
