/**
 * Which inner nodes of a model are being watched. While a trace is running, every module call reports its output here,
 * and modules that would fuse over a watched node compute it separately instead.
 */
import { aliasAsOfNow } from '../autograd/tape.ts';
import type { Tensor } from '../tensor/tensor.ts';

interface Trace {
  readonly wanted: ReadonlySet<string> | 'all';
  readonly found: Map<string, Tensor>;
}

const traces: Trace[] = [];

/** Whether someone wants the output of the module at `path`. */
export function isTraced(path: string): boolean {
  return traces.some(({ wanted }) => wanted === 'all' || wanted.has(path));
}

/** Hands the output of the module at `path` to whoever wants it. */
export function report(path: string, output: Tensor): void {
  for (const { wanted, found } of traces) {
    if (wanted === 'all' || wanted.has(path)) found.set(path, aliasAsOfNow(output, 'trace'));
  }
}

/** Runs `f` and collects the outputs of the named modules (the last call, for a module called twice). */
export function collect<T>(wanted: ReadonlySet<string> | 'all', f: () => T): { result: T; found: Map<string, Tensor> } {
  const trace: Trace = { wanted, found: new Map() };
  traces.push(trace);
  try {
    return { result: f(), found: trace.found };
  } finally {
    traces.splice(traces.indexOf(trace), 1);
  }
}
