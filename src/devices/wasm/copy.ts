/** Copying storage to storage, as a kernel like any other: threads share it, captures record it, profiles show it. */
import type { Kernel } from '../kernel.ts';
import { input, output } from '../kernel.ts';
import { sizeOf } from '../shape.ts';
import { i32, wasmProgram } from './assembler/module.ts';

const TASK_SHIFT = 16;

const program = wasmProgram('copy', m => {
  const parameters = { start: i32, end: i32, from: i32, to: i32, bytes: i32 };
  m.function('run', parameters, (f, { start, end, from, to, bytes }) => {
    const first = f.let(start.shl(TASK_SHIFT));
    const length = f.let(end.sub(start).shl(TASK_SHIFT));
    const rest = f.let(bytes.sub(first));
    f.if(rest.ltU(length), () => f.set(length, rest));
    f.copy(to.add(first), from.add(first), length);
  });
});

/** One input of any shape and dtype, and one output of the same. */
export const copyKernel: Kernel<null> = {
  name: 'copy',
  infer: ([spec]) => [spec],
  cost: ([spec]) => ({ flops: 0, bytes: 2 * bytesOf(spec) }),
  reference: ([from], [to]) => to.set(from),
  wgsl: [],
  wasm: [
    {
      name: 'blocks',
      applies: () => true,
      plan: ([spec]) => {
        const bytes = bytesOf(spec);
        const tasks = Math.ceil(bytes / (1 << TASK_SHIFT));
        return { passes: [{ program, entry: 'run', tasks, grain: 2, args: [input(0), output(0), bytes] }] };
      },
    },
  ],
};

const bytesOf = ({ shape, dtype }: { shape: readonly number[]; dtype: string }): number =>
  sizeOf(shape) * (dtype === 'uint8' ? 1 : 4);
