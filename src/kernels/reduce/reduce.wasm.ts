/**
 * Reductions in WebAssembly: any axes as a chain of steps, each as one or more passes of the programs in `steps.wasm.ts`.
 * How an extent is cut follows from the shape alone, so results do not depend on the number of threads.
 */
import {
  input,
  output,
  type Slot,
  scratch,
  type WasmPass,
  type WasmScratch,
  type WasmVariant,
} from '../../devices/kernel.ts';
import { normalizeAxes } from '../../devices/shape.ts';
import { reduceFloat64 } from './float64.wasm.ts';
import { overflowRepair } from './overflow.ts';
import { repairPass } from './overflow.wasm.ts';
import { type ReduceParams, type ReduceStep, reducedCount, reduceSteps } from './reduce.ts';
import { type Combination, columnsProgram, rowsProgram } from './steps.wasm.ts';

/** Elements per task along a row; longer rows are cut. */
const ROW_CHUNK = 16384;
const WORTH_A_THREAD = 100_000;

/** Rows of [outer, extent, inner] per task: tasks of some 32,768 elements, no partial result for fewer than 64 rows. */
function columnChunk({ outer, extent, inner }: ReduceStep): number {
  if (outer >= 8 && extent <= 1024) return Math.max(1, extent); // enough tasks without cutting
  return Math.max(64, Math.min(512, Math.floor(32768 / inner / 64) * 64));
}

/** The passes of a list of steps; each pass reads what the one before wrote. */
export function stepPasses(
  steps: readonly ReduceStep[],
  how: Omit<Combination, 'square' | 'divide'>,
  square: boolean,
  divisor: number,
): { passes: WasmPass[]; scratch: WasmScratch[] } {
  const shapes: { step: ReduceStep; chunk: number; chunks: number }[] = [];
  for (const step of steps) {
    let extent = step.extent;
    for (;;) {
      const chunk = step.inner === 1 ? ROW_CHUNK : columnChunk({ ...step, extent });
      const chunks = Math.max(1, Math.ceil(extent / chunk));
      shapes.push({ step: { ...step, extent }, chunk, chunks });
      if (chunks === 1) break;
      extent = chunks;
    }
  }
  const scratches: WasmScratch[] = [];
  const passes = shapes.map(({ step: { outer, extent, inner }, chunk, chunks }, index): WasmPass => {
    const isLast = index === shapes.length - 1;
    const combination = { ...how, square: square && index === 0, divide: isLast && divisor !== 1 };
    const from: Slot = index === 0 ? input(0) : scratch(index - 1);
    const to: Slot = isLast ? output(0) : scratch(index);
    if (!isLast) scratches.push({ bytes: 4 * outer * chunks * inner });
    const grain = Math.max(1, Math.ceil(WORTH_A_THREAD / (Math.min(chunk, extent) * inner + 64)));
    const shared = { entry: 'run', tasks: outer * chunks, grain };
    return inner === 1
      ? { ...shared, program: rowsProgram(combination), args: [from, to, extent, chunk, chunks, divisor] }
      : { ...shared, program: columnsProgram(combination), args: [from, to, extent, inner, chunk, chunks, divisor] };
  });
  return { passes, scratch: scratches };
}

export const reduceWasm: readonly WasmVariant<ReduceParams>[] = [
  reduceFloat64,
  {
    name: 'simd',
    applies: () => true,
    plan([{ shape, dtype }], { op, axes }) {
      const normal = normalizeAxes(axes, shape.length, op);
      const fold = op === 'mean' || op === 'sumOfSquares' ? 'sum' : op;
      const divisor = op === 'mean' ? reducedCount(shape, normal) : 1;
      const how = { fold, integer: dtype === 'int32' } as const;
      const plan = stepPasses(reduceSteps(shape, normal), how, op === 'sumOfSquares', divisor);
      const repair = dtype === 'float32' ? overflowRepair(op, shape, normal) : undefined;
      return repair ? { ...plan, passes: [...plan.passes, repairPass(repair)] } : plan;
    },
  },
];
