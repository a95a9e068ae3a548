/**
 * One reduction step in WebAssembly, [outer, extent, inner] -> [outer, inner], in two programs: `rows` where inner is 1
 * (what is summed lies side by side) and `columns` where it is not (each lane sums its own column). The extent is cut
 * into chunks, a task each; partial results go through the same programs again until one chunk is left.
 *
 * Rounding errors grow with the longest chain of additions, not with the number of elements: a chain is at most 64 long
 * before its sum joins the next chain, in registers, across blocks, and across chunks.
 */
import {
  type F32x4,
  type FunctionBuilder,
  type FunctionReference,
  f32,
  f32x4,
  I32,
  I32x4,
  i32,
  i32x4,
  splat,
  splatI32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { loadTail, storeTail, type Vector } from '../elementwise/map.wasm.ts';

/** How elements combine; `mean` is a sum whose last pass divides, and `sumOfSquares` one whose first pass squares. */
export interface Combination {
  readonly fold: 'sum' | 'prod' | 'max' | 'min';
  readonly integer: boolean;
  /** Squares what is read. */
  readonly square: boolean;
  /** Divides what is written by the argument `divisor`. */
  readonly divide: boolean;
}

const keyOf = ({ fold, integer, square, divide }: Combination): string =>
  `${integer ? 'int32' : 'float32'} ${fold}${square ? ' of squares' : ''}${divide ? ' divided' : ''}`;

function combine({ fold, integer }: Combination, a: Vector, b: Vector): Vector {
  if (integer) {
    const [x, y] = [a as I32x4, b as I32x4];
    return fold === 'sum' ? x.add(y) : fold === 'max' ? x.maxS(y) : x.minS(y);
  }
  const [x, y] = [a as F32x4, b as F32x4];
  return fold === 'sum' ? x.add(y) : fold === 'prod' ? x.mul(y) : fold === 'max' ? x.max(y) : x.min(y);
}

function identity({ fold, integer }: Combination): Vector {
  if (integer) return splatI32(fold === 'sum' ? 0 : fold === 'max' ? -(2 ** 31) : 2 ** 31 - 1);
  return splat({ sum: 0, prod: 1, max: -Infinity, min: Infinity }[fold]);
}

/** Additions in one chain. */
const CHAIN = 64;

/** The parts of a program that depend on how elements combine. */
function toolbox(f: FunctionBuilder, how: Combination, divisor: any) {
  const type = (how.integer ? i32x4 : f32x4) as typeof f32x4;
  const scale = how.divide ? f.let(divisor.splat() as F32x4) : undefined;
  const cast = (loaded: F32x4): F32x4 => {
    const typed = (how.integer ? loaded.bits() : loaded) as F32x4;
    if (!how.square) return typed;
    const x = f.let(typed);
    return x.mul(x);
  };
  return {
    local: (): F32x4 => f.local(type),
    reset: (accumulator: F32x4): void => f.set(accumulator, identity(how) as F32x4),
    /** accumulator = accumulator combined with what was loaded */
    take: (accumulator: F32x4, loaded: F32x4): void =>
      f.set(accumulator, combine(how, accumulator, cast(loaded)) as F32x4),
    /** into = into combined with from */
    merge: (into: F32x4, from: F32x4): void => f.set(into, combine(how, into, from) as F32x4),
    finish: (value: F32x4): F32x4 => (scale ? value.div(scale) : value),
  };
}

/** What the tasks of one pass see: task = row * chunks + chunk, and the chunk's first element and length. */
function chunkOf(f: FunctionBuilder, task: I32, chunks: I32, chunk: I32, extent: I32) {
  const row = f.let(task.divU(chunks));
  const first = f.let(task.sub(row.mul(chunks)).mul(chunk));
  const left = f.let(extent.sub(first));
  return { row, first, length: f.let(left.lt(chunk).select(left, chunk)) };
}

/** [outer, extent] -> [outer, chunks]; arguments: x, out, extent, chunk (elements), chunks, divisor. */
export function rowsProgram(how: Combination): WasmProgram {
  return wasmProgram(`reduce rows ${keyOf(how)}`, m => {
    const signature = { start: i32, end: i32, x: i32, out: i32, extent: i32, chunk: i32, chunks: i32, divisor: f32 };
    m.function('run', signature, (f, { start, end, x, out, extent, chunk, chunks, divisor }) => {
      const { local, reset, take, merge, finish } = toolbox(f, how, divisor);
      const accumulators = Array.from({ length: 4 }, local);
      const total = local();
      f.for(start, end, 1, task => {
        const { row, first, length } = chunkOf(f, task, chunks, chunk, extent);
        const at = f.let(x.add(row.mul(extent).add(first).shl(2)));
        const past = f.let(at.add(length.shl(2)));
        const vectorsPast = f.let(at.add(length.and(-16).shl(2)));
        reset(total);
        f.while(
          () => at.ltU(vectorsPast),
          () => {
            // A block: four accumulators with a chain each.
            const stop = f.let(at.add(64 * CHAIN));
            f.set(stop, stop.ltU(vectorsPast).select(stop, vectorsPast));
            for (const accumulator of accumulators) reset(accumulator);
            f.doWhile(
              () => {
                for (const [k, accumulator] of accumulators.entries()) take(accumulator, at.f32x4(16 * k));
                f.advance(at, 64);
              },
              () => at.ltU(stop),
            );
            merge(accumulators[0], accumulators[1]);
            merge(accumulators[2], accumulators[3]);
            merge(accumulators[0], accumulators[2]);
            merge(total, accumulators[0]);
          },
        );
        f.while(
          () => at.add(15).ltU(past),
          () => {
            take(total, at.f32x4());
            f.advance(at, 16);
          },
        );
        f.while(
          () => at.ltU(past),
          () => {
            take(total, single(how, at));
            f.advance(at, 4);
          },
        );
        merge(total, total.shuffle(total, 2, 3, 0, 1));
        merge(total, total.shuffle(total, 1, 0, 3, 2));
        f.storeLane(out.add(task.shl(2)), finish(total), 0);
      });
    });
  });
}

/** One element in lane 0; the other lanes hold what changes nothing (whose square is itself, where squares are taken). */
function single(how: Combination, at: I32): F32x4 {
  const rest = identity(how);
  return rest instanceof I32x4 ? rest.replaceLane(0, at.i32()).asF32x4() : rest.replaceLane(0, at.f32());
}

const COLUMNS_PARAMETERS = {
  start: i32,
  end: i32,
  x: i32,
  out: i32,
  extent: i32,
  inner: i32,
  chunk: i32,
  chunks: i32,
  divisor: f32,
};

/** [outer, extent, inner] -> [outer, chunks, inner]; arguments: x, out, extent, inner, chunk (rows), chunks, divisor. */
export function columnsProgram(how: Combination): WasmProgram {
  return wasmProgram(`reduce columns ${keyOf(how)}`, m => {
    const tail = loadTail(m);
    m.function('run', COLUMNS_PARAMETERS, (f, { start, end, x, out, extent, inner, chunk, chunks, divisor }) => {
      const tools = toolbox(f, how, divisor);
      const columns = new ColumnSums(f, tools, tail, inner);
      f.for(start, end, 1, task => {
        const { row, first, length } = chunkOf(f, task, chunks, chunk, extent);
        const top = f.let(x.add(row.mul(extent).add(first).mul(columns.rowBytes)));
        const target = f.let(out.add(task.mul(columns.rowBytes)));
        const left = f.let(inner);
        for (const width of [8, 4, 2, 1]) {
          const condition = () => left.ge(4 * width);
          f.while(condition, () => {
            columns.strip(width, top, length, target);
            f.advance(top, 16 * width);
            f.advance(target, 16 * width);
            f.advance(left, -4 * width);
          });
        }
        f.if(left, () => columns.strip(1, top, length, target, left));
      });
    });
  });
}

/** Reduces strips of columns; narrow ones take several rows at a time, so that eight sums are always under way. */
class ColumnSums {
  readonly rowBytes: I32;
  readonly #f: FunctionBuilder;
  readonly #tools: ReturnType<typeof toolbox>;
  readonly #tail: FunctionReference<F32x4>;
  readonly #accumulators: readonly F32x4[];
  readonly #totals: readonly F32x4[];
  readonly #at: I32;
  readonly #left: I32;

  constructor(f: FunctionBuilder, tools: ReturnType<typeof toolbox>, tail: FunctionReference<F32x4>, inner: I32) {
    this.#f = f;
    this.#tools = tools;
    this.#tail = tail;
    this.#accumulators = Array.from({ length: 8 }, tools.local);
    this.#totals = Array.from({ length: 8 }, tools.local);
    this.rowBytes = f.let(inner.shl(2));
    this.#at = f.local(i32);
    this.#left = f.local(i32);
  }

  /** Reduces `width` vectors side by side (or the one to three columns of `lanes`) over `length` rows, and stores them. */
  strip(width: number, top: I32, length: I32, target: I32, lanes?: I32): void {
    const f = this.#f;
    const { reset, merge, finish } = this.#tools;
    const totals = this.#totals.slice(0, width);
    f.set(this.#at, top);
    f.set(this.#left, length);
    for (const total of totals) reset(total);
    f.while(
      () => this.#left.gt(0),
      () => {
        this.#sumBlock(width, lanes);
        for (const [k, total] of totals.entries()) merge(total, this.#accumulators[k]);
      },
    );
    for (const [k, total] of totals.entries()) {
      if (lanes) storeTail(f, target, f.let(finish(total)), lanes);
      else f.store(target, finish(total), 16 * k);
    }
  }

  /** The next rows, at most a chain for each accumulator, into the first `width` accumulators. */
  #sumBlock(width: number, lanes: I32 | undefined): void {
    const f = this.#f;
    const { reset, merge } = this.#tools;
    const together = 8 / width;
    const block = f.let(this.#left.lt(CHAIN * together).select(this.#left, I32.constant(CHAIN * together)));
    f.set(this.#left, this.#left.sub(block));
    for (const accumulator of this.#accumulators) reset(accumulator);
    f.while(
      () => block.ge(together),
      () => {
        this.#takeRows(together, width, lanes);
        f.advance(block, -together);
      },
    );
    if (together > 1) {
      f.while(
        () => block.gt(0),
        () => {
          this.#takeRows(1, width, lanes);
          f.advance(block, -1);
        },
      );
    }
    for (let half = 4; half >= width; half /= 2) {
      for (let k = 0; k < half; k++) merge(this.#accumulators[k], this.#accumulators[k + half]);
    }
  }

  /** `count` rows, each into accumulators of its own. */
  #takeRows(count: number, width: number, lanes: I32 | undefined): void {
    const f = this.#f;
    const load = (offset: number): F32x4 => (lanes ? f.value(this.#tail, [this.#at, lanes]) : this.#at.f32x4(offset));
    for (let row = 0; row < count; row++) {
      for (let k = 0; k < width; k++) this.#tools.take(this.#accumulators[row * width + k], load(16 * k));
      f.advance(this.#at, this.rowBytes);
    }
  }
}
