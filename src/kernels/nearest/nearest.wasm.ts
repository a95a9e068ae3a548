/**
 * In WebAssembly: a task is a row. Sixteen numbers at a time are compared with the worst that the row keeps; hardly any is
 * smaller once a few thousand were seen, so what follows for those that are may be scalar.
 */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import {
  type F32x4,
  type FunctionReference,
  f32,
  I32,
  i32,
  type ModuleBuilder,
  splat,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import type { KeepNearestParams } from './nearest.ts';

/** Numbers worth a second thread. */
const GRAIN = 32_768;
const TOGETHER = 4;

/** Puts a bound in the place of the worst: larger entries move up until it has its own. */
const replaceWorstIn = (module: ModuleBuilder): FunctionReference =>
  module.inner(
    { bounds: i32, indices: i32, bytes: i32, bound: f32, index: i32 },
    undefined,
    (f, { bounds, indices, bytes, bound, index }) => {
      const hole = f.local(i32, 0);
      const child = f.local(i32, 4);
      const isOn = f.local(i32, 1);
      f.while(
        () => child.lt(bytes).and(isOn),
        () => {
          const next = f.let(child.add(4));
          f.if(next.lt(bytes), () =>
            f.if(bounds.add(next).f32().gt(bounds.add(child).f32()), () => f.set(child, next)),
          );
          const larger = f.let(bounds.add(child).f32());
          f.if(
            larger.gt(bound),
            () => {
              f.store(bounds.add(hole), larger);
              f.store(indices.add(hole), indices.add(child).i32());
              f.set(hole, child);
              f.set(child, child.shl(1).add(4));
            },
            () => f.set(isOn, 0),
          );
        },
      );
      f.store(bounds.add(hole), bound);
      f.store(indices.add(hole), index);
    },
  );

function keepRows(module: ModuleBuilder): void {
  const replaceWorst = replaceWorstIn(module);
  const parameters = { start: i32, end: i32, products: i32, rowLengths: i32, columnLengths: i32, places: i32 };
  module.function(
    'rows',
    { ...parameters, bounds: i32, indices: i32, columns: i32, kept: i32 },
    (f, { start, end, products, rowLengths, columnLengths, places, columns, kept, ...heaps }) => {
      const firstColumn = f.let(places.i32());
      const firstRow = f.let(places.i32(4));
      const bytes = f.let(columns.shl(2));
      const keptBytes = f.let(kept.shl(2));
      f.for(start, end, 1, row => {
        const bounds = f.let(heaps.bounds.add(row.mul(keptBytes)));
        const indices = f.let(heaps.indices.add(row.mul(keptBytes)));
        const own = f.let(firstRow.lt(0).select(I32.constant(-1), firstRow.add(row)));
        const length = f.let(rowLengths.add(row.shl(2)).f32());
        const lengths = f.let(length.splat());
        const line = f.let(products.add(row.mul(bytes)));
        const at = f.local(i32);
        f.set(at, 0);
        const worst = f.let(bounds.f32());

        const boundsAt = (offset: number): F32x4 => {
          const product = f.let(line.add(at).f32x4(offset));
          return lengths.add(columnLengths.add(at).f32x4(offset)).sub(product.add(product));
        };
        const offerOne = (offset: number): void => {
          const product = f.let(line.add(at).f32(offset));
          const bound = f.let(length.add(columnLengths.add(at).f32(offset)).sub(product.add(product)));
          f.if(bound.lt(worst), () => {
            const index = f.let(firstColumn.add(at.add(offset).shrU(2)));
            f.if(index.ne(own), () => {
              f.call(replaceWorst, [bounds, indices, keptBytes, bound, index]);
              f.set(worst, bounds.f32());
            });
          });
        };

        const vectorEnd = f.let(bytes.and(-16 * TOGETHER));
        f.while(
          () => at.lt(vectorEnd),
          () => {
            const vectors = Array.from({ length: TOGETHER }, (_, v) => f.let(boundsAt(16 * v)));
            const limit = f.let(splat(worst));
            const isAnySmaller = vectors.map(vector => vector.lt(limit)).reduce((any, mask) => any.or(mask));
            f.if(isAnySmaller.anyTrue(), () => {
              for (let v = 0; v < TOGETHER; v++) {
                f.if(vectors[v].lt(limit).anyTrue(), () => {
                  for (let lane = 0; lane < 4; lane++) offerOne(16 * v + 4 * lane);
                });
              }
            });
            f.advance(at, 16 * TOGETHER);
          },
        );
        f.while(
          () => at.lt(bytes),
          () => {
            offerOne(0);
            f.advance(at, 4);
          },
        );
      });
    },
  );
}

const program = wasmProgram('keepNearest', keepRows);

export const keepNearestWasm: readonly WasmVariant<KeepNearestParams>[] = [
  {
    name: 'rows',
    applies: () => true,
    plan([{ shape }], { kept }) {
      const [rows, columns] = shape;
      const args = [input(0), input(1), input(2), input(3), output(0), output(1), columns, kept];
      const grain = Math.max(1, Math.ceil(GRAIN / Math.max(1, columns)));
      return { passes: [{ program, entry: 'rows', tasks: rows, args, grain }] };
    },
  },
];
