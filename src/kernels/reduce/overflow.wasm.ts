/** The pass that repairs overflowed sums (`overflow.ts`) in WebAssembly: four results are tested at a time. */
import { input, output, type WasmPass } from '../../devices/kernel.ts';
import { F32, f32, I32, i32, type WasmProgram, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { rowOffsets } from '../elementwise/map.wasm.ts';
import { type OverflowRepair, REPAIR_CHAIN } from './overflow.ts';

/** Results per task. */
const BLOCK = 4096;
const EXPONENT = 0x7f800000;

function repairProgram({ outputs, elements }: OverflowRepair): WasmProgram {
  return wasmProgram(`reduce overflow ${JSON.stringify([outputs, elements])}`, m => {
    const parameters = { out: i32, x: i32, index: i32, count: i32, scale: f32, factor: f32 };
    const repair = m.inner(parameters, undefined, (f, { out, x, index, count, scale, factor }) => {
      const target = f.let(out.add(index.shl(2)));
      f.if(target.i32().and(EXPONENT).ne(EXPONENT), () => f.return());
      const base = f.let(x.add(rowOffsets(f, index, outputs)[0].shl(2)));
      const total = f.local(f32);
      const chain = f.local(f32);
      f.for(0, count, 1, j => {
        const element = f.let(base.add(rowOffsets(f, j, elements)[0].shl(2)));
        f.if(element.i32().and(EXPONENT).eq(EXPONENT), () => f.return());
        f.set(chain, chain.add(element.f32().mul(scale)));
        f.if(j.and(REPAIR_CHAIN - 1).eq(REPAIR_CHAIN - 1), () => {
          f.set(total, total.add(chain));
          f.set(chain, F32.constant(0));
        });
      });
      f.store(target, total.add(chain).mul(factor));
    });
    const signature = { start: i32, end: i32, out: i32, x: i32, length: i32, count: i32, scale: f32, factor: f32 };
    m.function('run', signature, (f, { start, end, out, x, length, count, scale, factor }) => {
      const past = f.let(end.mul(BLOCK));
      const stop = f.let(length.ltU(past).select(length, past));
      const index = f.let(start.mul(BLOCK));
      f.while(
        () => index.ltU(stop),
        () => {
          const left = f.let(stop.sub(index));
          const four = f.let(left.ltU(4).select(left, I32.constant(4)));
          const isDue = f.local(i32, 1);
          f.if(four.eq(4), () => {
            const bits = out.add(index.shl(2)).i32x4();
            f.set(isDue, bits.and(EXPONENT).eq(EXPONENT).anyTrue());
          });
          f.if(isDue, () => {
            f.for(0, four, 1, k => f.call(repair, [out, x, index.add(k), count, scale, factor]));
          });
          f.advance(index, four);
        },
      );
    });
  });
}

export function repairPass(repair: OverflowRepair): WasmPass {
  const { outputCount, elementCount, scale, factor } = repair;
  return {
    program: repairProgram(repair),
    entry: 'run',
    tasks: Math.ceil(outputCount / BLOCK),
    args: [output(0), input(0), outputCount, elementCount, scale, factor],
    grain: 16,
  };
}
