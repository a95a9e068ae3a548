/**
 * Which way the convolutions of a piece of work are computed. The choice is made when a convolution is called and stays
 * with it: its gradients, whenever they are taken, and every replay of a captured step go the same way.
 */
import { oneOf } from '../devices/checks.ts';
import { UsageError } from '../devices/errors.ts';
import type { Convolution } from '../devices/kernel.ts';

let current: Convolution = 'default';

/** `direct` within `withConvolution('direct', ...)`; otherwise undefined: the device's way. */
export const scopedConvolution = (): 'direct' | undefined => (current === 'direct' ? 'direct' : undefined);

/** As `withConvolution`; of a function that returns a promise, the part that runs at once. */
export function beginWithConvolution<T>(convolution: Convolution, f: () => T): T {
  const before = current;
  current = oneOf('withConvolution', 'convolution', convolution, ['default', 'direct']);
  try {
    return f();
  } finally {
    current = before;
  }
}

/**
 * Runs the synchronous `f` with its convolutions, and later their gradients, computed in this way: `direct`, so that a pixel
 * changes no bit of an output that does not see it, or `default`, the device's own. A device can be opened with
 * `{ convolution: 'direct' }` for everything it does.
 * @throws UsageError when `f` returns a promise: what runs after its first `await` would not be in the scope
 * @example const y = withConvolution('direct', () => model.call(x))
 */
export function withConvolution<T>(convolution: Convolution, f: () => T): T {
  const result = beginWithConvolution(convolution, f);
  if (result instanceof Promise)
    throw new UsageError('withConvolution: the function returned a promise; it must be synchronous.');
  return result;
}
