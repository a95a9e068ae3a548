/**
 * Modules: functions of tensors with parameters. A module's parameters, buffers and children are simply its properties;
 * their names are the property names joined by dots. Subclasses define `forward` and call their children with `call`,
 * which is what makes inner nodes visible to `trace` and puts the module's name on the tape.
 */
import { withLabel } from '../autograd/tape.ts';
import { seed32 } from '../devices/checks.ts';
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import type { Shape } from '../devices/shape.ts';
import { getDevice } from '../tensor/current-device.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Arena, arenaOf, commonArena } from './arena.ts';
import { Buffer, Parameter } from './parameter.ts';
import { type ModelSummary, summarize } from './summary.ts';
import { collect, report } from './tracing.ts';

export interface InitializeOptions {
  readonly seed?: number;
  readonly device?: Device;
}

/** The model that each arena was laid out for. */
const owners = new WeakMap<Arena, Module>();

export abstract class Module {
  /** Name within the model; empty for the model itself. */
  path = '';
  /** Training mode: batch statistics and dropout are in effect. */
  isTraining = true;
  #modelSeed: number | undefined;
  #arena: Arena | undefined;

  /** What the module computes. Call it through `call`. */
  abstract forward(x: Tensor): Tensor;

  /** Runs the module under its name. */
  call(x: Tensor): Tensor {
    return this.named(() => this.forward(x));
  }

  /** Runs a computation under this module's name: on the tape, and for `trace`. */
  protected named(compute: () => Tensor): Tensor {
    const output = withLabel(this.path, compute);
    report(this.path, output);
    return output;
  }

  /** Direct children, by property name; elements of an array property are numbered. */
  children(): [string, Module][] {
    return this.#properties(value => value instanceof Module) as [string, Module][];
  }

  /** This module and all below it, in the order of their definition; a module that is used twice is listed once. */
  modules(): Module[] {
    return [...new Set([this, ...this.children().flatMap(([, child]) => child.modules())])];
  }

  /** Every parameter with its dotted name; one that is shared by several modules has the name that comes first. */
  namedParameters(): [string, Parameter][] {
    return firstNames(this.#collect(value => value instanceof Parameter) as [string, Parameter][]);
  }

  /** Every buffer with its dotted name, as `namedParameters`. */
  namedBuffers(): [string, Buffer][] {
    return firstNames(this.#collect(value => value instanceof Buffer) as [string, Buffer][]);
  }

  #properties(accepts: (value: unknown) => boolean): [string, unknown][] {
    return Object.entries(this).flatMap(([key, value]): [string, unknown][] => {
      if (accepts(value)) return [[key, value]];
      if (!Array.isArray(value)) return [];
      return value.flatMap((element, i): [string, unknown][] => (accepts(element) ? [[`${key}${i}`, element]] : []));
    });
  }

  #collect(accepts: (value: unknown) => boolean): [string, unknown][] {
    return [
      ...this.#properties(accepts),
      ...this.children().flatMap(([name, child]) =>
        child.#collect(accepts).map(([inner, value]): [string, unknown] => [`${name}.${inner}`, value]),
      ),
    ];
  }

  /**
   * Names everything below this module, lays its parameters out in arenas on a device and fills them; dropout begins anew.
   * The same seed gives the same values on every device. Done again, it fills the same memory anew, so optimizers stay with
   * their model; only another device or other layers mean other memory, and what was made for the old one then says so. A
   * part of an initialised model is filled anew where it lies, with the values that the whole would give it. When it
   * throws, the model is as it was.
   * @throws UsageError for a part of a model on another device, or when a part of this model belongs to another one
   */
  initialize(options: InitializeOptions = {}): this {
    const { seed = 0, device = getDevice() } = options;
    seed32('initialize', 'seed', seed);
    const named = [...this.namedParameters(), ...this.namedBuffers()];
    const owned = named.map(([, array]) => array);
    const arena = commonArena(owned);
    const owner = arena && owners.get(arena);
    if (arena && owner && owner !== this && owner.modules().includes(this)) {
      if (arena.device !== device) {
        throw new UsageError(
          `initialize: this module is a part of a model on ${arena.device.kind}; initialise the whole model on ${device.kind}.`,
        );
      }
      arena.refill(seed, owned);
    } else if (arena && owner === this && arena.device === device && arena.holds(named)) {
      arena.refill(seed);
    } else {
      this.#layOut(named, device, seed);
    }
    for (const module of this.modules()) {
      module.disposeState();
      module.#modelSeed = seed;
    }
    return this;
  }

