/**
 * Strided copies in WebAssembly. The outer axes are rows, a task each; along a row three cases are worth their own loop:
 * both sides contiguous, one element repeated, and anything else. A row whose source is strided while a neighbouring axis
 * is contiguous is a matrix transpose, done in blocks of 16 x 4 so that whole cache lines are read and four floats are
 * written at a time.
 */
import { input, output, type Slot, type WasmPass } from '../../devices/kernel.ts';
import {
  type F32x4,
  type FunctionBuilder,
  type FunctionReference,
  I32,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import type { Walk } from '../elementwise/broadcast.ts';
import { loadTail, rowOffsets, storeTail } from '../elementwise/map.wasm.ts';
import type { Copy } from './copies.ts';

/** Elements of a long line per task, and moved elements worth waking a thread for. */
const BLOCK = 8192;
const WORTH_A_THREAD = 60_000;

/** Copies `count` floats (or any four-byte elements), vectors first. */
export function copyWords(f: FunctionBuilder, tail: FunctionReference<F32x4>, to: I32, from: I32, count: I32): void {
  const target = f.let(to);
  const source = f.let(from);
  const vectors = (words: I32, each: number): void => {
    const stop = f.let(target.add(words.shl(2)));
    f.while(
      () => target.ltU(stop),
      () => {
        for (let k = 0; k < each; k++) f.store(target, source.f32x4(16 * k), 16 * k);
        f.advance(target, 16 * each);
        f.advance(source, 16 * each);
      },
    );
  };
  vectors(count.and(-16), 4);
  vectors(count.and(12), 1);
  const rest = f.let(count.and(3));
  f.if(rest, () => storeTail(f, target, f.let(f.value(tail, [source, rest])), rest));
}

/** Bases are in bytes, strides and the length of a row in elements. */
const SIGNATURE = {
  start: i32,
  end: i32,
  toArray: i32,
  toBase: i32,
  fromArray: i32,
  fromBase: i32,
  toStride: i32,
  fromStride: i32,
  length: i32,
};

type RowKind = 'line' | 'repeat' | 'strided';

/** The row loop: offsets in elements are baked for the outer axes, bases and the row itself are arguments. */
function rowsProgram(kind: RowKind, size: 1 | 4, outer: Walk | undefined): WasmProgram {
  const shift = size === 4 ? 2 : 0;
  return wasmProgram(`copy ${kind} ${size} ${outer ? JSON.stringify(outer) : 'cut'}`, m => {
    const tail = loadTail(m);
    m.function(
      'run',
      SIGNATURE,
      (f, { start, end, toArray, toBase, fromArray, fromBase, toStride, fromStride, length }) => {
        const to = f.let(toArray.add(toBase));
        const from = f.let(fromArray.add(fromBase));
        const row = (target: I32, source: I32, count: I32): void => {
          if (kind === 'line') {
            if (size === 4) copyWords(f, tail, target, source, count);
            else f.copy(target, source, count);
            return;
          }
          if (kind === 'repeat' && size === 1) {
            f.fill(target, source.u8(), count);
            return;
          }
          const at = f.let(target);
          if (kind === 'repeat') {
            const vector = f.let(source.f32x4Splat());
            const stop = f.let(at.add(count.and(-4).shl(2)));
            f.while(
              () => at.ltU(stop),
              () => {
                f.store(at, vector);
                f.advance(at, 16);
              },
            );
            const rest = f.let(count.and(3));
            f.if(rest, () => storeTail(f, at, vector, rest));
            return;
          }
          const read = f.let(source);
          const [toBytes, fromBytes] = [f.let(toStride.shl(shift)), f.let(fromStride.shl(shift))];
          f.for(0, count, 1, () => {
            if (size === 4) f.store(at, read.i32());
            else f.store8(at, read.u8());
            f.advance(at, toBytes);
            f.advance(read, fromBytes);
          });
        };
        if (!outer) {
          // One long row, cut into blocks.
          f.for(start, end, 1, block => {
            const first = f.let(block.mul(BLOCK));
            const left = f.let(length.sub(first));
            const count = f.let(left.ltU(BLOCK).select(left, I32.constant(BLOCK)));
            row(
              f.let(to.add(first.mul(toStride).shl(shift))),
              f.let(from.add(first.mul(fromStride).shl(shift))),
              count,
            );
          });
          return;
        }
        f.for(start, end, 1, index => {
          const [source, target] = rowOffsets(f, index, outer);
          row(f.let(to.add(target.shl(shift))), f.let(from.add(source.shl(shift))), length);
        });
      },
    );
  });
}

/**
 * Blocks of a transpose: axis `wide` is contiguous in the source, the last axis in the output. A task is 16 positions of
 * `wide` at one position of the remaining axes, over the whole last axis.
 */
function transposeProgram(outer: Walk, wideExtent: number, wideToStride: number): WasmProgram {
  return wasmProgram(`copy transposed ${JSON.stringify([outer, wideExtent, wideToStride])}`, m => {
    m.function('run', SIGNATURE, (f, { start, end, toArray, toBase, fromArray, fromBase, fromStride, length }) => {
      const to = f.let(toArray.add(toBase));
      const from = f.let(fromArray.add(fromBase));
      const strips = Math.ceil(wideExtent / 16);
      const rowBytes = f.let(fromStride.shl(2));
      const toBytes = 4 * wideToStride;
      const source = f.local(i32);
      const target = f.local(i32);
      const strip = (blocks: number, columns: I32): void =>
        transposeStrip(f, { source, target, rowBytes, toBytes, length }, blocks, columns);

      f.for(start, end, 1, task => {
        const index = f.let(task.divU(strips));
        const first = f.let(task.sub(index.mul(strips)).shl(4));
        const [sourceOffset, targetOffset] = rowOffsets(f, index, outer);
        const top = f.let(from.add(sourceOffset.add(first).shl(2)));
        const left = f.let(to.add(targetOffset.add(first.mul(wideToStride)).shl(2)));
        const columns = f.let(I32.constant(wideExtent).sub(first));
        f.set(source, top);
        f.set(target, left);
        f.if(
          columns.ge(16),
          () => strip(4, I32.constant(16)),
          () => {
            // What is left of the wide axis: blocks of four, then single positions.
            const done = f.local(i32, 0);
            f.while(
              () => columns.sub(done).ge(4),
              () => {
                f.set(source, top.add(done.shl(2)));
                f.set(target, left.add(done.mul(toBytes)));
                strip(1, I32.constant(4));
                f.advance(done, 4);
              },
            );
            f.if(done.lt(columns), () => {
              f.set(source, top.add(done.shl(2)));
              f.set(target, left.add(done.mul(toBytes)));
              strip(0, f.let(columns.sub(done)));
            });
          },
        );
      });
    });
  });
}

/** Where a transpose reads and writes, and how far apart rows of the source and of the output lie, in bytes. */
interface Transposed {
  readonly source: I32;
  readonly target: I32;
  readonly rowBytes: I32;
  readonly toBytes: number;
  /** Positions of the last axis. */
  readonly length: I32;
}

/** Moves `columns` positions of the wide axis, `blocks` of them four wide, for every position of the last axis. */
function transposeStrip(f: FunctionBuilder, walk: Transposed, blocks: number, columns: I32): void {
  const { source, target, rowBytes, toBytes, length } = walk;
  const i = f.local(i32, 0);
  if (blocks > 0) {
    f.while(
      () => i.add(4).le(length),
      () => {
        for (let column = 0; column < blocks; column++) transposeBlock(f, walk, column);
        f.advance(source, rowBytes.shl(2));
        f.advance(target, 16);
        f.advance(i, 4);
      },
    );
  }
  f.for(i, length, 1, () => {
    const at = f.let(target);
    f.for(0, columns, 1, k => {
      f.store(at, source.add(k.shl(2)).i32());
      f.advance(at, toBytes);
    });
    f.advance(source, rowBytes);
    f.advance(target, 4);
  });
}

/** 4 x 4: rows of the source become columns of the output. */
function transposeBlock(f: FunctionBuilder, { source, target, rowBytes, toBytes }: Transposed, column: number): void {
  let at = source;
  const rows: F32x4[] = [];
  for (let k = 0; k < 4; k++) {
    rows.push(f.let(at.f32x4(16 * column)));
    if (k < 3) at = f.let(at.add(rowBytes));
  }
  const [a, b, c, d] = rows;
  const low = [f.let(a.shuffle(b, 0, 4, 1, 5)), f.let(c.shuffle(d, 0, 4, 1, 5))];
  const high = [f.let(a.shuffle(b, 2, 6, 3, 7)), f.let(c.shuffle(d, 2, 6, 3, 7))];
  for (const [k, [ab, cd]] of [low, high].entries()) {
    f.store(target, ab.shuffle(cd, 0, 1, 4, 5), (4 * column + 2 * k) * toBytes);
    f.store(target, ab.shuffle(cd, 2, 3, 6, 7), (4 * column + 2 * k + 1) * toBytes);
  }
}

/** The pass that performs a copy of elements of 1 or 4 bytes. */
export function copyPass(copy: Copy, size: 1 | 4): WasmPass {
  const { extents, from, to } = copy;
  const source: Slot = copy.source === 'output' ? output(0) : input(copy.source);
  const last = extents.length - 1;
  const [fromStride, toStride] = [from.strides[last], to.strides[last]];
  const length = extents[last];
  const without = (axes: readonly number[]): Walk => {
    const keep = <T>(list: readonly T[]): T[] => list.filter((_, axis) => !axes.includes(axis));
    const walk = { extents: keep(extents), strides: [keep(from.strides), keep(to.strides)] };
    return walk.extents.length > 0 ? walk : { extents: [1], strides: [[0], [0]] };
  };
  const rowsOf = (walk: Walk): number => walk.extents.reduce((product, extent) => product * extent, 1);
  const grainFor = (elements: number): number => Math.max(1, Math.ceil(WORTH_A_THREAD / elements));
  const args = [output(0), to.base * size, source, from.base * size, toStride, fromStride, length];

  const wide = from.strides.findIndex((stride, axis) => axis < last && stride === 1 && extents[axis] >= 4);
  if (size === 4 && wide >= 0 && toStride === 1 && fromStride > 1 && length >= 4) {
    const outer = without([wide, last]);
    const program = transposeProgram(outer, extents[wide], to.strides[wide]);
    const tasks = rowsOf(outer) * Math.ceil(extents[wide] / 16);
    return { program, entry: 'run', tasks, args, grain: grainFor(16 * length) };
  }

  const kind = toStride !== 1 ? 'strided' : fromStride === 1 ? 'line' : fromStride === 0 ? 'repeat' : 'strided';
  const outer = last === 0 ? undefined : without([last]);
  const program = rowsProgram(kind, size, outer);
  const tasks = outer ? rowsOf(outer) : Math.ceil(length / BLOCK);
  return { program, entry: 'run', tasks, args, grain: grainFor(outer ? length + 8 : BLOCK) };
}
