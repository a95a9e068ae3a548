/**
 * Non-finite means stop. Each step, before the optimizer touches anything, the device looks for the first NaN or infinity
 * in the parameters, the buffers and the gradients (an integer test of the bits: a loss can look finite while a statistic
 * is infinite, because batch norm turns an infinite variance into zeros). Three small integers go back with the loss.
 */
import type { Device } from '../devices/device.ts';
import { NonFiniteError } from '../devices/errors.ts';
import { release, type Storage, VIEW_ALIGNMENT, viewOf } from '../devices/storage.ts';
import { firstNonFinite } from '../kernels/health/index.ts';
import type { Arena, ArenaEntry, Module } from '../nn/index.ts';

const SPACING = VIEW_ALIGNMENT / 4;

export class HealthCheck {
  readonly #arena: Arena;
  readonly #device: Device;
  readonly #results: Storage;
  readonly #views: readonly Storage[];

  constructor(model: Module) {
    this.#arena = model.arena;
    this.#device = model.device;
    this.#results = this.#device.allocate(3 * SPACING, 'int32');
    this.#views = [0, 1, 2].map(i => viewOf(this.#results, i * SPACING, 1));
  }

  /** Enqueues the tests of parameters, buffers and gradients. */
  enqueue(): void {
    const { values, state, gradients } = this.#arena;
    [values, state, gradients].forEach((storage, i) => {
      const output = { storage: this.#views[i], shape: [1] };
      this.#device.run(firstNonFinite, [{ storage, shape: [storage.length] }], [output], {});
    });
  }

  /**
   * Reads the results of the last `enqueue`.
   * @returns what is not finite and where, in words; undefined when all is well
   */
  async read(): Promise<string | undefined> {
    const found = await this.#device.read(this.#results);
    const { parameterEntries, bufferEntries } = this.#arena;
    return (
      describe('parameter', parameterEntries, found[0]) ??
      describe('statistic', bufferEntries, found[SPACING]) ??
      describe('gradient of', parameterEntries, found[2 * SPACING])
    );
  }

  dispose(): void {
    for (const storage of [this.#results, ...this.#views]) release(storage);
  }
}

function describe(what: string, entries: readonly ArenaEntry[], index: number): string | undefined {
  if (index < 0) return undefined;
  const entry = entries.find(({ start, length }) => index >= start && index < start + length);
  return `${what} ${entry?.name ?? `element ${index}`}`;
}

/** Throws NonFiniteError naming the layer when a parameter or buffer of the model is NaN or infinite. */
export async function checkFinite(model: Module, what: string): Promise<void> {
  const check = new HealthCheck(model);
  check.enqueue();
  const bad = await check.read();
  check.dispose();
  if (bad && !bad.startsWith('gradient')) {
    throw new NonFiniteError(`${what}: the model's ${bad} is not finite; train it again or use another checkpoint.`);
  }
}
