/**
 * A model's forward pass in evaluation mode with batch norms folded into the layers before them. The folded weights lie in
 * an arena of their own; all other weights are read where the model has them. Folded weights are of one moment: the network
 * notices when the model is written to after it, and its owner makes another one.
 */
import { alias, noGrad } from '../../autograd/tape.ts';
import type { Device } from '../../devices/device.ts';
import type { TypedArray } from '../../devices/dtype.ts';
import { bytesPerElement } from '../../devices/dtype.ts';
import { UsageError } from '../../devices/errors.ts';
import { release, type Storage, viewOf } from '../../devices/storage.ts';
import { now } from '../../devices/versions.ts';
import { dispose, keep, tidy } from '../../tensor/lifetime.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { type Arena, commonArena, padded } from '../arena.ts';
import { inEvaluation } from '../evaluation-mode.ts';
import type { Module } from '../module.ts';
import type { Buffer, Parameter } from '../parameter.ts';
import { isTraced } from '../tracing.ts';
import { type FoldedValues, foldNorm } from './fold.ts';
import { lower } from './lower.ts';
import { type Fold, obstacleToFolding, type Plan, planSteps, type StepRunner } from './plan.ts';

type Owned = Parameter | Buffer;

export class FoldedNetwork {
  readonly device: Device;
  readonly plan: Plan;
  /** Bytes of the folded weights. */
  readonly weightBytes: number;
  /** Most bytes of values that lived at once in the largest call so far, its input included. */
  peakBytes = 0;
  readonly #model: Module;
  readonly #arena: Arena;
  readonly #folded: Storage | undefined;
  /** Arrays whose contents the network was made for, and when they were read. */
  readonly #watched: readonly Storage[];
  readonly #readAt: number;
  #liveBytes = 0;
  #isDisposed = false;

  private constructor(model: Module, arena: Arena, plan: Plan, folded: readonly FoldedValues[], readAt: number) {
    this.#model = model;
    this.#arena = arena;
    this.device = arena.device;
    this.plan = plan;
    this.#readAt = readAt;
    // Modules that run as they are may write to what is theirs alone.
    const folds = new Set(plan.folds.flatMap(({ layer, norm }) => [...arraysOf(layer), ...arraysOf(norm)]));
    const theirs = new Set(plan.opaque.flatMap(arraysOf).filter(array => !folds.has(array)));
    this.#watched = arraysOf(model).flatMap(array => (theirs.has(array) ? [] : [array.value.storage]));
    this.#folded = plan.folds.length > 0 ? layOut(this.device, plan.folds, folded) : undefined;
    this.weightBytes = this.#folded ? this.#folded.length * bytesPerElement('float32') : 0;
  }

  /**
   * Reads the weights and folds them.
   * @param what the caller, for messages
   * @throws UsageError when the model is not initialised
   */
  static async of(model: Module, what: string): Promise<FoldedNetwork> {
    const arena = commonArena(arraysOf(model)) ?? model.arena;
    const { device } = arena;
    if (device.isCapturing)
      throw new UsageError(`${what}: a model cannot be made ready inside a capture; do it before.`);
    const watched = new Set(model.modules().filter(({ path }) => isTraced(path)));
    const items = lower(model);
    const readAt = now();
    const [values, state] = await Promise.all([device.read(arena.values), device.read(arena.state)]);
    const contents = contentsOf(arena, values, state);
    const foldedValues: FoldedValues[] = [];
    const plan = planSteps(items, (layer, norm) => {
      if (watched.has(layer)) return `the output of ${layer.path} is traced`;
      const obstacle = obstacleToFolding(layer, norm);
      if (obstacle !== undefined) return obstacle;
      const folded = foldedOf({ layer, norm }, contents);
      if (device.kind !== 'reference' && !isFiniteFloat32(folded)) {
        return `the weights of ${layer.path} with it are beyond float32`;
      }
      foldedValues.push(folded);
      return undefined;
    });
    return new FoldedNetwork(model, arena, plan, foldedValues, readAt);
  }

  /** Whether the module has weights, all of them laid out in one model: nothing can be folded elsewhere. */
  static isPossible(module: Module): boolean {
    return commonArena(arraysOf(module)) !== undefined;
  }

