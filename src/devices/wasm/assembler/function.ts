/**
 * The statements of one function: locals, assignments, stores, loops. Each call writes its stack code at once, so the
 * order of calls is the order of execution, and a TypeScript loop around them is an unrolled loop.
 */

import { F64x2, f64x2 } from './doubles.ts';
import { ByteWriter } from './encoding.ts';
import type { Emit, Expression, ValueType } from './expression.ts';
import { F32, f32, I32, type I32Like, i32 } from './scalars.ts';
import { F32x4, f32x4, I32x4, i32x4 } from './vectors.ts';

export type Parameters = Record<string, ValueType<any>>;
export type Arguments<P extends Parameters> = { [K in keyof P]: P[K] extends ValueType<infer E> ? E : never };

/** A function of the module, to be called from later ones. */
export interface FunctionReference<R extends Expression = Expression> {
  readonly index: number;
  readonly result: ValueType<R> | undefined;
}

const VOID_BLOCK = 0x40;
const constant = (value: I32Like): I32 => (typeof value === 'number' ? I32.constant(value) : value);

const TYPES: readonly (readonly [new (emit: Emit) => Expression, ValueType<any>])[] = [
  [I32, i32],
  [F32, f32],
  [F32x4, f32x4],
  [I32x4, i32x4],
  [F64x2, f64x2],
];
const typeOf = <E extends Expression>(value: E): ValueType<E> => TYPES.find(([Type]) => value instanceof Type)![1];

export class FunctionBuilder {
  readonly code = new ByteWriter();
  readonly localTypes: number[] = [];
  readonly #parameterCount: number;

  constructor(parameterCount: number) {
    this.#parameterCount = parameterCount;
  }

  /** A variable; holds `initial` (zero when absent, on entry of the function only). */
  local<E extends Expression>(type: ValueType<E>, initial?: E | (E extends I32 ? number : never)): E {
    const index = this.#parameterCount + this.localTypes.length;
    this.localTypes.push(type.code);
    const variable = readLocal(type, index);
    if (initial !== undefined) this.set(variable, initial as E);
    return variable;
  }

  /** A variable that holds the value of an expression, computed here and once. */
  let<E extends Expression>(value: E): E {
    return this.local(typeOf(value), value);
  }

  set<E extends Expression>(variable: E, value: E | (E extends I32 ? number : never)): void {
    if (variable.local < 0) throw new Error('assembler: set needs a local.');
    (typeof value === 'number' ? I32.constant(value) : (value as E)).emit(this.code);
    this.code.byte(0x21);
    this.code.unsigned(variable.local);
  }

  /** variable += amount */
  advance(variable: I32, amount: I32Like): void {
    this.set(variable, variable.add(amount));
  }

  /** Writes a value to `address + offset` (bytes); the value's type says how many bytes. */
  store(address: I32, value: I32 | F32 | F32x4 | I32x4 | F64x2, offset = 0): void {
    address.emit(this.code);
    value.emit(this.code);
    if (value instanceof I32) this.code.byte(0x36, 2);
    else if (value instanceof F32) this.code.byte(0x38, 2);
    else this.code.byte(0xfd, 11, 2);
    this.code.unsigned(offset);
  }

  /** Writes the low byte of `value`. */
  store8(address: I32, value: I32, offset = 0): void {
    address.emit(this.code);
    value.emit(this.code);
    this.code.byte(0x3a, 0);
    this.code.unsigned(offset);
  }

  /** Writes one lane of a vector (four bytes). */
  storeLane(address: I32, value: F32x4 | I32x4, lane: number, offset = 0): void {
    address.emit(this.code);
    value.emit(this.code);
    this.code.byte(0xfd, 0x5a, 2);
    this.code.unsigned(offset);
    this.code.byte(lane);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    condition.emit(this.code);
    this.code.byte(0x04, VOID_BLOCK);
    then();
    if (otherwise) {
      this.code.byte(0x05);
      otherwise();
    }
    this.code.byte(0x0b);
  }

  /** for (i = start; i < end; i += step) */
  for(start: I32Like, end: I32Like, step: I32Like, body: (i: I32) => void): void {
    const i = this.local(i32);
    this.set(i, constant(start));
    this.if(i.lt(end), () =>
      this.doWhile(
        () => {
          body(i);
          this.advance(i, step);
        },
        () => i.lt(end),
      ),
    );
  }

  /** Runs `body`, then again as long as the condition holds. The leanest loop: one branch. */
  doWhile(body: () => void, condition: () => I32): void {
    this.code.byte(0x03, VOID_BLOCK);
    body();
    condition().emit(this.code);
    this.code.byte(0x0d, 0, 0x0b);
  }

  while(condition: () => I32, body: () => void): void {
    this.if(condition(), () => this.doWhile(body, condition));
  }

  /** Runs `body` exactly `count` times; `count` must be at least 1. Counts down in a register of its own. */
  repeat(count: I32Like, body: () => void): void {
    const left = this.local(i32);
    this.set(left, constant(count));
    this.doWhile(
      () => {
        body();
        this.advance(left, -1);
      },
      () => left,
    );
  }

  /** memory.fill: `bytes` bytes of `value` from `address`. */
  fill(address: I32, value: I32Like, bytes: I32Like): void {
    address.emit(this.code);
    constant(value).emit(this.code);
    constant(bytes).emit(this.code);
    this.code.byte(0xfc, 11, 0);
  }

  /** memory.copy */
  copy(to: I32, from: I32, bytes: I32Like): void {
    to.emit(this.code);
    from.emit(this.code);
    constant(bytes).emit(this.code);
    this.code.byte(0xfc, 10, 0, 0);
  }

  /** Calls a function without result. */
  call(target: FunctionReference, args: readonly (Expression | number)[]): void {
    this.#emitCall(target, args, this.code);
  }

  /** Calls a function for its result. */
  value<R extends Expression>(target: FunctionReference<R>, args: readonly (Expression | number)[]): R {
    if (!target.result) throw new Error('assembler: this function has no result.');
    return target.result.make(out => this.#emitCall(target, args, out));
  }

  #emitCall(target: FunctionReference, args: readonly (Expression | number)[], out: ByteWriter): void {
    for (const arg of args) (typeof arg === 'number' ? I32.constant(arg) : arg).emit(out);
    out.byte(0x10);
    out.unsigned(target.index);
  }

  return(value?: Expression): void {
    value?.emit(this.code);
    this.code.byte(0x0f);
  }
}

export function readLocal<E extends Expression>(type: ValueType<E>, index: number): E {
  return type.make(out => {
    out.byte(0x20);
    out.unsigned(index);
  }, index);
}
