/**
 * A model's memory: all parameters in one allocation, all gradients in another of the same layout, all buffers in a
 * third. An optimizer step, a gradient norm, a check for non-finite values or a checkpoint is then one kernel or one read,
 * however many layers there are. Parameters without weight decay come last, so that each group is one contiguous range.
 */
import type { Device } from '../devices/device.ts';
import { OutOfMemoryError, ShapeError, UsageError } from '../devices/errors.ts';
import { formatShape, type Shape, sizeOf } from '../devices/shape.ts';
import { release, type Storage, VIEW_ALIGNMENT, viewOf } from '../devices/storage.ts';
import { PhiloxStream, streamNamed } from '../kernels/random/philox.ts';
import { keep } from '../tensor/lifetime.ts';
import { Tensor } from '../tensor/tensor.ts';
import { type Buffer, Parameter } from './parameter.ts';

const ALIGNMENT = VIEW_ALIGNMENT / 4;
/** Elements that an array takes in an arena. */
export const padded = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

/** Where one array lies: elements `start .. start + length` of its arena. */
export interface ArenaEntry {
  readonly name: string;
  readonly shape: Shape;
  readonly start: number;
  readonly length: number;
}

export class Arena {
  readonly device: Device;
  readonly parameters: readonly Parameter[];
  readonly buffers: readonly Buffer[];
  readonly parameterEntries: readonly ArenaEntry[];
  readonly bufferEntries: readonly ArenaEntry[];
  readonly values: Storage;
  readonly gradients: Storage;
  readonly state: Storage;
  #isCurrent = true;
  #disposed = false;
  /** Its own: an array may have been laid out elsewhere since. */
  readonly #tensors: Tensor[] = [];

  /**
   * Lays out and fills the arrays. Each parameter draws from a stream of its own, keyed by `seed` and its name, so adding
   * a layer does not change how the others start, and every device gets the same bits. When an initializer or the device
   * throws, nothing has changed.
   */
  constructor(parameters: readonly Parameter[], buffers: readonly Buffer[], device: Device, seed: number) {
    this.device = device;
    this.parameters = (['decay', 'noDecay'] as const).flatMap(group => parameters.filter(p => p.group === group));
    this.buffers = buffers;
    this.parameterEntries = layOut(this.parameters);
    this.bufferEntries = layOut(buffers);
    const values = contentsOf(this.parameters, this.parameterEntries, seed);
    const state = contentsOf(buffers, this.bufferEntries, seed);
    [this.values, this.state, this.gradients] = allocateAll(device, [values, state, hostArray(values.length)]);
    const viewAs = (storage: Storage, { start, length, shape }: ArenaEntry): Tensor => {
      const tensor = keep(new Tensor(viewOf(storage, start, length), shape));
      this.#tensors.push(tensor);
      return tensor;
    };
    this.parameters.forEach((parameter, i) => {
      const entry = this.parameterEntries[i];
      this.#take(parameter);
      parameter.attachTrained(viewAs(this.values, entry), viewAs(this.gradients, entry));
    });
    buffers.forEach((buffer, i) => {
      this.#take(buffer);
      buffer.attach(viewAs(this.state, this.bufferEntries[i]));
    });
  }

