/** Products of 64 bits, four at a time: the widening multiplies give two lanes each, shuffles sort their halves. */
import type { FunctionBuilder, I32x4 } from '../devices/wasm/assembler/module.ts';

/** Upper and lower halves of four unsigned products. */
export function multiplyWide(f: FunctionBuilder, a: I32x4, b: I32x4): [high: I32x4, low: I32x4] {
  const first = f.let(a.multiplyWideLowU(b));
  const second = f.let(a.multiplyWideHighU(b));
  return [first.shuffle(second, 1, 3, 5, 7), first.shuffle(second, 0, 2, 4, 6)];
}
