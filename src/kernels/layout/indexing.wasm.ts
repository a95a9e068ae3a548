/**
 * gather, scatterAdd and oneHot in WebAssembly. A gather moves rows; a scatterAdd clears a strip of the output and adds
 * the updates one by one in the order of the indices, each task on columns of its own, so the sums are always the same.
 */
import { bytesPerElement } from '../../devices/dtype.ts';
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import { normalizeAxes, sizeOf } from '../../devices/shape.ts';
import {
  type F32x4,
  f32,
  I32,
  i32,
  splat,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { loadTail, storeTail } from '../elementwise/map.wasm.ts';
import { copyWords } from './copy.wasm.ts';
import { scatterAddFloat64 } from './float64.wasm.ts';
import {
  aroundAxis,
  type GatherParams,
  type OneHotParams,
  outsideValue,
  type ScatterAddParams,
  scatterAxis,
} from './layout.ts';

const WORTH_A_THREAD = 60_000;

/** A task is one row of `inner` elements: task = (outer, position in the list of indices). */
const gatherProgram = (size: 1 | 4): WasmProgram =>
  wasmProgram(`gather ${size}`, m => {
    const tail = loadTail(m);
    const signature = {
      start: i32,
      end: i32,
      x: i32,
      indices: i32,
      out: i32,
      extent: i32,
      inner: i32,
      count: i32,
      outside: i32,
    };
    m.function('run', signature, (f, { start, end, x, indices, out, extent, inner, count, outside }) => {
      const rowBytes = f.let(inner.mul(size));
      f.for(start, end, 1, task => {
        const matrix = f.let(task.divU(count));
        const index = f.let(indices.add(task.sub(matrix.mul(count)).shl(2)).i32());
        const target = f.let(out.add(task.mul(rowBytes)));
        f.if(
          index.ltU(extent), // unsigned: negative indices are out of range, too
          () => {
            const source = f.let(x.add(matrix.mul(extent).add(index).mul(rowBytes)));
            if (size === 4) copyWords(f, tail, target, source, inner);
            else f.copy(target, source, inner);
          },
          () => {
            if (size === 4) f.for(0, inner, 1, i => f.store(target.add(i.shl(2)), outside));
            else f.fill(target, outside, inner);
          },
        );
      });
    });
  });

export const gatherWasm: readonly WasmVariant<GatherParams>[] = [
  {
    name: 'rows',
    applies: () => true,
    plan([{ shape, dtype }, indices], params) {
      const [axis] = normalizeAxes(params.axis, shape.length, 'gather');
      const { outer, extent, inner } = aroundAxis(shape, axis);
      const count = sizeOf(indices.shape);
      const size = bytesPerElement(dtype) as 1 | 4;
      const outside = Number.isNaN(outsideValue(dtype)) ? 0x7fc00000 : 0;
      const args = [input(0), input(1), output(0), extent, inner, count, outside];
      const grain = Math.max(1, Math.ceil(WORTH_A_THREAD / (inner + 8)));
      return { passes: [{ program: gatherProgram(size), entry: 'run', tasks: outer * count, args, grain }] };
    },
  },
];

/** Columns of a task where rows are long. */
const STRIP = 256;

const scatterProgram = (integer: boolean): WasmProgram =>
  wasmProgram(`scatterAdd ${integer}`, m => {
    const tail = loadTail(m);
    const signature = {
      start: i32,
      end: i32,
      updates: i32,
      indices: i32,
      out: i32,
      size: i32,
      inner: i32,
      count: i32,
      strips: i32,
    };
    m.function('run', signature, (f, { start, end, updates, indices, out, size, inner, count, strips }) => {
      const rowBytes = f.let(inner.shl(2));
      const sum = (a: F32x4, b: F32x4): F32x4 => (integer ? a.bits().add(b.bits()).asF32x4() : a.add(b));
      const target = f.local(i32);
      const source = f.local(i32);
      f.for(start, end, 1, task => {
        const matrix = f.let(task.divU(strips));
        const column = f.let(task.sub(matrix.mul(strips)).mul(STRIP));
        const left = f.let(inner.sub(column));
        const width = f.let(left.lt(STRIP).select(left, I32.constant(STRIP)));
        const slab = f.let(out.add(matrix.mul(size).mul(inner).add(column).shl(2)));
        f.if(
          strips.eq(1),
          () => f.fill(slab, 0, size.mul(rowBytes)),
          () => f.for(0, size, 1, row => f.fill(slab.add(row.mul(rowBytes)), 0, width.shl(2))),
        );
        f.for(0, count, 1, k => {
          const index = f.let(indices.add(k.shl(2)).i32());
          f.if(index.ltU(size), () => {
            f.set(target, slab.add(index.mul(rowBytes)));
            f.set(source, updates.add(matrix.mul(count).add(k).mul(inner).add(column).shl(2)));
            const stop = f.let(target.add(width.and(-4).shl(2)));
            f.while(
              () => target.ltU(stop),
              () => {
                f.store(target, sum(target.f32x4(), source.f32x4()));
                f.advance(target, 16);
                f.advance(source, 16);
              },
            );
            const rest = f.let(width.and(3));
            f.if(rest, () => {
              const result = f.let(sum(f.value(tail, [target, rest]), f.value(tail, [source, rest])));
              storeTail(f, target, result, rest);
            });
          });
        });
      });
    });
  });

export const scatterAddWasm: readonly WasmVariant<ScatterAddParams>[] = [
  scatterAddFloat64,
  {
    name: 'ordered',
    applies: () => true,
    plan(specs, params) {
      const [{ shape, dtype }, indices] = specs;
      const axis = scatterAxis(specs, params);
      const outer = sizeOf(shape.slice(0, axis));
      const inner = sizeOf(shape.slice(axis + indices.shape.length));
      const count = sizeOf(indices.shape);
      const strips = Math.ceil(inner / STRIP);
      const args = [input(0), input(1), output(0), params.size, inner, count, strips];
      const grain = Math.max(1, Math.ceil(WORTH_A_THREAD / ((params.size + count) * Math.min(inner, STRIP))));
      const program = scatterProgram(dtype === 'int32');
      return { passes: [{ program, entry: 'run', tasks: outer * strips, args, grain }] };
    },
  },
];

const oneHotProgram = wasmProgram('oneHot', m => {
  const signature = { start: i32, end: i32, labels: i32, out: i32, classes: i32, onValue: f32, offValue: f32 };
  m.function('run', signature, (f, { start, end, labels, out, classes, onValue, offValue }) => {
    const off = f.let(splat(offValue));
    const at = f.local(i32);
    f.for(start, end, 1, row => {
      const first = f.let(out.add(row.mul(classes).shl(2)));
      const label = f.let(labels.add(row.shl(2)).i32());
      const stop = f.let(first.add(classes.and(-4).shl(2)));
      f.set(at, first);
      f.while(
        () => at.ltU(stop),
        () => {
          f.store(at, off);
          f.advance(at, 16);
        },
      );
      const rest = f.let(classes.and(3));
      f.if(rest, () => storeTail(f, at, off, rest));
      f.if(label.ltU(classes), () => f.store(first.add(label.shl(2)), onValue));
    });
  });
});

export const oneHotWasm: readonly WasmVariant<OneHotParams>[] = [
  {
    name: 'rows',
    applies: () => true,
    plan([labels], { classes, onValue = 1, offValue = 0 }) {
      const args = [input(0), output(0), classes, onValue, offValue];
      const grain = Math.ceil(WORTH_A_THREAD / (classes + 8));
      return { passes: [{ program: oneHotProgram, entry: 'run', tasks: sizeOf(labels.shape), args, grain }] };
    },
  },
];
