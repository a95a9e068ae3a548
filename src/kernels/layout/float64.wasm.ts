/** scatterAdd in float64, for devices of highest precision: sums as large as the output, rounded at the end. */
import { input, output, scratch, type WasmVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import { I32, i32, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { both, combined, wideLanes } from '../float64.wasm.ts';
import { type ScatterAddParams, scatterAxis } from './layout.ts';

/** Columns of a task. */
const STRIP = 256;
const WORTH_A_THREAD = 30_000;

const program = wasmProgram('scatterAdd float64', m => {
  const arrays = { updates: i32, indices: i32, out: i32, sums: i32 };
  const sizes = { size: i32, inner: i32, count: i32, strips: i32 };
  m.function('run', { start: i32, end: i32, ...arrays, ...sizes }, (f, a) => {
    const rowBytes = f.let(a.inner.shl(2));
    const [four, one] = [wideLanes(f, 4), wideLanes(f, 1)];
    /** Runs through the columns of a row, `wide` being where their sums lie and `narrow` the float32 that belong to them. */
    const forEachColumn = (
      wide: I32,
      narrow: I32,
      width: I32,
      emit: (columns: 1 | 4, sum: I32, value: I32) => void,
    ) => {
      const [sum, value, left] = [f.let(wide), f.let(narrow), f.let(width)];
      for (const columns of [4, 1] as const) {
        f.while(
          () => left.ge(columns),
          () => {
            emit(columns, sum, value);
            f.advance(sum, 8 * columns);
            f.advance(value, 4 * columns);
            f.advance(left, -columns);
          },
        );
      }
    };
    f.for(a.start, a.end, 1, task => {
      const matrix = f.let(task.divU(a.strips));
      const column = f.let(task.sub(matrix.mul(a.strips)).mul(STRIP));
      const left = f.let(a.inner.sub(column));
      const width = f.let(left.lt(STRIP).select(left, I32.constant(STRIP)));
      const slab = f.let(matrix.mul(a.size).mul(a.inner).add(column).shl(2));
      const sums = f.let(a.sums.add(slab.shl(1)));
      f.for(0, a.size, 1, row => f.fill(sums.add(row.mul(rowBytes).shl(1)), 0, width.shl(3)));
      f.for(0, a.count, 1, k => {
        const index = f.let(a.indices.add(k.shl(2)).i32());
        f.if(index.ltU(a.size), () => {
          const source = a.updates.add(matrix.mul(a.count).add(k).mul(a.inner).add(column).shl(2));
          forEachColumn(sums.add(index.mul(rowBytes).shl(1)), source, width, (columns, sum, value) => {
            if (columns === 1) {
              const total = f.let(sum.f32x4LoadTwo().asF64x2().add(value.f32x4Zero().promoteLow()));
              for (const word of [0, 1]) f.storeLane(sum, total.words(), word, 4 * word);
            } else {
              const total = combined(
                both(half => sum.f64x2(16 * half)),
                four.load(value),
                'add',
              );
              for (const half of [0, 1]) f.store(sum, total[half], 16 * half);
            }
          });
        });
      });
      f.for(0, a.size, 1, row => {
        const target = a.out.add(slab).add(row.mul(rowBytes));
        forEachColumn(sums.add(row.mul(rowBytes).shl(1)), target, width, (columns, sum, value) => {
          if (columns === 1) {
            const total = sum.f32x4LoadTwo().asF64x2();
            one.store(value, [total, total]);
          } else
            four.store(
              value,
              both(half => sum.f64x2(16 * half)),
            );
        });
      });
    });
  });
});

export const scatterAddFloat64: WasmVariant<ScatterAddParams> = {
  name: 'float64',
  precision: 'highest',
  applies: ([{ dtype }]) => dtype === 'float32',
  plan(specs, params) {
    const [{ shape }, indices] = specs;
    const axis = scatterAxis(specs, params);
    const outer = sizeOf(shape.slice(0, axis));
    const inner = sizeOf(shape.slice(axis + indices.shape.length));
    const count = sizeOf(indices.shape);
    const strips = Math.ceil(inner / STRIP);
    const args = [input(0), input(1), output(0), scratch(0), params.size, inner, count, strips];
    const grain = Math.max(1, Math.ceil(WORTH_A_THREAD / ((params.size + count) * Math.min(inner, STRIP))));
    return {
      passes: [{ program, entry: 'run', tasks: outer * strips, args, grain }],
      scratch: [{ bytes: 8 * outer * params.size * inner }],
    };
  },
};
