/**
 * In WebAssembly: a task is a point, which meets the points before it and the points after it four at a time. Leaving
 * itself out by the limits of two loops is exact; adding its similarity of 1 and taking it off again would cost a lonely
 * point, whose others add up to little, its digits.
 */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import { F32, F32x4, f32x4, I32, i32, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { fourLanes, type Lanes, oneLane } from '../lanes.wasm.ts';
import { BLOCK, pointsOf, type TsneRepulsionParams } from './tsne.ts';

/** Pairs worth a second thread. */
const GRAIN = 32_768;

const ZERO = F32x4.constant(0, 0, 0, 0);

const program = wasmProgram('tsneRepulsion', module => {
  module.function(
    'points',
    { start: i32, end: i32, y: i32, repulsion: i32, normalizer: i32, bytes: i32 },
    (f, { start, end, y: x, repulsion, normalizer, bytes }) => {
      const y = f.let(x.add(bytes));
      f.for(start.shl(2), end.shl(2), 4, own => {
        const ownX = f.let(x.add(own).f32());
        const ownY = f.let(y.add(own).f32());
        const sums = { x: f.let(F32.constant(0)), y: f.let(F32.constant(0)), q: f.let(F32.constant(0)) };
        const vectors = { x: f.local(f32x4), y: f.local(f32x4), q: f.local(f32x4) };
        const at = f.local(i32);

        /** Adds what the points at `at` contribute to `to`, and moves on. */
        const meet = (lanes: Lanes, to: { x: F32x4; y: F32x4; q: F32x4 }): void => {
          const dx = f.let(lanes.all(ownX).sub(lanes.load(x.add(at))));
          const dy = f.let(lanes.all(ownY).sub(lanes.load(y.add(at))));
          const q = f.let(lanes.all(1).div(dx.mul(dx).add(dy.mul(dy)).add(lanes.all(1))));
          const square = f.let(q.mul(q));
          f.set(to.q, to.q.add(q));
          f.set(to.x, to.x.add(square.mul(dx)));
          f.set(to.y, to.y.add(square.mul(dy)));
          f.advance(at, 4 * lanes.width);
        };
        const oneByOne = sums as unknown as { x: F32x4; y: F32x4; q: F32x4 };
        const meetAll = (from: I32, limit: I32): void => {
          f.set(at, from);
          f.while(
            () => at.lt(limit),
            () => {
              const left = f.let(limit.sub(at));
              const blockEnd = f.let(at.add(left.lt(4 * BLOCK).select(left, I32.constant(4 * BLOCK))));
              const vectorEnd = f.let(at.add(blockEnd.sub(at).and(-16)));
              for (const vector of Object.values(vectors)) f.set(vector, ZERO);
              f.while(
                () => at.lt(vectorEnd),
                () => meet(fourLanes, vectors),
              );
              for (const part of ['x', 'y', 'q'] as const) {
                f.set(sums[part], sums[part].add(vectors[part].horizontalSum()));
              }
              f.while(
                () => at.lt(blockEnd),
                () => meet(oneLane, oneByOne),
              );
            },
          );
        };
        meetAll(I32.constant(0), own);
        meetAll(own.add(4), bytes);
        f.store(repulsion.add(own), sums.x);
        f.store(repulsion.add(own).add(bytes), sums.y);
        f.store(normalizer.add(own), sums.q);
      });
    },
  );
});

export const tsneRepulsionWasm: readonly WasmVariant<TsneRepulsionParams>[] = [
  {
    name: 'points',
    applies: () => true,
    plan(specs) {
      const n = pointsOf(specs);
      const args = [input(0), output(0), output(1), 4 * n];
      const grain = Math.max(1, Math.ceil(GRAIN / Math.max(1, n)));
      return { passes: [{ program, entry: 'points', tasks: n, args, grain }] };
    },
  },
];
