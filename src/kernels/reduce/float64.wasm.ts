/**
 * Sums, means and sums of squares in float64, for devices of highest precision: partial results stay float64 from step to
 * step, and what is written is rounded once. [outer, extent, inner] -> [outer, chunks, inner], as in `steps.wasm.ts`.
 */
import { input, output, type Slot, scratch, type WasmPass, type WasmVariant } from '../../devices/kernel.ts';
import { normalizeAxes } from '../../devices/shape.ts';
import {
  type F32,
  type F64x2,
  type FunctionBuilder,
  f32,
  type I32,
  i32,
  splat,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { both, demote, type F64x4, promote } from '../float64.wasm.ts';
import { isSum, type ReduceParams, type ReduceStep, reducedCount, reduceSteps } from './reduce.ts';

/** What one pass reads and writes. */
interface Form {
  /** Partial results, in float64; else float32. */
  readonly wideInput: boolean;
  readonly wideOutput: boolean;
  readonly square: boolean;
  readonly divide: boolean;
}

const keyOf = (form: Form): string => JSON.stringify(Object.values(form));

/** A float64 as two float32: both parts of a count, say. */
type Parts = readonly [high: F32, low: F32];

/** The parts of a program that depend on the form of its input and output. */
function toolbox(f: FunctionBuilder, { wideInput, wideOutput, square, divide }: Form, [high, low]: Parts) {
  const divisor = divide ? f.let(high.splat().promoteLow().add(low.splat().promoteLow())) : undefined;
  const term = (value: F64x2): F64x2 => {
    const x = f.let(value);
    return square ? x.mul(x) : x;
  };
  const finished = (value: F64x2): F64x2 => f.let(divisor ? value.div(divisor) : value);
  return {
    bytesIn: wideInput ? 8 : 4,
    bytesOut: wideOutput ? 8 : 4,
    zeros: (): F64x4 => both(() => f.let(splat(0).promoteLow())),
    /** sums += the four elements at an address */
    addFour(sums: F64x4, at: I32, offset = 0): void {
      const loaded = wideInput ? both(half => at.f64x2(offset + 16 * half)) : promote(f, at.f32x4(offset));
      for (const half of [0, 1]) f.set(sums[half], sums[half].add(term(loaded[half])));
    },
    /** The same of one element, whose sum is the first. */
    addOne([sum]: F64x4, at: I32): void {
      f.set(sum, sum.add(term(wideInput ? at.f32x4LoadTwo().asF64x2() : at.f32x4Zero().promoteLow())));
    },
    storeFour(to: I32, sums: F64x4, offset = 0): void {
      const values = both(half => finished(sums[half]));
      if (wideOutput) for (const half of [0, 1]) f.store(to, values[half], offset + 16 * half);
      else f.store(to, demote(values), offset);
    },
    storeOne(to: I32, sum: F64x2): void {
      const value = finished(sum);
      f.storeLane(to, wideOutput ? value.words() : value.demote(), 0);
      if (wideOutput) f.storeLane(to, value.words(), 1, 4);
    },
  };
}

/** Vectors of a row, or of neighbouring columns, that are summed side by side. */
const TOGETHER = 4;

const PARAMETERS = { start: i32, end: i32, x: i32, out: i32, extent: i32, inner: i32, chunk: i32, chunks: i32 };
const DIVISOR = { divisorHigh: f32, divisorLow: f32 };

/** What the tasks of a pass see: task = row * chunks + chunk, and the chunk's first element and length. */
function chunkOf(f: FunctionBuilder, task: I32, { chunks, chunk, extent }: Record<'chunks' | 'chunk' | 'extent', I32>) {
  const row = f.let(task.divU(chunks));
  const first = f.let(task.sub(row.mul(chunks)).mul(chunk));
  const left = f.let(extent.sub(first));
  return { row, first, length: f.let(left.lt(chunk).select(left, chunk)) };
}

/** For inner = 1: what is summed lies side by side. */
function rowsProgram(form: Form): WasmProgram {
  return wasmProgram(`reduce rows float64 ${keyOf(form)}`, m => {
    m.function('run', { ...PARAMETERS, ...DIVISOR }, (f, { start, end, x, out, ...a }) => {
      const tools = toolbox(f, form, [a.divisorHigh, a.divisorLow]);
      f.for(start, end, 1, task => {
        const { row, first, length } = chunkOf(f, task, a);
        const at = f.let(x.add(row.mul(a.extent).add(first).mul(tools.bytesIn)));
        const left = f.let(length);
        const sums = Array.from({ length: TOGETHER }, tools.zeros);
        f.while(
          () => left.ge(4 * TOGETHER),
          () => {
            for (const [k, sum] of sums.entries()) tools.addFour(sum, at, 4 * k * tools.bytesIn);
            f.advance(at, 4 * TOGETHER * tools.bytesIn);
            f.advance(left, -4 * TOGETHER);
          },
        );
        f.while(
          () => left.gt(0),
          () => {
            tools.addOne(sums[0], at);
            f.advance(at, tools.bytesIn);
            f.advance(left, -1);
          },
        );
        const total = f.let(sums.flat().reduce((sum, part) => sum.add(part)));
        tools.storeOne(out.add(task.mul(tools.bytesOut)), total.add(total.swapped()));
      });
    });
  });
}

/** For inner > 1: each lane sums a column of its own. */
function columnsProgram(form: Form): WasmProgram {
  return wasmProgram(`reduce columns float64 ${keyOf(form)}`, m => {
    m.function('run', { ...PARAMETERS, ...DIVISOR }, (f, { start, end, x, out, inner, ...a }) => {
      const tools = toolbox(f, form, [a.divisorHigh, a.divisorLow]);
      const rowBytes = f.let(inner.mul(tools.bytesIn));
      const at = f.local(i32);
      f.for(start, end, 1, task => {
        const { row, first, length } = chunkOf(f, task, a);
        const top = f.let(x.add(row.mul(a.extent).add(first).mul(rowBytes)));
        const target = f.let(out.add(task.mul(inner).mul(tools.bytesOut)));
        const left = f.let(inner);
        const strip = (columns: number): void => {
          const sums = Array.from({ length: Math.ceil(columns / 4) }, tools.zeros);
          f.set(at, top);
          f.for(0, length, 1, () => {
            if (columns === 1) tools.addOne(sums[0], at);
            else for (const [k, sum] of sums.entries()) tools.addFour(sum, at, 4 * k * tools.bytesIn);
            f.advance(at, rowBytes);
          });
          if (columns === 1) tools.storeOne(target, sums[0][0]);
          else for (const [k, sum] of sums.entries()) tools.storeFour(target, sum, 4 * k * tools.bytesOut);
          f.advance(top, columns * tools.bytesIn);
          f.advance(target, columns * tools.bytesOut);
          f.advance(left, -columns);
        };
        for (const columns of [4 * TOGETHER, 4, 1]) {
          f.while(
            () => left.ge(columns),
            () => strip(columns),
          );
        }
      });
    });
  });
}

/** Elements, or rows of columns, that one task sums. */
const ROW_CHUNK = 16384;
const COLUMN_CHUNK = 512;
const WORTH_A_THREAD = 50_000;

/** Bytes behind an array of partial results, because columns are read four at a time. */
const PADDING = 32;

interface PassShape {
  readonly step: ReduceStep;
  readonly chunk: number;
  readonly chunks: number;
}

/** The passes of each step: one, and more as long as there is more than one chunk. */
function passShapes(steps: readonly ReduceStep[]): PassShape[] {
  return steps.flatMap(step => {
    const chunk = step.inner === 1 ? ROW_CHUNK : COLUMN_CHUNK;
    const shapes: PassShape[] = [];
    for (let extent = step.extent; ; extent = shapes[shapes.length - 1].chunks) {
      const chunks = Math.max(1, Math.ceil(extent / chunk));
      shapes.push({ step: { ...step, extent }, chunk, chunks });
      if (chunks === 1) return shapes;
    }
  });
}

export const reduceFloat64: WasmVariant<ReduceParams> = {
  name: 'float64',
  precision: 'highest',
  applies: ([{ dtype }], { op }) => dtype === 'float32' && isSum(op),
  plan([{ shape }], { op, axes }) {
    const normal = normalizeAxes(axes, shape.length, op);
    const divisor = op === 'mean' ? reducedCount(shape, normal) : 1;
    const shapes = passShapes(reduceSteps(shape, normal));
    const last = shapes.length - 1;
    const passes = shapes.map(({ step: { outer, extent, inner }, chunk, chunks }, index): WasmPass => {
      const form = {
        wideInput: index > 0,
        wideOutput: index < last,
        square: index === 0 && op === 'sumOfSquares',
        divide: index === last && divisor !== 1,
      };
      const from: Slot = index === 0 ? input(0) : scratch(index - 1);
      const to: Slot = index === last ? output(0) : scratch(index);
      const high = Math.fround(divisor);
      return {
        program: inner === 1 ? rowsProgram(form) : columnsProgram(form),
        entry: 'run',
        tasks: outer * chunks,
        args: [from, to, extent, inner, chunk, chunks, high, divisor - high],
        grain: Math.max(1, Math.ceil(WORTH_A_THREAD / (Math.min(chunk, extent) * inner + 64))),
      };
    });
    const partials = shapes.slice(0, last);
    return {
      passes,
      scratch: partials.map(({ step, chunks }) => ({ bytes: 8 * step.outer * chunks * step.inner + PADDING })),
    };
  },
};
