/**
 * Rows of C logits in vectors of four. The last C mod 4 are loaded lane by lane into a vector whose other lanes hold a value
 * that changes nothing (-infinity for a maximum or an exponential, 0 for a sum), and stored lane by lane: a row may end
 * where the memory ends.
 */
import { type F32, type F32x4, type FunctionBuilder, I32, I32x4, splat } from '../../devices/wasm/assembler/module.ts';
import { exp } from '../elementwise/vector-math.wasm.ts';

/** Four neighbouring columns of a row, or the last one to three. */
export interface Columns {
  /** The columns of the row that starts at `row`; lanes past its end hold `fill`. */
  load(row: I32, fill: number): F32x4;
  store(row: I32, value: F32x4): void;
  /** 0 in the lanes past the row's end, for sums of computed values. */
  clear(value: F32x4): F32x4;
}

/** Fewest rows worth another thread; an exponential is worth about eight simple operations. */
export const grainOf = (classes: number): number => Math.max(1, Math.ceil(4096 / classes));

/** The label of a row, 0 where it is impossible, and whether it is possible. */
export function labelOf(f: FunctionBuilder, labels: I32, row: I32, classes: number): { label: I32; possible: I32 } {
  const given = f.let(labels.add(row.shl(2)).i32());
  const possible = f.let(given.ltU(classes));
  return { label: f.let(possible.select(given, I32.constant(0))), possible };
}

/** Vectors of a row that are written out instead of looped over. */
const UNROLLED = 4;

/** Calls `emit` for the loop bodies over all columns of a row. */
export function forEachColumns(f: FunctionBuilder, classes: number, emit: (columns: Columns) => void): void {
  const full = Math.floor(classes / 4);
  if (full <= UNROLLED) for (let v = 0; v < full; v++) emit(vectorAt(f, undefined, v * 16));
  else f.for(0, full * 16, 16, at => emit(vectorAt(f, at, 0)));
  if (classes % 4 > 0) emit(tailAt(f, full * 16, classes % 4));
}

function vectorAt(f: FunctionBuilder, at: I32 | undefined, offset: number): Columns {
  const address = (row: I32): I32 => (at ? row.add(at) : row);
  return {
    load: row => address(row).f32x4(offset),
    store: (row, value) => f.store(address(row), value, offset),
    clear: value => value,
  };
}

function tailAt(f: FunctionBuilder, offset: number, lanes: number): Columns {
  const [a, b, c] = [0, 1, 2].map(lane => (lane < lanes ? -1 : 0));
  const live = I32x4.constant(a, b, c, 0);
  return {
    load(row, fill) {
      const values =
        lanes === 1
          ? row.f32x4Zero(offset)
          : lanes === 2
            ? row.f32x4LoadTwo(offset)
            : row.f32x4LoadTwo(offset).replaceLane(2, row.f32(offset + 8));
      return fill === 0 ? values : live.select(values, splat(fill));
    },
    store(row, value) {
      const held = f.let(value);
      for (let lane = 0; lane < lanes; lane++) f.storeLane(row, held, lane, offset + lane * 4);
    },
    clear: value => value.bits().and(live).asF32x4(),
  };
}

/**
 * The largest of a row's logits, in all lanes. `pmax` is one instruction and passes over a NaN; the sum of exponentials
 * does not, and carries it to every output.
 */
export function rowMaximum(f: FunctionBuilder, classes: number, row: I32): F32x4 {
  const best = f.let(splat(Number.NEGATIVE_INFINITY));
  forEachColumns(f, classes, columns => f.set(best, best.pmax(columns.load(row, Number.NEGATIVE_INFINITY))));
  const pairs = f.let(best.max(best.shuffle(best, 2, 3, 0, 1)));
  return f.let(pairs.lane(0).max(pairs.lane(1)).splat());
}

/** Sum of exp(x - maximum) over a row; hands each vector of exponentials to `visit`. */
export function rowExponentials(
  f: FunctionBuilder,
  classes: number,
  row: I32,
  maximum: F32x4,
  visit?: (columns: Columns, exponentials: F32x4) => void,
): F32 {
  const sum = f.let(splat(0));
  forEachColumns(f, classes, columns => {
    const e = exp(f, f.let(columns.load(row, Number.NEGATIVE_INFINITY).sub(maximum)));
    visit?.(columns, e);
    f.set(sum, sum.add(e));
  });
  return f.let(sum.horizontalSum());
}

/** Sum over a row of what `term` makes of its columns. */
export function rowSum(f: FunctionBuilder, classes: number, term: (columns: Columns) => F32x4): F32 {
  const sum = f.let(splat(0));
  forEachColumns(f, classes, columns => f.set(sum, sum.add(term(columns))));
  return f.let(sum.horizontalSum());
}
