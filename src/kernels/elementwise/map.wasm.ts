/**
 * The loop under every elementwise kernel: walks rows of contiguous output, loads each operand as vectors (or repeats one
 * element along the row, where it is broadcast), and applies a body. Rows are long lines where nothing is broadcast, so
 * the loop is unrolled until memory, not the branch, is the limit; the last one to three elements are loaded and stored
 * one by one, never touching what lies behind.
 */
import type { Slot, WasmPlan } from '../../devices/kernel.ts';
import { output } from '../../devices/kernel.ts';
import {
  type F32x4,
  type FunctionBuilder,
  type FunctionReference,
  f32,
  f32x4,
  type I32,
  type I32x4,
  i32,
  type ModuleBuilder,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import type { Walk } from './broadcast.ts';

export type Vector = F32x4 | I32x4;
export type ElementKind = 'float' | 'integer';

/** What is done to each element. */
export interface WasmMap {
  /** Names `body`: equal keys, equal code. */
  readonly key: string;
  readonly operands: readonly ElementKind[];
  readonly parameters?: number;
  /** The output is read before it is written: the body's first operand, before the others. */
  readonly readsOutput?: ElementKind;
  /** Instructions per vector in tens, see `weight` in the tables; default 1. */
  readonly weight?: number;
  body(f: FunctionBuilder, operands: readonly any[], parameters: readonly F32x4[]): Vector;
}

/** Elements per task of a long line, and simple element-operations that are worth waking a thread (15 us). */
const BLOCK = 2048;
const WORTH_A_THREAD = 50_000;

/** One to three elements, without reading behind them. */
export const loadTail = (m: ModuleBuilder): FunctionReference<F32x4> =>
  m.inner({ address: i32, count: i32 }, f32x4, (f, { address, count }) => {
    f.if(count.eq(1), () => f.return(address.f32x4Zero()));
    f.if(count.eq(2), () => f.return(address.f32x4LoadTwo()));
    f.return(address.f32x4LoadTwo().replaceLane(2, address.f32(8)));
  });

/** Stores the first one to three lanes. */
export function storeTail(f: FunctionBuilder, address: I32, value: Vector, count: I32): void {
  f.storeLane(address, value, 0);
  f.if(count.gt(1), () => f.storeLane(address, value, 1, 4));
  f.if(count.gt(2), () => f.storeLane(address, value, 2, 8));
}

const typed = (vector: F32x4, kind: ElementKind): Vector => (kind === 'float' ? vector : vector.bits());

/** Everything about the shapes that the code depends on; the rest are arguments. */
interface RowForm {
  /** Innermost stride of each operand: 0 repeats one element. */
  readonly inner: readonly number[];
  /** Outer axes: 'line' has none, 'rows' one (its strides are arguments), otherwise baked in. */
  readonly outer: 'line' | 'rows' | Walk;
  /** Rows hold whole blocks (of unrolled vectors) or whole vectors, and need no code for what is left. */
  readonly whole: 'blocks' | 'vectors' | 'elements';
}

function mapProgram(map: WasmMap, form: RowForm): WasmProgram {
  const { operands, parameters = 0 } = map;
  const outerKey = typeof form.outer === 'string' ? form.outer : JSON.stringify(form.outer);
  const numbered = <E>(name: string, count: number, type: E): Record<string, E> =>
    Object.fromEntries(Array.from({ length: count }, (_, k) => [`${name}${k}`, type]));

  return wasmProgram(`map ${map.key} ${form.inner.join('')} ${form.whole} ${outerKey}`, m => {
    const tail = loadTail(m);
    const signature = {
      start: i32,
      end: i32,
      out: i32,
      ...numbered('operand', operands.length, i32),
      ...numbered('parameter', parameters, f32),
      length: i32,
      ...(form.outer === 'rows' ? numbered('stride', operands.length, i32) : {}),
    };
    m.function('run', signature, (f, args: any) => {
      const values = Array.from({ length: parameters }, (_, k) => f.let(args[`parameter${k}`].splat() as F32x4));
      const row = new MappedRow(f, map, form, values);
      if (form.outer === 'line') {
        const first = f.let(args.start.mul(BLOCK) as I32);
        const past = f.let(args.end.mul(BLOCK) as I32);
        f.set(row.out, args.out.add(first.shl(2)));
        for (const [k, pointer] of row.pointers.entries()) {
          f.set(pointer, form.inner[k] === 0 ? args[`operand${k}`] : args[`operand${k}`].add(first.shl(2)));
        }
        const length = args.length as I32;
        row.run(f.let(length.ltU(past).select(length, past).sub(first)), tail);
        return;
      }
      f.for(args.start, args.end, 1, index => {
        f.set(row.out, args.out.add(index.mul(args.length).shl(2)));
        const offsets =
          form.outer === 'rows'
            ? operands.map((_, k) => index.mul(args[`stride${k}`]))
            : rowOffsets(f, index, form.outer as Walk);
        for (const [k, pointer] of row.pointers.entries()) {
          f.set(pointer, args[`operand${k}`].add(offsets[k].shl(2)));
        }
        row.run(args.length, tail);
      });
    });
  });
}

/** The loop over one row: `out` and `pointers` say where it begins, and move along with it. */
class MappedRow {
  readonly out: I32;
  readonly pointers: readonly I32[];
  readonly #f: FunctionBuilder;
  readonly #map: WasmMap;
  readonly #form: RowForm;
  readonly #parameters: readonly F32x4[];
  /** The one element of an operand that is repeated along the row. */
  readonly #held: readonly (F32x4 | undefined)[];

  constructor(f: FunctionBuilder, map: WasmMap, form: RowForm, parameters: readonly F32x4[]) {
    this.#f = f;
    this.#map = map;
    this.#form = form;
    this.#parameters = parameters;
    this.out = f.local(i32);
    this.pointers = map.operands.map(() => f.local(i32));
    this.#held = map.operands.map((_, k) => (form.inner[k] === 0 ? f.local(f32x4) : undefined));
  }

  /** Applies the body to `count` elements. */
  run(count: I32, tail: FunctionReference<F32x4>): void {
    const f = this.#f;
    const { whole } = this.#form;
    const unroll = (this.#map.weight ?? 1) > 1 ? 1 : 4;
    for (const [k, vector] of this.#held.entries()) if (vector) f.set(vector, this.pointers[k].f32x4Splat());
    if (unroll > 1) this.#vectors(f.let(count.and(-4 * unroll)), unroll);
    if (whole === 'blocks' && unroll > 1) return;
    this.#vectors(f.let(count.and(unroll > 1 ? 4 * unroll - 4 : -4)), 1);
    if (whole !== 'elements') return;
    const rest = f.let(count.and(3));
    f.if(rest, () =>
      storeTail(f, this.out, f.let(this.#compute(pointer => f.value(tail, [pointer, rest])) as F32x4), rest),
    );
  }

  /** `each` vectors at a time, as long as `count` elements last. */
  #vectors(count: I32, each: number): void {
    const f = this.#f;
    const stop = f.let(this.out.add(count.shl(2)));
    f.while(
      () => this.out.ltU(stop),
      () => {
        for (let k = 0; k < each; k++) {
          const vector = this.#compute(pointer => pointer.f32x4(16 * k));
          f.store(this.out, vector, 16 * k);
        }
        f.advance(this.out, 16 * each);
        for (const [k, pointer] of this.pointers.entries()) if (!this.#held[k]) f.advance(pointer, 16 * each);
      },
    );
  }

  /** The body applied to one vector; `load` reads what is not repeated. */
  #compute(load: (pointer: I32) => F32x4): Vector {
    const { operands, readsOutput } = this.#map;
    const loaded = operands.map((kind, k) => {
      const whole = this.#held[k];
      return whole ? typed(whole, kind) : this.#f.let(typed(load(this.pointers[k]), kind) as F32x4);
    });
    if (readsOutput) loaded.unshift(this.#f.let(typed(load(this.out), readsOutput) as F32x4));
    return this.#map.body(this.#f, loaded, this.#parameters);
  }
}

/** Offsets of the operands for row `index` of the outer axes. */
export function rowOffsets(f: FunctionBuilder, index: I32, { extents, strides }: Walk): I32[] {
  const offsets = strides.map(() => f.local(i32, 0));
  const rest = f.let(index);
  for (let axis = extents.length - 1; axis >= 0; axis--) {
    const position = f.let(axis === 0 ? rest : rest.remU(extents[axis]));
    if (axis > 0) f.set(rest, rest.divU(extents[axis]));
    for (const [k, own] of strides.entries()) {
      if (own[axis] !== 0) f.set(offsets[k], offsets[k].add(position.mul(own[axis])));
    }
  }
  return offsets;
}

/** The plan that applies `map` over a walk. `slots` are its operands; scalars repeat by the walk's strides. */
export function mapPlan(
  map: WasmMap,
  walk: Walk,
  slots: readonly Slot[],
  parameters: readonly number[] = [],
): WasmPlan {
  const { extents, strides } = walk;
  const last = extents.length - 1;
  const inner = strides.map(own => own[last]);
  const length = extents[last];
  const { weight = 1 } = map;
  if (last === 0) {
    const program = mapProgram(map, { inner, outer: 'line', whole: 'elements' });
    const grain = Math.max(1, Math.ceil(WORTH_A_THREAD / (BLOCK * weight)));
    const args = [output(0), ...slots, ...parameters, length];
    return { passes: [{ program, entry: 'run', tasks: Math.ceil(length / BLOCK), args, grain }] };
  }
  const outer: Walk = { extents: extents.slice(0, last), strides: strides.map(own => own.slice(0, last)) };
  const whole = length % 16 === 0 ? 'blocks' : length % 4 === 0 ? 'vectors' : 'elements';
  const program = mapProgram(map, { inner, outer: last === 1 ? 'rows' : outer, whole });
  const tasks = outer.extents.reduce((rows, extent) => rows * extent, 1);
  const grain = Math.max(1, Math.ceil(WORTH_A_THREAD / ((length + 16) * weight)));
  const args = [output(0), ...slots, ...parameters, length, ...(last === 1 ? strides.map(own => own[0]) : [])];
  return { passes: [{ program, entry: 'run', tasks, args, grain }] };
}