  #layOut(named: readonly (readonly [string, Parameter | Buffer])[], device: Device, seed: number): void {
    for (const [name, array] of named) {
      const arena = arenaOf(array);
      if (arena === undefined || arena === this.#arena) continue;
      throw new UsageError(
        `initialize: the ${array instanceof Parameter ? 'parameter' : 'buffer'} "${name}" has its value in another model, which would lose it; call dispose() on that one first.`,
      );
    }
    this.#assignPaths('');
    for (const [name, array] of named) array.name = name;
    const owned = named.map(([, array]) => array);
    const before = this.#arena;
    this.#arena = new Arena(
      owned.filter(array => array instanceof Parameter),
      owned.filter(array => array instanceof Buffer),
      device,
      seed,
    );
    owners.set(this.#arena, this);
    before?.dispose();
  }

  #freeArena(): void {
    this.#arena?.dispose();
    this.#arena = undefined;
  }

  #assignPaths(path: string): void {
    this.path = path;
    for (const [name, child] of this.children()) child.#assignPaths(path === '' ? name : `${path}.${name}`);
  }

  /** The seed that the model was initialised with, for modules that draw random numbers; undefined before. */
  protected get modelSeed(): number | undefined {
    return this.#modelSeed;
  }

  /** The model's memory. Throws UsageError before `initialize`. */
  get arena(): Arena {
    if (!this.#arena?.isCurrent) {
      throw new UsageError(
        'This model has not been initialised: call initialize({ seed }) first, or use the model that it is a part of.',
      );
    }
    return this.#arena;
  }

  get device(): Device {
    return this.arena.device;
  }

  get parameterCount(): number {
    return this.arena.parameterCount;
  }

  /** Switches this module and all below it to training mode (or evaluation mode). */
  train(isTraining = true): this {
    for (const module of this.modules()) module.isTraining = isTraining;
    return this;
  }

  /** Evaluation mode: running statistics, no dropout. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Freezes every parameter below this module: no gradient, no weight decay, no momentum moves them until `unfreeze`. The
   * running statistics of batch norms are no parameters: they rest in evaluation mode (`eval`).
   */
  freeze(): this {
    for (const [, parameter] of this.namedParameters()) parameter.trainable = false;
    return this;
  }

  /** Lets every parameter below this module be trained again. */
  unfreeze(): this {
    for (const [, parameter] of this.namedParameters()) parameter.trainable = true;
    return this;
  }

  /** Forgets the gradients of every parameter below this module: the next backward pass overwrites them. */
  zeroGrad(): void {
    for (const [, parameter] of this.namedParameters()) parameter.zeroGrad();
  }

  /**
   * Output and inner activations. Their gradients come from `gradients(loss, [activation])` or `onGradient`.
   * @param names paths of modules, e.g. `stage2.block0.conv1`
   * @throws UsageError naming a path that does not exist, with the nearest ones that do
   */
  trace(x: Tensor, names: readonly string[]): { output: Tensor; activations: Record<string, Tensor> } {
    const paths = new Set(this.modules().map(({ path }) => path));
    for (const name of names) {
      if (paths.has(name)) continue;
      const known = [...paths].filter(path => path !== '').join(', ');
      throw new UsageError(`trace: no module is called "${name}"; there are ${known}.`);
    }
    return tidy(() => {
      const { result, found } = collect(new Set(names), () => this.call(x));
      return { output: result, activations: Object.fromEntries(found) };
    });
  }

  /**
   * The layers with output shapes, receptive fields, parameters and work. Needs no device and no `initialize`.
   * @param inputShape of one image, [H, W, C]
   * @example console.log(String(miniResNet().summary()))
   */
  summary(inputShape: Shape = [28, 28, 1]): ModelSummary {
    if (this.path === '' && !this.#arena) this.#assignPaths('');
    return summarize(this, inputShape);
  }

  /** Frees what a module keeps on the device beside parameters and buffers. */
  protected disposeState(): void {}

  /** Frees parameters, buffers and other state. */
  dispose(): void {
    for (const module of this.modules()) module.disposeState();
    this.#freeArena();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function firstNames<T>(named: readonly [string, T][]): [string, T][] {
  const seen = new Set<T>();
  return named.filter(([, owned]) => !seen.has(owned) && seen.add(owned));
}
