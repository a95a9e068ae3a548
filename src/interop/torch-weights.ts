/**
 * PyTorch weights for our networks, and ours for PyTorch. The names are those of a plain `nn.Sequential` there: our layers
 * counted from 0, with what PyTorch needs one module more for counted too (Flatten after global pooling), and without our
 * frozen first layer, which PyTorch code has as a transform of the data. Blocks keep their inner names: conv1, bn1,
 * shortcut.0. So `torch.save(model.state_dict())` as safetensors of
 *
 *     nn.Sequential(Conv2d, BatchNorm2d, ReLU, Block, Block, Block, AdaptiveAvgPool2d(1), Flatten, Linear)
 *
 * loads into `miniResNet()`, and the other way round. Only layouts change on the way, never a value.
 */
import { CheckpointError, UsageError } from '../devices/errors.ts';
import { formatShape, sameShape } from '../devices/shape.ts';
import { Flatten, GlobalAvgPool, Linear, MiniResNet, type Module, Normalize, Sequential } from '../nn/index.ts';
import type { SafetensorsEntry, SafetensorsSource } from './safetensors.ts';
import {
  type FlattenedImage,
  flattenedLinearFromTorch,
  flattenedLinearToTorch,
  type HostTensor,
  hwioToOihw,
  oihwToHwio,
  transposeLinear,
} from './torch-layout.ts';

/** One array on both sides of the border. */
interface Counterpart {
  readonly ours: string;
  readonly theirs: string;
  readonly shape: readonly number[];
  readonly isBuffer: boolean;
  /** For a linear layer that reads a flattened image: that image. */
  readonly flattened?: FlattenedImage;
}

const LEAVES: Readonly<Record<string, string>> = {
  gamma: 'weight',
  beta: 'bias',
  runningMean: 'running_mean',
  runningVariance: 'running_var',
};

export interface TorchOptions {
  /** What stands before every name, e.g. `model.`. Default nothing. */
  readonly prefix?: string;
  /** [H, W, C] of the images the model takes; decides how a flattened layer is reordered. Default [28, 28, 1]. */
  readonly imageShape?: readonly [number, number, number];
}

/** Top-level modules in PyTorch's order, a module without counterpart left out, with the number of places each takes. */
function topLevel(model: Module): { name: string; module: Module; places: number }[] {
  if (!(model instanceof Sequential || model instanceof MiniResNet)) {
    throw new UsageError('PyTorch names are known for sequential models and residual networks only.');
  }
  return model
    .children()
    .flatMap(([name, module]): [string, Module][] =>
      /^stage\d+$/.test(name)
        ? module.children().map(([block, inner]): [string, Module] => [`${name}.${block}`, inner])
        : [[name, module]],
    )
    .filter(([, module]) => !(module instanceof Normalize))
    .map(([name, module]) => ({ name, module, places: module instanceof GlobalAvgPool ? 2 : 1 }));
}

/** `block0.norm1.gamma` within a block is `bn1.weight` there, `shortcut.conv.weight` is `shortcut.0.weight`. */
function inner(path: string): string {
  const parts = path.split('.');
  const leaf = parts.pop()!;
  const names = parts.map((part, i) => {
    if (parts[i - 1] === 'shortcut') return part === 'conv' ? '0' : '1';
    return part.replace(/^norm/, 'bn');
  });
  return [...names, LEAVES[leaf] ?? leaf].join('.');
}

function counterparts(model: Module, { prefix = '', imageShape = [28, 28, 1] }: TorchOptions): Counterpart[] {
  const { layers } = model.summary(imageShape);
  const found: Counterpart[] = [];
  let place = 0;
  let flattened: FlattenedImage | undefined;
  for (const { name, module, places } of topLevel(model)) {
    if (module instanceof Flatten) {
      const before = layers[layers.findIndex(layer => layer.name === name) - 1];
      const [height, width, channels] = before.outputShape;
      flattened = { height, width, channels };
    }
    for (const isBuffer of [false, true]) {
      for (const [path, { shape }] of isBuffer ? module.namedBuffers() : module.namedParameters()) {
        found.push({
          ours: `${name}.${path}`,
          theirs: `${prefix}${place}.${inner(path)}`,
          shape,
          isBuffer,
          flattened: shape.length === 2 ? flattened : undefined,
        });
      }
    }
    if (module instanceof Linear) flattened = undefined;
    place += places;
  }
  return found;
}

type Floats = HostTensor<Float32Array>;

function fromTorch(array: Floats, { shape, flattened }: Counterpart): Floats {
  if (shape.length === 4) return oihwToHwio(array);
  if (shape.length !== 2) return array;
  return flattened ? flattenedLinearFromTorch(array, flattened) : transposeLinear(array);
}

function toTorch(array: Floats, { shape, flattened }: Counterpart): Floats {
  if (shape.length === 4) return hwioToOihw(array);
  if (shape.length !== 2) return array;
  return flattened ? flattenedLinearToTorch(array, flattened) : transposeLinear(array);
}

/** [H, W] and so on of the array as PyTorch has it. */
function torchShape({ shape }: Counterpart): readonly number[] {
  if (shape.length === 4) return [shape[3], shape[2], shape[0], shape[1]];
  return shape.length === 2 ? [shape[1], shape[0]] : shape;
}

/**
 * Puts PyTorch's weights into an initialised model.
 * @param tensors a state dict, e.g. `parseSafetensors(bytes, name).tensors`; names without the prefix are passed over
 * @param name what to call it in an error
 * @throws CheckpointError naming an array that is missing, left over, or of another shape; the model is unchanged then
 */
export function loadTorchWeights(
  model: Module,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  name: string,
  options: TorchOptions = {},
): void {
  const { prefix = '' } = options;
  const pairs = counterparts(model, options);
  const wanted = new Set(pairs.map(({ theirs }) => theirs));
  const extra = [...tensors.keys()].find(
    key => key.startsWith(prefix) && !wanted.has(key) && !key.endsWith('.num_batches_tracked'),
  );
  if (extra !== undefined) throw new CheckpointError(`${name} is of another network: this one has no "${extra}".`);
  const writes = pairs.map(pair => {
    const found = tensors.get(pair.theirs);
    if (!found) throw new CheckpointError(`${name} is of another network: it has no "${pair.theirs}" (${pair.ours}).`);
    const shape = torchShape(pair);
    if (!sameShape(found.shape, shape) || typeof found.data[0] === 'bigint') {
      throw new CheckpointError(
        `${name} is of another network: "${pair.theirs}" is ${found.dtype} ${formatShape(found.shape)}, ` +
          `not float ${formatShape(shape)}.`,
      );
    }
    const array = { shape: found.shape, data: Float32Array.from(found.data as Float32Array) };
    return { key: pair.ours, values: fromTorch(array, pair).data };
  });
  for (const { key, values } of writes) model.arena.write(key, values);
}

/**
 * A model's weights as a PyTorch state dict, for `serializeSafetensors`. Load it there with
 * `module.load_state_dict(safetensors.torch.load_file(path))`, and normalise the images by the mean and standard deviation
 * of our first layer.
 */
export async function torchWeights(model: Module, options: TorchOptions = {}): Promise<[string, SafetensorsSource][]> {
  const owned = new Map([...model.namedParameters(), ...model.namedBuffers()]);
  const entries: [string, SafetensorsSource][] = [];
  for (const pair of counterparts(model, options)) {
    const data = Float32Array.from(await owned.get(pair.ours)!.value.data());
    entries.push([pair.theirs, toTorch({ shape: pair.shape, data }, pair)]);
  }
  return entries;
}