  #take(owned: Parameter | Buffer): void {
    const before = homes.get(owned);
    if (before) before.#isCurrent = false;
    homes.set(owned, this);
  }

  /** False once it was disposed, or an array of it was laid out in another arena. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** Throws UsageError where an optimizer or the like would work on memory that is no longer the model's. */
  checkCurrent(what: string): void {
    if (this.#isCurrent) return;
    throw new UsageError(
      `${what}: the model's parameters were freed or laid out anew (initialised on another device, with other layers, or as part of another model) after this was made; make a new one.`,
    );
  }

  /** Whether it consists of exactly these arrays under these names. */
  holds(named: readonly (readonly [string, Parameter | Buffer])[]): boolean {
    const entries = [...this.parameterEntries, ...this.bufferEntries];
    const places = new Map([...this.parameters, ...this.buffers].map((array, i) => [array, entries[i].name]));
    return named.length === places.size && named.every(([name, array]) => places.get(array) === name);
  }

  /** Fills arrays (all by default) as at the beginning, where they lie, and forgets their gradients. */
  refill(seed: number, owned: readonly (Parameter | Buffer)[] = [...this.parameters, ...this.buffers]): void {
    // All of them before the first is written: an initializer may throw.
    const contents = owned.map(({ name, shape, initializer }) => {
      const values = new Float32Array(sizeOf(shape));
      initializer(values, shape, new PhiloxStream(seed, streamNamed(name)));
      return values;
    });
    owned.forEach(({ value }, i) => {
      this.device.write(value.storage, contents[i]);
    });
    for (const array of owned) if (array instanceof Parameter) array.eraseGradient();
  }

  /** Number of learned values (padding not counted). */
  get parameterCount(): number {
    return this.parameterEntries.reduce((total, { length }) => total + length, 0);
  }

  /** Forgets collected gradients: the next backward pass overwrites them. */
  zeroGrad(): void {
    for (const parameter of this.parameters) parameter.zeroGrad();
  }

  /** Parameters that no backward pass has reached since the gradients were cleared. */
  parametersWithoutGradient(): Parameter[] {
    return this.parameters.filter(({ hasGradient }) => !hasGradient);
  }

  /**
   * Sets a parameter or buffer by name.
   * @throws ShapeError when the number of values is not its size; UsageError when there is none of that name
   */
  write(name: string, values: Float32Array | Float64Array): void {
    this.checkCurrent('write');
    const owned = [...this.parameters, ...this.buffers].find(array => array.name === name);
    if (!owned) throw new UsageError(`The model has no parameter or buffer called "${name}".`);
    if (values.length !== owned.value.size) {
      throw new ShapeError(`${name} has shape ${formatShape(owned.shape)}; ${values.length} values do not fill it.`);
    }
    this.device.write(owned.value.storage, values);
  }

  /** Disposes every tensor and frees the memory; doing it twice is harmless. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#isCurrent = false;
    for (const tensor of this.#tensors) tensor.dispose();
    for (const storage of [this.values, this.gradients, this.state]) release(storage);
  }
}

/** Which arena each array was laid out in last. */
const homes = new WeakMap<Parameter | Buffer, Arena>();

/** The arena that an array's value lies in; undefined before `initialize` and after `dispose`. */
export function arenaOf(owned: Parameter | Buffer): Arena | undefined {
  const arena = homes.get(owned);
  return arena?.isCurrent ? arena : undefined;
}

/** The arena in which all of these lie; undefined when there is none or more than one. */
export function commonArena(owned: readonly (Parameter | Buffer)[]): Arena | undefined {
  const [first, ...others] = owned.map(arenaOf);
  return others.every(arena => arena === first) ? first : undefined;
}

/** Host memory for all of a model's numbers; one sentence where the machine has not as much. */
function hostArray(length: number): Float32Array {
  try {
    return new Float32Array(length);
  } catch {
    throw new OutOfMemoryError(
      `initialize: the model's ${length} numbers (${4 * length} bytes) could not be allocated.`,
    );
  }
}

/** What the arrays hold at the start. The padding between them is zero, and stays zero under every optimizer. */
function contentsOf(owned: readonly (Parameter | Buffer)[], entries: readonly ArenaEntry[], seed: number) {
  const host = hostArray(Math.max(endOf(entries), ALIGNMENT));
  owned.forEach((array, i) => {
    const { name, start, length, shape } = entries[i];
    array.initializer(host.subarray(start, start + length), shape, new PhiloxStream(seed, streamNamed(name)));
  });
  return host;
}

/** Storages with these contents; when one cannot be had, none is kept. */
export function allocateAll(device: Device, contents: readonly (Float32Array | Float64Array)[]): Storage[] {
  const storages: Storage[] = [];
  try {
    for (const host of contents) {
      const storage = device.allocate(host.length, 'float32');
      storages.push(storage);
      device.write(storage, host);
    }
  } catch (error) {
    for (const storage of storages) release(storage);
    throw error;
  }
  return storages;
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
