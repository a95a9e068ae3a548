/**
 * Borrowing a model: some measures need it with other weights. What it is (parameters, buffers, the mode of every part) is
 * copied on its device before and put back afterwards, bit for bit, whatever happens in between. Whoever else uses the
 * model meanwhile sees the borrowed weights.
 */
import { release } from '../../devices/storage.ts';
import type { Module } from '../../nn/index.ts';

/** Runs `work`, which may change the model's parameters, buffers and modes, and restores them. */
export async function withRestoredModel<T>(model: Module, work: () => Promise<T>): Promise<T> {
  const { arena, device } = model;
  const modes = model.modules().map(part => [part, part.isTraining] as const);
  const kept = [arena.values, arena.state, arena.gradients].map(original => {
    const copy = device.allocate(original.length, original.dtype);
    device.copy(original, copy);
    return { original, copy };
  });
  try {
    return await work();
  } finally {
    for (const { original, copy } of kept) {
      device.copy(copy, original);
      release(copy);
    }
    for (const [part, isTraining] of modes) part.isTraining = isTraining;
  }
}
