/**
 * A small WebAssembly assembler. Compilers between intrinsics and V8 lose a third to a half of a kernel's speed by
 * spilling registers (measured), so kernels say exactly which loads, multiplies and adds an inner loop holds:
 *
 *     const scale = wasmProgram('scale', m => {
 *       m.function('run', { start: i32, end: i32, x: i32, y: i32, factor: f32 }, (f, { start, end, x, y, factor }) => {
 *         f.for(start, end, 1, i => {
 *           const at = f.let(i.shl(4));                        // one task is one vector of four floats
 *           f.store(y.add(at), x.add(at).f32x4().mul(factor.splat()));
 *         });
 *       });
 *     });
 *
 * Every module imports one memory, `env.memory`: shared where the engine allows threads, plain otherwise.
 */
import { ByteWriter } from './encoding.ts';
import type { Expression, ValueType } from './expression.ts';
import { type Arguments, FunctionBuilder, type FunctionReference, type Parameters, readLocal } from './function.ts';

export { F64x2, f64x2 } from './doubles.ts';
export { type Emit, Expression, type ValueType } from './expression.ts';

import './loads.ts';

export { type Arguments, FunctionBuilder, type FunctionReference } from './function.ts';
export { F32, type F32Like, f32, I32, type I32Like, i32 } from './scalars.ts';
export { F32x4, f32x4, I32x4, i32x4, splat, splatI32 } from './vectors.ts';

/** A module to be: its identity (equal keys mean equal code) and its bytes, assembled when first asked for. */
export interface WasmProgram {
  readonly key: string;
  /** Its vectors lie in pairs, which wide devices have packed into 256 bits (see `wide.ts`). */
  readonly wide: boolean;
  bytes(sharedMemory: boolean): Uint8Array<ArrayBuffer>;
}

interface FunctionCode {
  readonly name: string | undefined;
  readonly parameters: readonly number[];
  readonly result: number | undefined;
  readonly builder: FunctionBuilder;
}

export class ModuleBuilder {
  readonly #functions: FunctionCode[] = [];

  /** An exported function without result. A kernel's entry points start with `start: i32, end: i32`, its task range. */
  function<P extends Parameters>(
    name: string,
    parameters: P,
    body: (f: FunctionBuilder, args: Arguments<P>) => void,
  ): FunctionReference {
    return this.#define(name, parameters, undefined, body);
  }

  /** A function for use inside the module; with `result`, end it with `f.return(value)`. */
  inner<P extends Parameters, R extends Expression>(
    parameters: P,
    result: ValueType<R> | undefined,
    body: (f: FunctionBuilder, args: Arguments<P>) => void,
  ): FunctionReference<R> {
    return this.#define(undefined, parameters, result, body);
  }

  #define<P extends Parameters, R extends Expression>(
    name: string | undefined,
    parameters: P,
    result: ValueType<R> | undefined,
    body: (f: FunctionBuilder, args: Arguments<P>) => void,
  ): FunctionReference<R> {
    const types = Object.values(parameters);
    const builder = new FunctionBuilder(types.length);
    const args = Object.fromEntries(
      Object.keys(parameters).map((key, index) => [key, readLocal(parameters[key], index)]),
    ) as Arguments<P>;
    // The body runs before the function gets its index, so it can only call functions defined earlier.
    body(builder, args);
    if (result) builder.code.byte(0x00); // unreachable: a function with a result leaves through `return`
    this.#functions.push({ name, parameters: types.map(type => type.code), result: result?.code, builder });
    return { index: this.#functions.length - 1, result };
  }

  assemble(sharedMemory: boolean): Uint8Array<ArrayBuffer> {
    const functions = this.#functions;
    const out = new ByteWriter();
    out.byte(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    const section = (id: number, write: (inner: ByteWriter) => void): void => {
      out.byte(id);
      out.prefixed(write);
    };
    section(1, types => {
      types.unsigned(functions.length);
      for (const { parameters, result } of functions) {
        types.byte(0x60);
        types.unsigned(parameters.length);
        types.byte(...parameters);
        types.byte(...(result === undefined ? [0] : [1, result]));
      }
    });
    section(2, imports => {
      imports.unsigned(1);
      imports.text('env');
      imports.text('memory');
      imports.byte(0x02, sharedMemory ? 0x03 : 0x01);
      imports.unsigned(1);
      imports.unsigned(65536);
    });
    section(3, declarations => {
      declarations.unsigned(functions.length);
      for (let index = 0; index < functions.length; index++) declarations.unsigned(index);
    });
    section(7, exports => {
      const exported = functions.flatMap((code, index) =>
        code.name === undefined ? [] : [{ name: code.name, index }],
      );
      exports.unsigned(exported.length);
      for (const { name, index } of exported) {
        exports.text(name);
        exports.byte(0x00);
        exports.unsigned(index);
      }
    });
    section(10, bodies => {
      bodies.unsigned(functions.length);
      for (const { builder } of functions) {
        bodies.prefixed(body => {
          body.unsigned(builder.localTypes.length);
          for (const type of builder.localTypes) {
            body.unsigned(1);
            body.byte(type);
          }
          body.append(builder.code.finish());
          body.byte(0x0b);
        });
      }
    });
    return out.finish();
  }
}

/**
 * @param key names the code: two programs with one key must assemble to the same bytes, so everything `build` depends on
 *   (tile sizes, baked shapes, relaxed SIMD) belongs into it
 * @param options wide: see `WasmProgram`
 */
export function wasmProgram(key: string, build: (m: ModuleBuilder) => void, { wide = false } = {}): WasmProgram {
  return {
    key,
    wide,
    bytes(sharedMemory) {
      const builder = new ModuleBuilder();
      build(builder);
      return builder.assemble(sharedMemory);
    },
  };
}
