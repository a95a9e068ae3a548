/** In WebAssembly: a task is a row, four columns at a time; what is left of a row comes one by one, in the first lane. */
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
import { LEAST_LIKENESS, type LikenessParams } from './likeness.ts';

/** Pairs worth a second thread. */
const GRAIN = 8192;

/** One row of a tile. */
interface Row {
  /** Part `part` of the row's own numbers, in all lanes. */
  own(part: number): F32x4;
  readonly products: I32;
  readonly columns: I32;
  /** Bytes of one part of the columns' numbers. */
  readonly bytes: I32;
  readonly firstColumn: I32;
  /** Index of the row among the columns. */
  readonly index: I32;
  readonly sums: readonly F32x4[];
}

/** Four columns of a row, or one. */
interface Pairs {
  readonly square: F32x4;
  /** Part `part` of the columns' numbers. */
  column(part: number): F32x4;
  /** Sets aside what counts for nothing: the row itself, lanes without a column. */
  counted(value: F32x4): F32x4;
}

const PARAMETERS = {
  ...{ start: i32, end: i32, products: i32, rows: i32, columns: i32, places: i32, sums: i32 },
  ...{ height: i32, width: i32 },
};

function rowProgram(name: string, count: number, see: (f: FunctionBuilder, row: Row, pairs: Pairs) => void) {
  return wasmProgram(name, module => {
    module.function('rows', PARAMETERS, (f, { start, end, places, width, height, ...a }) => {
      const bytes = f.let(width.shl(2));
      f.for(start, end, 1, task => {
        const firstRow = f.let(places.i32(4));
        const own = f.let(a.rows.add(task.shl(2)));
        const row: Row = {
          own: part => f.let(own.add(height.mul(4 * part)).f32x4Splat()),
          products: f.let(a.products.add(task.mul(bytes))),
          ...{ columns: a.columns, bytes },
          firstColumn: f.let(places.i32()),
          index: f.let(firstRow.lt(0).select(I32.constant(-1), firstRow.add(task))),
          sums: Array.from({ length: count }, () => f.let(splat(0))),
        };
        const at = f.let(I32.constant(0));
        const vectorEnd = f.let(bytes.and(-16));
        const meet = rowLoop(f, row, at, see);
        f.while(
          () => at.lt(vectorEnd),
          () => meet(4),
        );
        f.while(
          () => at.lt(bytes),
          () => meet(1),
        );
        row.sums.forEach((sum, part) => {
          const to = f.let(a.sums.add(task.mul(4 * count)));
          f.store(to, to.f32(4 * part).add(sum.horizontalSum()), 4 * part);
        });
      });
    });
  });
}

/** What meets the columns at `at` (bytes), four or one, and moves on. */
function rowLoop(f: FunctionBuilder, row: Row, at: I32, see: (f: FunctionBuilder, row: Row, pairs: Pairs) => void) {
  const length = row.own(0);
  return (columns: 1 | 4): void => {
    const load = (address: I32): F32x4 => f.let(columns === 4 ? address.f32x4() : address.f32x4Zero());
    const column = (part: number): F32x4 => load(row.columns.add(row.bytes.mul(part)).add(at));
    const product = load(row.products.add(at));
    const first = f.let(row.firstColumn.add(at.shrU(2)));
    const lanes = I32x4.constant(0, 1, 2, 3);
    const isOwn = splatI32(first).add(lanes).eq(splatI32(row.index));
    const skipped = f.let(columns === 4 ? isOwn : isOwn.or(lanes.ne(0)));
    see(f, row, {
      square: f.let(length.add(column(0)).sub(product.add(product)).pmax(0)),
      column,
      counted: value => value.bits().andNot(skipped).asF32x4(),
    });
    f.advance(at, 4 * columns);
  };
}

const gaussianSums = rowProgram('gaussianSums', 3, (f, { own, sums }, { square, counted }) => {
  const x = f.let(square.sub(own(2)));
  const e = f.let(counted(exp(f, f.let(x.mul(own(1)).neg()))));
  const ex = f.let(e.mul(x));
  for (const [sum, value] of [
    [sums[0], e],
    [sums[1], ex],
    [sums[2], ex.mul(x)],
  ]) {
    f.set(sum, sum.add(value));
  }
});

const divergenceSums = rowProgram('divergenceSums', 2, (f, { own, sums }, { square, column, counted }) => {
  const [mine, theirs] = [own, column].map(part => exp(f, f.let(part(2).sub(part(1).mul(square)))));
  const p = f.let(counted(mine.add(theirs)));
  const [du, dv] = [3, 4].map(part => f.let(own(part).sub(column(part))));
  const apart = du.mul(du).add(dv.mul(dv)).add(1);
  const logarithm = log(f, f.let(p.pmax(LEAST_LIKENESS).mul(apart)));
  f.set(sums[0], sums[0].add(p.mul(logarithm)));
  f.set(sums[1], sums[1].add(p));
});

const variantOf = (program: typeof gaussianSums): readonly WasmVariant<LikenessParams>[] => [
  {
    name: 'rows',
    applies: () => true,
    plan([{ shape }]) {
      const [height, width] = shape;
      const args = [input(0), input(1), input(2), input(3), output(0), height, width];
      const grain = Math.max(1, Math.ceil(GRAIN / Math.max(1, width)));
      return { passes: [{ program, entry: 'rows', tasks: height, args, grain }] };
    },
  },
];

export const gaussianSumsWasm = variantOf(gaussianSums);
export const divergenceSumsWasm = variantOf(divergenceSums);
