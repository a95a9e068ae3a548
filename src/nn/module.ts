/**
 * Modules: functions of tensors with parameters. A module's parameters, buffers and children are simply its properties;
 * their names are the property names joined by dots. Subclasses define `forward` and call their children with `call`,
 * which is what makes inner nodes visible to `trace` and puts the module's name on the tape.
 */
import { withLabel } from '../autograd/tape.ts';
import type { Device } from '../devices/device.ts';
import { UsageError } from '../devices/errors.ts';
import type { Shape } from '../devices/shape.ts';
import { getDevice } from '../tensor/current-device.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Arena } from './arena.ts';
import { Buffer, Parameter } from './parameter.ts';
import { type ModelSummary, summarize } from './summary.ts';
import { collect, report } from './tracing.ts';

export interface InitializeOptions {
  readonly seed?: number;
  readonly device?: Device;
}

export abstract class Module {
  /** Name within the model; empty for the model itself. */
  path = '';
  /** Training mode: batch statistics and dropout are in effect. */
  isTraining = true;
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

  /** This module and all below it, in the order of their definition. */
  modules(): Module[] {
    return [this, ...this.children().flatMap(([, child]) => child.modules())];
  }

  /** Every parameter with its dotted name. */
  namedParameters(): [string, Parameter][] {
    return this.#collect(value => value instanceof Parameter) as [string, Parameter][];
  }

  /** Every buffer with its dotted name. */
  namedBuffers(): [string, Buffer][] {
    return this.#collect(value => value instanceof Buffer) as [string, Buffer][];
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
   * Names everything below this module, lays its parameters out in arenas on a device and fills them. The same seed gives
   * the same values on every device.
   */
  initialize(options: InitializeOptions = {}): this {
    const { seed = 0, device = getDevice() } = options;
    this.#arena?.dispose();
    this.#assignPaths('');
    const parameters = this.namedParameters();
    const buffers = this.namedBuffers();
    for (const [name, owned] of [...parameters, ...buffers]) owned.name = name;
    this.#arena = new Arena(
      parameters.map(([, parameter]) => parameter),
      buffers.map(([, buffer]) => buffer),
      device,
      seed,
    );
    return this;
  }

  #assignPaths(path: string): void {
    this.path = path;
    for (const [name, child] of this.children()) child.#assignPaths(path === '' ? name : `${path}.${name}`);
  }

  /** The model's memory. Throws UsageError before `initialize`. */
  get arena(): Arena {
    if (!this.#arena) throw new UsageError('This model has not been initialised: call initialize({ seed }) first.');
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
    this.#arena?.dispose();
    this.#arena = undefined;
  }
}
