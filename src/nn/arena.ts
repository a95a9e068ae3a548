/**
 * A model's memory: all parameters in one allocation, all gradients in another of the same layout, all buffers in a
 * third. An optimizer step, a gradient norm, a check for non-finite values or a checkpoint is then one kernel or one read,
 * however many layers there are. Parameters without weight decay come last, so that each group is one contiguous range.
 */
import { type GradientDestination, leafNode } from '../autograd/tape.ts';
import type { Device } from '../devices/device.ts';
import { ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape, type Shape, sizeOf } from '../devices/shape.ts';
import { release, type Storage, VIEW_ALIGNMENT, viewOf } from '../devices/storage.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { keep } from '../tensor/lifetime.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Buffer, Parameter, ParameterGroup } from './parameter.ts';

const ALIGNMENT = VIEW_ALIGNMENT / 4;
const padded = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

/** Where one array lies: elements `start .. start + length` of its arena. */
export interface ArenaEntry {
  readonly name: string;
  readonly shape: Shape;
  readonly start: number;
  readonly length: number;
}

export interface ArenaRange {
  readonly group: ParameterGroup;
  readonly start: number;
  readonly length: number;
}

export class Arena {
  readonly device: Device;
  readonly parameters: readonly Parameter[];
  readonly buffers: readonly Buffer[];
  readonly parameterEntries: readonly ArenaEntry[];
  readonly bufferEntries: readonly ArenaEntry[];
  /** The contiguous ranges of parameters with and without weight decay; empty ones are left out. */
  readonly ranges: readonly ArenaRange[];
  readonly values: Storage;
  readonly gradients: Storage;
  readonly state: Storage;
  readonly #destinations: (GradientDestination & { readonly parameter: Parameter })[] = [];

  /**
   * Lays out and fills the arrays. Each parameter draws from a stream of its own, keyed by `seed` and its name, so adding
   * a layer does not change how the others start, and every device gets the same bits.
   */
  constructor(parameters: readonly Parameter[], buffers: readonly Buffer[], device: Device, seed: number) {
    this.device = device;
    const ordered = (['decay', 'noDecay'] as const).map(group => parameters.filter(p => p.group === group));
    this.parameters = ordered.flat();
    this.buffers = buffers;
    this.parameterEntries = layOut(this.parameters);
    this.bufferEntries = layOut(buffers);
    const decayEnd = endOf(this.parameterEntries.slice(0, ordered[0].length));
    const total = endOf(this.parameterEntries);
    this.ranges = [
      { group: 'decay' as const, start: 0, length: decayEnd },
      { group: 'noDecay' as const, start: decayEnd, length: total - decayEnd },
    ].filter(({ length }) => length > 0);
    this.values = this.#fill(this.parameters, this.parameterEntries, seed);
    this.state = this.#fill(buffers, this.bufferEntries, seed);
    this.gradients = device.allocate(Math.max(total, ALIGNMENT), 'float32');
    device.write(this.gradients, new Float32Array(this.gradients.length));
    this.parameters.forEach((parameter, i) => {
      const { start, length, shape } = this.parameterEntries[i];
      const value = keep(new Tensor(viewOf(this.values, start, length), shape));
      const gradient = keep(new Tensor(viewOf(this.gradients, start, length), shape));
      const leaf = leafNode(shape);
      const destination = { parameter, storage: gradient.storage, isFresh: false };
      leaf.destination = destination;
      leaf.label = parameter.name;
      value.node = leaf;
      this.#destinations.push(destination);
      parameter.attach(value);
      parameter.attachGradient(gradient);
    });
    buffers.forEach((buffer, i) => {
      const { start, length, shape } = this.bufferEntries[i];
      buffer.attach(keep(new Tensor(viewOf(this.state, start, length), shape)));
    });
  }

  #fill(owned: readonly (Parameter | Buffer)[], entries: readonly ArenaEntry[], seed: number): Storage {
    // The padding between arrays is zero in values and gradients alike, and stays zero under every optimizer.
    const host = new Float32Array(Math.max(endOf(entries), ALIGNMENT));
    owned.forEach((array, i) => {
      const { name, start, length, shape } = entries[i];
      array.initializer(host.subarray(start, start + length), shape, new PhiloxStream(seed, streamNamed(name)));
    });
    const storage = this.device.allocate(host.length, 'float32');
    this.device.write(storage, host);
    return storage;
  }

  /** Number of learned values (padding not counted). */
  get parameterCount(): number {
    return this.parameterEntries.reduce((total, { length }) => total + length, 0);
  }

  /** Forgets collected gradients: the next backward pass overwrites them. */
  clearGradients(): void {
    for (const destination of this.#destinations) destination.isFresh = false;
  }

  /** Parameters that no backward pass has reached since the gradients were cleared. */
  parametersWithoutGradient(): Parameter[] {
    return this.#destinations.filter(({ isFresh }) => !isFresh).map(({ parameter }) => parameter);
  }

  /**
   * Sets a parameter or buffer by name.
   * @throws ShapeError when the number of values is not its size; UsageError when there is none of that name
   */
  write(name: string, values: Float32Array | Float64Array): void {
    const owned = [...this.parameters, ...this.buffers].find(array => array.name === name);
    if (!owned) throw new UsageError(`The model has no parameter or buffer called "${name}".`);
    if (values.length !== owned.value.size) {
      throw new ShapeError(`${name} has shape ${formatShape(owned.shape)}; ${values.length} values do not fill it.`);
    }
    this.device.write(owned.value.storage, values);
  }

  /** Disposes every tensor and frees the memory. */
  dispose(): void {
    for (const parameter of this.parameters) {
      parameter.value.dispose();
      parameter.gradient.dispose();
    }
    for (const buffer of this.buffers) buffer.value.dispose();
    for (const storage of [this.values, this.gradients, this.state]) release(storage);
  }
}

function layOut(owned: readonly (Parameter | Buffer)[]): ArenaEntry[] {
  let start = 0;
  return owned.map(({ name, shape }) => {
    const entry = { name, shape, start, length: sizeOf(shape) };
    start += padded(entry.length);
    return entry;
  });
}

function endOf(entries: readonly ArenaEntry[]): number {
  const last = entries.at(-1);
  return last ? last.start + padded(last.length) : 0;
}
