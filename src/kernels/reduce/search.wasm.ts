/**
 * argMax, argMin and the test for non-finite values in WebAssembly. The searches compare integer keys that order like the
 * floats they come from, which settles NaN and -0 before the comparison: the largest key that comes first wins.
 */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import { normalizeAxes, sizeOf } from '../../devices/shape.ts';
import {
  type F32x4,
  type FunctionBuilder,
  I32,
  I32x4,
  i32,
  i32x4,
  splatI32,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { loadTail, storeTail } from '../elementwise/map.wasm.ts';
import type { ArgReduceParams } from './reduce.ts';

const LARGEST = 0x7fffffff;
const SMALLEST = -0x80000000;

interface Keys {
  readonly op: ArgReduceParams['op'];
  readonly integer: boolean;
}

/** Keys of four elements. */
function vectorKeys(f: FunctionBuilder, { op, integer }: Keys, loaded: F32x4): I32x4 {
  if (integer) return op === 'argMax' ? loaded.bits() : loaded.bits().not();
  const x = f.let(loaded.add(0)); // -0 becomes 0
  const bits = f.let(x.bits());
  const ordered = bits.xor(bits.shrS(31).and(LARGEST));
  return x.ne(x).select(splatI32(LARGEST), op === 'argMax' ? ordered : ordered.not());
}

/** Key of the element at an address. */
function scalarKey(f: FunctionBuilder, { op, integer }: Keys, address: I32): I32 {
  if (integer) return op === 'argMax' ? address.i32() : address.i32().xor(-1);
  const x = f.let(address.f32().add(0));
  const bits = f.let(x.reinterpretI32());
  const ordered = bits.xor(bits.shrS(31).and(LARGEST));
  return x.ne(x).select(I32.constant(LARGEST), op === 'argMax' ? ordered : ordered.xor(-1));
}

/** [outer, extent] -> [outer], a row per task. */
const rowSearch = (keys: Keys) =>
  wasmProgram(`${keys.op} rows ${keys.integer}`, m => {
    const signature = { start: i32, end: i32, x: i32, out: i32, extent: i32 };
    m.function('run', signature, (f, { start, end, x, out, extent }) => {
      const best = f.local(i32);
      const index = f.local(i32);
      const bestVector = f.local(i32x4);
      const indexVector = f.local(i32x4);
      const positions = f.local(i32x4);
      f.for(start, end, 1, row => {
        const base = f.let(x.add(row.mul(extent).shl(2)));
        const i = f.local(i32, 1);
        f.set(best, scalarKey(f, keys, base));
        f.set(index, 0);
        f.if(extent.ge(8), () => {
          // Each lane searches every fourth element; then the lanes compete, the earlier position winning ties.
          f.set(positions, I32x4.constant(0, 1, 2, 3));
          f.set(bestVector, vectorKeys(f, keys, base.f32x4()));
          f.set(indexVector, positions);
          f.set(i, 4);
          f.doWhile(
            () => {
              f.set(positions, positions.add(4));
              const key = f.let(vectorKeys(f, keys, base.add(i.shl(2)).f32x4()));
              const better = f.let(key.gt(bestVector));
              f.set(bestVector, better.select(key, bestVector));
              f.set(indexVector, better.select(positions, indexVector));
              f.advance(i, 4);
            },
            () => i.add(4).le(extent),
          );
          f.set(best, bestVector.lane(0));
          f.set(index, indexVector.lane(0));
          for (let lane = 1; lane < 4; lane++) {
            const key = bestVector.lane(lane);
            const earlier = key.eq(best).and(indexVector.lane(lane).lt(index));
            f.if(key.gt(best).or(earlier), () => {
              f.set(best, bestVector.lane(lane));
              f.set(index, indexVector.lane(lane));
            });
          }
        });
        f.while(
          () => i.lt(extent),
          () => {
            const key = f.let(scalarKey(f, keys, base.add(i.shl(2))));
            f.if(key.gt(best), () => {
              f.set(best, key);
              f.set(index, i);
            });
            f.advance(i, 1);
          },
        );
        f.store(out.add(row.shl(2)), index);
      });
    });
  });

/** [outer, extent, inner] -> [outer, inner]; a task is four columns of one matrix. */
const columnSearch = (keys: Keys) =>
  wasmProgram(`${keys.op} columns ${keys.integer}`, m => {
    const tail = loadTail(m);
    const signature = { start: i32, end: i32, x: i32, out: i32, extent: i32, inner: i32, strips: i32 };
    m.function('run', signature, (f, { start, end, x, out, extent, inner, strips }) => {
      const best = f.local(i32x4);
      const index = f.local(i32x4);
      const at = f.local(i32);
      const search = (load: () => F32x4): void => {
        f.set(best, splatI32(SMALLEST));
        f.set(index, splatI32(0));
        f.for(0, extent, 1, i => {
          const key = f.let(vectorKeys(f, keys, load()));
          const better = f.let(key.gt(best));
          f.set(best, better.select(key, best));
          f.set(index, better.select(splatI32(i), index));
          f.advance(at, inner.shl(2));
        });
      };
      f.for(start, end, 1, task => {
        const row = f.let(task.divU(strips));
        const column = f.let(task.sub(row.mul(strips)).shl(2));
        const target = f.let(out.add(row.mul(inner).add(column).shl(2)));
        const lanes = f.let(inner.sub(column));
        f.set(at, x.add(row.mul(extent).mul(inner).add(column).shl(2)));
        f.if(
          lanes.ge(4),
          () => {
            search(() => at.f32x4());
            f.store(target, index);
          },
          () => {
            search(() => f.value(tail, [at, lanes]));
            storeTail(f, target, index, lanes);
          },
        );
      });
    });
  });

const WORTH_A_THREAD = 30_000;

export const argReduceWasm: readonly WasmVariant<ArgReduceParams>[] = [
  {
    name: 'simd',
    applies: () => true,
    plan([{ shape, dtype }], { op, axis }) {
      const [normal] = normalizeAxes(axis, shape.length, op);
      const keys = { op, integer: dtype === 'int32' };
      const outer = sizeOf(shape.slice(0, normal));
      const inner = sizeOf(shape.slice(normal + 1));
      const extent = shape[normal];
      if (inner === 1) {
        const grain = Math.ceil(WORTH_A_THREAD / (extent + 8));
        const args = [input(0), output(0), extent];
        return { passes: [{ program: rowSearch(keys), entry: 'run', tasks: outer, args, grain }] };
      }
      const strips = Math.ceil(inner / 4);
      const grain = Math.ceil(WORTH_A_THREAD / (4 * extent + 8));
      const args = [input(0), output(0), extent, inner, strips];
      return { passes: [{ program: columnSearch(keys), entry: 'run', tasks: outer * strips, args, grain }] };
    },
  },
];
