/** Evaluation mode for as long as something is computed, and not a moment longer. */
import type { Module } from './module.ts';

/**
 * Runs the synchronous `work` with a module in evaluation mode and gives each of its parts its own mode back. Nothing is
 * awaited in between, so a training or another prediction that takes turns with this one finds its own mode.
 */
export function inEvaluation<T>(module: Module, work: () => T): T {
  const modes = module.modules().map(part => [part, part.isTraining] as const);
  module.eval();
  try {
    return work();
  } finally {
    for (const [part, isTraining] of modes) part.isTraining = isTraining;
  }
}
