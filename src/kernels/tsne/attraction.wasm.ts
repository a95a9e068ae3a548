/** In WebAssembly: a task is a point, four of its entries at a time. */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import { F32, i32, splat, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { attractionSizes, type TsneAttractionParams } from './attraction.ts';

/** Entries worth a second thread. */
const GRAIN = 16_384;

const program = wasmProgram('tsneAttraction', module => {
  const parameters = { start: i32, end: i32, y: i32, starts: i32, columns: i32, values: i32, others: i32 };
  module.function(
    'points',
    { ...parameters, attraction: i32 },
    (f, { start, end, y, starts, columns, values, others, attraction }) => {
      f.for(start, end, 1, point => {
        const place = f.let(point.shl(3));
        const [x0, y0] = [f.let(y.add(place).f32()), f.let(y.add(place).f32(4))];
        const [forcesX, forcesY] = [f.let(splat(0)), f.let(splat(0))];
        const entry = f.let(starts.add(point.shl(2)).i32().shl(2));
        const last = f.let(starts.add(point.shl(2)).i32(4).shl(2));
        const vectorEnd = f.let(last.sub(entry).and(-16).add(entry));
        f.while(
          () => entry.lt(vectorEnd),
          () => {
            const four = f.let(columns.add(entry).i32x4().shl(3));
            const [a, b, c, d] = [0, 1, 2, 3].map(lane => f.let(others.add(four.lane(lane)).f32x4LoadTwo()));
            const [low, high] = [f.let(a.shuffle(b, 0, 4, 1, 5)), f.let(c.shuffle(d, 0, 4, 1, 5))];
            const dx = f.let(splat(x0).sub(low.shuffle(high, 0, 1, 4, 5)));
            const dy = f.let(splat(y0).sub(low.shuffle(high, 2, 3, 6, 7)));
            const square = dx.mul(dx).add(dy.mul(dy)).add(1);
            const pull = f.let(values.add(entry).f32x4().div(square));
            f.set(forcesX, forcesX.add(pull.mul(dx)));
            f.set(forcesY, forcesY.add(pull.mul(dy)));
            f.advance(entry, 16);
          },
        );
        const [forceX, forceY] = [f.let(forcesX.horizontalSum()), f.let(forcesY.horizontalSum())];
        f.while(
          () => entry.lt(last),
          () => {
            const other = f.let(others.add(columns.add(entry).i32().shl(3)));
            const [dx, dy] = [f.let(x0.sub(other.f32())), f.let(y0.sub(other.f32(4)))];
            const square = dx.mul(dx).add(dy.mul(dy)).add(F32.constant(1));
            const pull = f.let(values.add(entry).f32().div(square));
            f.set(forceX, forceX.add(pull.mul(dx)));
            f.set(forceY, forceY.add(pull.mul(dy)));
            f.advance(entry, 4);
          },
        );
        f.store(attraction.add(place), forceX);
        f.store(attraction.add(place), forceY, 4);
      });
    },
  );
});

export const tsneAttractionWasm: readonly WasmVariant<TsneAttractionParams>[] = [
  {
    name: 'points',
    applies: () => true,
    plan(specs) {
      const { points, entries } = attractionSizes(specs);
      const args = [input(0), input(1), input(2), input(3), input(4), output(0)];
      const grain = Math.max(1, Math.ceil((GRAIN * points) / Math.max(1, entries)));
      return { passes: [{ program, entry: 'points', tasks: points, args, grain }] };
    },
  },
];
