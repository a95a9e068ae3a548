/**
 * Casts in WebAssembly. Between four-byte types they are a map like any other; bytes get loops of their own, four at a
 * time: widened by two extend instructions, narrowed lane by lane.
 */
import type { DType } from '../../devices/dtype.ts';
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import {
  type F32x4,
  type FunctionBuilder,
  I32x4,
  i32,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import type { CastParams } from './elementwise.ts';
import { mapPlan, type Vector } from './map.wasm.ts';

/** Towards zero, saturating at 0 and 2^32 - 1; NaN gives 0. The upper half is converted less 2^31. */
function floatToUint32(f: FunctionBuilder, x: F32x4): I32x4 {
  const upper = f.let(x.ge(2147483648));
  const low = upper.select(x.sub(2147483648), x).pmax(0).truncateToI32x4();
  const bits = f.let(low.add(upper.and(0x80000000 | 0)));
  return x.ge(4294967296).or(bits);
}

/** Towards zero, saturating at 0 and 255; NaN gives 0. */
const floatToByte = (x: F32x4): I32x4 => x.pmin(255).pmax(0).truncateToI32x4();

/** A vector of `from` as a vector of `to`, where bytes stand in the low bits of integers. */
function convert(f: FunctionBuilder, vector: Vector, from: DType, to: DType): Vector {
  if (from === 'float32') {
    const x = vector as F32x4;
    if (to === 'float32') return x;
    return to === 'int32' ? x.truncateToI32x4() : to === 'uint32' ? floatToUint32(f, x) : floatToByte(x);
  }
  const x = vector as I32x4;
  if (to !== 'float32') return x; // the low bits stay
  return from === 'int32' ? x.toF32x4S() : x.toF32x4U();
}

/** Elements per task of the byte loops. */
const BLOCK = 4096;

/** Casts from or to bytes: address, load and store of four elements at a time, then one at a time. */
function byteProgram(from: DType, to: DType): WasmProgram {
  const [shiftIn, shiftOut] = [from, to].map(dtype => (dtype === 'uint8' ? 0 : 2));
  return wasmProgram(`cast ${from} ${to}`, m => {
    const signature = { start: i32, end: i32, out: i32, x: i32, length: i32 };
    m.function('run', signature, (f, { start, end, out, x, length }) => {
      const past = f.let(end.mul(BLOCK));
      const stop = f.let(length.ltU(past).select(length, past));
      const i = f.let(start.mul(BLOCK));
      const at = (base: typeof x, shift: number) => base.add(i.shl(shift));
      f.while(
        () => i.add(3).ltU(stop),
        () => {
          const source = f.let(at(x, shiftIn));
          const loaded = from === 'uint8' ? source.u8x4() : from === 'float32' ? source.f32x4() : source.i32x4();
          const result = f.let(convert(f, f.let(loaded as I32x4), from, to) as I32x4);
          const target = f.let(at(out, shiftOut));
          if (to === 'uint8') for (let lane = 0; lane < 4; lane++) f.store8(target, result.lane(lane), lane);
          else f.store(target, result);
          f.advance(i, 4);
        },
      );
      f.while(
        () => i.ltU(stop),
        () => {
          const source = f.let(at(x, shiftIn));
          const zeros = I32x4.constant(0, 0, 0, 0);
          const loaded =
            from === 'float32'
              ? source.f32x4Zero()
              : zeros.replaceLane(0, from === 'uint8' ? source.u8() : source.i32());
          const result = f.let(convert(f, f.let(loaded as I32x4), from, to) as I32x4);
          const target = f.let(at(out, shiftOut));
          if (to === 'uint8') f.store8(target, result.lane(0));
          else f.storeLane(target, result, 0);
          f.advance(i, 1);
        },
      );
    });
  });
}

export const castWasm: readonly WasmVariant<CastParams>[] = [
  {
    name: 'simd',
    applies: () => true,
    plan([{ shape, dtype }], { to }) {
      const length = sizeOf(shape);
      if (dtype === 'uint8' || to === 'uint8') {
        const tasks = Math.ceil(length / BLOCK);
        const args = [output(0), input(0), length];
        return { passes: [{ program: byteProgram(dtype, to), entry: 'run', tasks, args, grain: 8 }] };
      }
      const kind = dtype === 'float32' ? 'float' : 'integer';
      const key = `cast ${dtype} ${to}`;
      return mapPlan(
        { key, operands: [kind], body: (f, [v]) => convert(f, v, dtype, to) },
        { extents: [length], strides: [[1]] },
        [input(0)],
      );
    },
  },
];
