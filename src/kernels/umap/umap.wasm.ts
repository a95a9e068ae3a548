/** In WebAssembly: a task is a point. A due edge pulls alone; points that are met push four at a time. */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import {
  type F32x4,
  type FunctionBuilder,
  I32,
  I32x4,
  i32,
  splat,
  splatI32,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { exp, log } from '../elementwise/vector-math.wasm.ts';
import { philoxBlocks } from '../random/philox.wasm.ts';
import { multiplyWide } from '../wide-product.wasm.ts';
import { LEAST_SQUARE, LONGEST_FORCE, SOFTENING, type UmapEpochParams, umapSizes } from './umap.ts';

/** Entries worth a second thread. */
const GRAIN = 1024;

const limited = (force: F32x4): F32x4 => force.max(-LONGEST_FORCE).min(LONGEST_FORCE);

/** The square of a distance, and its power b: x^b = e^(b ln x). */
function squareAndPower(f: FunctionBuilder, dx: F32x4, dy: F32x4, b: F32x4): [square: F32x4, power: F32x4] {
  const square = f.let(dx.mul(dx).add(dy.mul(dy)).max(LEAST_SQUARE));
  return [square, exp(f, f.let(b.mul(log(f, square))))];
}

const program = wasmProgram('umapEpoch', module => {
  const arrays = { y: i32, starts: i32, columns: i32, rates: i32, others: i32, settings: i32, state: i32, moved: i32 };
  module.function(
    'points',
    { start: i32, end: i32, ...arrays, among: i32, negatives: i32 },
    (f, { start, end, y, starts, columns, rates, others, settings, state, moved, among, negatives }) => {
      const setting = (at: number): F32x4 => f.let(splat(settings.f32(4 * at)));
      const [a, b, step, repulsion] = [0, 1, 2, 3].map(setting);
      const pulls = f.let(settings.f32(16).truncateToI32S());
      const epoch = f.let(state.i32(8));
      const attraction = f.let(a.mul(b).mul(-2));
      const push = f.let(repulsion.mul(b).mul(2));
      const [now, next] = [f.let(epoch.toF32S()), f.let(epoch.add(1).toF32S())];
      const count = f.let(splatI32(among));
      f.for(start, end, 1, point => {
        const place = f.let(point.shl(3));
        const [x0, y0] = [f.let(splat(y.add(place).f32())), f.let(splat(y.add(place).f32(4)))];
        const due = f.let(I32.constant(0));
        const last = f.let(starts.add(point.shl(2)).i32(4).shl(2));
        const entry = f.let(starts.add(point.shl(2)).i32().shl(2));
        f.while(
          () => entry.lt(last),
          () => {
            const rate = f.let(rates.add(entry).f32());
            f.if(next.mul(rate).floor().gt(now.mul(rate).floor()), () => {
              f.advance(due, 1);
              const other = f.let(others.add(columns.add(entry).i32().shl(3)));
              const [x1, y1] = [f.let(splat(other.f32())), f.let(splat(other.f32(4)))];
              f.for(0, pulls, 1, () => {
                const [dx, dy] = [f.let(x0.sub(x1)), f.let(y0.sub(y1))];
                const [square, power] = squareAndPower(f, dx, dy, b);
                const force = f.let(attraction.mul(power).div(square.mul(a.mul(power).add(1))));
                f.set(x0, x0.add(step.mul(limited(force.mul(dx)))));
                f.set(y0, y0.add(step.mul(limited(force.mul(dy)))));
              });
            });
            f.advance(entry, 4);
          },
        );
        const samples = f.let(due.mul(negatives));
        const lanes = f.let(I32x4.constant(0, 1, 2, 3));
        f.for(0, samples, 16, first => {
          const blocks = splatI32(first.shrU(2)).add(lanes);
          const counter: [I32x4, I32x4, I32x4, I32x4] = [blocks, splatI32(point), splatI32(epoch), splatI32(0)];
          philoxBlocks(f, counter, [state.i32(), state.i32(4)]).forEach((bits, word) => {
            f.if(first.add(4 * word).lt(samples), () => {
              const isMet = splatI32(first.add(4 * word))
                .add(lanes)
                .lt(splatI32(samples));
              const places = f.let(multiplyWide(f, bits, count)[0].shl(3));
              const [p, q, r, s] = [0, 1, 2, 3].map(lane => f.let(others.add(places.lane(lane)).f32x4LoadTwo()));
              const [low, high] = [f.let(p.shuffle(q, 0, 4, 1, 5)), f.let(r.shuffle(s, 0, 4, 1, 5))];
              const dx = f.let(x0.sub(low.shuffle(high, 0, 1, 4, 5)));
              const dy = f.let(y0.sub(low.shuffle(high, 2, 3, 6, 7)));
              const [square, power] = squareAndPower(f, dx, dy, b);
              const force = push.div(square.add(SOFTENING).mul(a.mul(power).add(1)));
              const met = f.let(force.bits().and(isMet).asF32x4());
              f.set(x0, x0.add(step.mul(splat(limited(met.mul(dx)).horizontalSum()))));
              f.set(y0, y0.add(step.mul(splat(limited(met.mul(dy)).horizontalSum()))));
            });
          });
        });
        f.storeLane(moved.add(place), x0, 0);
        f.storeLane(moved.add(place), y0, 0, 4);
      });
    },
  );
});

export const umapEpochWasm: readonly WasmVariant<UmapEpochParams>[] = [
  {
    name: 'points',
    applies: () => true,
    plan(specs, { negatives }) {
      const { points, entries, others } = umapSizes(specs);
      const args = [...specs.map((_, k) => input(k)), output(0), others, negatives];
      const grain = Math.max(1, Math.ceil((GRAIN * points) / Math.max(1, entries)));
      return { passes: [{ program, entry: 'points', tasks: points, args, grain }] };
    },
  },
];