  /** What no run changes, and nobody may, as long as the network is current. */
  get constant(): readonly Storage[] {
    return [this.#arena.values, this.#arena.state, ...(this.#folded ? [this.#folded] : [])];
  }

  /** Whether the model still holds what the network was made for. */
  get isCurrent(): boolean {
    if (!this.#arena.isCurrent) return false;
    const moment = this.#readAt;
    return this.#watched.every(({ allocation: { history }, byteOffset, length }) => {
      return history.last <= moment || history.lastIn(byteOffset, byteOffset + 4 * length) <= moment;
    });
  }

  /** The model's output in evaluation mode; leaves nothing on the tape. */
  call(x: Tensor): Tensor {
    this.#liveBytes = x.storage.allocation.bytes;
    const work = () => tidy(() => noGrad(() => this.#pass.run(this.plan.steps, x)));
    const output = inEvaluation(this.#model, work);
    return output === x ? alias(x) : output;
  }

  readonly #pass: StepRunner = {
    run: (steps, x) => {
      let h = x;
      for (const step of steps) {
        const y = tidy(() => step(h, this.#pass));
        if (y === h) continue;
        // A reshape has the memory of what it was made from.
        const isNew = y.storage.allocation !== h.storage.allocation;
        if (isNew) this.#liveBytes += y.storage.allocation.bytes;
        this.peakBytes = Math.max(this.peakBytes, this.#liveBytes);
        if (h !== x && isNew) this.#pass.drop(h);
        else if (h !== x) h.dispose();
        h = y;
      }
      return h;
    },
    drop: x => {
      this.#liveBytes -= x.storage.allocation.bytes;
      x.dispose();
    },
  };

  /** Gives the folded weights back; doing it twice is harmless. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const { weight, bias } of this.plan.folds) dispose(weight, bias);
    if (this.#folded) release(this.#folded);
  }
}

const arraysOf = (module: Module): Owned[] =>
  [...module.namedParameters(), ...module.namedBuffers()].map(([, array]) => array);

/** What every array held when the arenas were read. */
function contentsOf(arena: Arena, values: TypedArray, state: TypedArray): Map<Owned, TypedArray> {
  const contents = new Map<Owned, TypedArray>();
  arena.parameters.forEach((parameter, i) => {
    const { start, length } = arena.parameterEntries[i];
    contents.set(parameter, values.subarray(start, start + length));
  });
  arena.buffers.forEach((buffer, i) => {
    const { start, length } = arena.bufferEntries[i];
    contents.set(buffer, state.subarray(start, start + length));
  });
  return contents;
}

function foldedOf({ layer, norm }: Pick<Fold, 'layer' | 'norm'>, contents: ReadonlyMap<Owned, TypedArray>) {
  const of = (array: Owned): TypedArray => contents.get(array)!;
  return foldNorm(of(layer.weight), layer.bias && of(layer.bias), {
    gamma: of(norm.gamma),
    beta: of(norm.beta),
    runningMean: of(norm.runningMean),
    runningVariance: of(norm.runningVariance),
    epsilon: norm.epsilon,
  });
}

const isFiniteFloat32 = ({ weight, bias }: FoldedValues): boolean =>
  [weight, bias].every(values => values.every(value => Number.isFinite(Math.fround(value))));

/** One allocation with all folded weights, which the folds get as tensors. */
function layOut(device: Device, folds: readonly Fold[], folded: readonly FoldedValues[]): Storage {
  const sizes = folded.flatMap(({ weight, bias }) => [weight, bias]);
  const total = sizes.reduce((sum, { length }) => sum + padded(length), 0);
  const host = device.kind === 'reference' ? new Float64Array(total) : new Float32Array(total);
  const storage = device.allocate(total, 'float32');
  let start = 0;
  const place = (values: Float64Array, shape: readonly number[]): Tensor => {
    host.set(values, start);
    const tensor = keep(new Tensor(viewOf(storage, start, values.length), shape));
    start += padded(values.length);
    return tensor;
  };
  folds.forEach((fold, i) => {
    fold.weight = place(folded[i].weight, fold.layer.weight.shape);
    fold.bias = place(folded[i].bias, [folded[i].bias.length]);
  });
  device.write(storage, host);
  return storage;
}
