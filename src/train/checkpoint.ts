/**
 * What a checkpoint holds, as safetensors: parameters and buffers under their names, optimizer state and averages over
 * the whole arena, counted random states, and in the metadata everything else that a resumed run needs to continue bit for
 * bit. Values are kept as the device has them: float64 (F64) of the reference device, float32 (F32) of all others; each
 * device takes either. Reading and writing files is the business of `checkpoint.node.ts`.
 */
import { showValue } from '../devices/checks.ts';
import type { TypedArray } from '../devices/dtype.ts';
import { CheckpointError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
import { formatShape, sameShape } from '../devices/shape.ts';
import type { Storage } from '../devices/storage.ts';
import { parseSafetensors, type SafetensorsFile, serializeSafetensors } from '../interop/safetensors.ts';
import { Dropout, type ExponentialMovingAverage, type Module, type Optimizer } from '../nn/index.ts';
import { type CheckpointInfo, checkDeclaredModel, optimizerStepsOf, parseCheckpointInfo } from './checkpoint-info.ts';

export type { CheckpointInfo, TrainingPosition } from './checkpoint-info.ts';

const FORMAT = 'weft-checkpoint-1';
const OPTIMIZER = 'optimizer.';
const AVERAGE = 'average.';
const RANDOM = 'random.';
const PARAMETER_STEPS = `${OPTIMIZER}steps`;

export interface TrainingState {
  readonly optimizer?: Optimizer;
  readonly ema?: ExponentialMovingAverage;
}

/** The bytes of a checkpoint; reads everything from the device. */
export async function encodeCheckpoint(
  model: Module,
  info: CheckpointInfo,
  { optimizer, ema }: TrainingState = {},
): Promise<Uint8Array> {
  const { device } = model;
  const arrays: [string, { shape: readonly number[]; data: Float32Array | Float64Array | Uint32Array }][] = [];
  for (const [name, { value }] of [...model.namedParameters(), ...model.namedBuffers()]) {
    arrays.push([name, { shape: value.shape, data: asKept(await value.data()) }]);
  }
  const add = async (name: string, storage: Parameters<typeof device.read>[0]): Promise<void> => {
    arrays.push([name, { shape: [storage.length], data: asKept(await device.read(storage)) }]);
  };
  if (optimizer) for (const [i, storage] of optimizer.stateArrays.entries()) await add(`${OPTIMIZER}${i}`, storage);
  if (ema) for (const [key, storage] of averagesOf(ema)) await add(key, storage);
  if (optimizer) {
    const { parameterSteps, stepCount } = optimizer;
    // Parameters that were frozen or not reached for a while are behind the others.
    if (parameterSteps.some(steps => steps !== stepCount)) {
      arrays.push([PARAMETER_STEPS, { shape: [parameterSteps.length], data: parameterSteps }]);
    }
    for (const dropout of dropouts(model)) {
      const words = await dropout.state(device).data();
      arrays.push([`${RANDOM}${dropout.path}`, { shape: [4], data: Uint32Array.from(words) }]);
    }
  }
  const plain = { format: FORMAT, info: JSON.stringify(info), optimizerSteps: String(optimizer?.stepCount ?? 0) };
  return serializeSafetensors(arrays, { ...plain, checksum: checksumOf(new Map(arrays), plain) });
}

/** Numbers of a device as a checkpoint keeps them: none is rounded. */
function asKept(values: TypedArray): Float32Array | Float64Array {
  return values instanceof Float64Array ? values : Float32Array.from(values);
}

/**
 * FNV-1a over 32-bit words of everything a checkpoint says, arrays by name. Every step is a bijection of the sum so far, so
 * a change of any one word shows.
 */
function checksumOf(
  arrays: ReadonlyMap<string, { readonly data: ArrayBufferView }>,
  { info, optimizerSteps }: Readonly<Record<string, string>>,
): string {
  let hash = 0x811c9dc5;
  const add = (words: Uint32Array): void => {
    for (const word of words) hash = Math.imul(hash ^ word, 0x01000193);
  };
  const addText = (text: string) => add(Uint32Array.from(new TextEncoder().encode(text)));
  addText(`${info}${optimizerSteps}`);
  for (const name of [...arrays.keys()].sort()) {
    const { data } = arrays.get(name)!;
    addText(name);
    add(new Uint32Array(data.buffer, data.byteOffset, data.byteLength / 4));
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

const averagesOf = ({ values, state, updates }: ExponentialMovingAverage): [string, Storage][] => [
  [`${AVERAGE}values`, values],
  [`${AVERAGE}state`, state],
  ...(updates ? [[`${AVERAGE}updates`, updates] as [string, Storage]] : []),
];

/** Whether an array of a checkpoint belongs to the training and not to the model. */
export const isTrainingArray = (key: string): boolean =>
  [OPTIMIZER, AVERAGE, RANDOM].some(prefix => key.startsWith(prefix));

const dropouts = (model: Module): Dropout[] => model.modules().filter(module => module instanceof Dropout);

/**
 * The plain part of a checkpoint.
 * @param name file name, for messages
 * @throws CheckpointError in one sentence when the bytes are damaged or not a checkpoint, or its model is not the one whose
 *   values it holds
 */
export function checkpointInfo(bytes: Uint8Array, name: string): CheckpointInfo {
  const { tensors, info } = readCheckpoint(bytes, name);
  checkDeclaredModel(info.model, tensors, name, isTrainingArray);
  return info;
}

/** Everything a checkpoint holds; see checkpointInfo. */
export function readCheckpoint(bytes: Uint8Array, name: string): SafetensorsFile & { readonly info: CheckpointInfo } {
  const file = parseSafetensors(bytes, name);
  const { tensors, metadata } = file;
  if (metadata.format !== FORMAT) {
    throw new CheckpointError(`${name} is a safetensors file, but not a checkpoint of this program (${FORMAT}).`);
  }
  if (metadata.info === undefined || metadata.checksum !== checksumOf(tensors, metadata)) {
    throw new CheckpointError(`${name} is damaged: its contents do not have the checksum they were written with.`);
  }
  return { ...file, info: parseCheckpointInfo(metadata, name) };
}

/**
 * Puts a checkpoint's values into an initialised model, and into its training state where given.
 * @throws CheckpointError when the file is damaged or belongs to another model; the model is unchanged then
 */
export function restoreCheckpoint(
  bytes: Uint8Array,
  name: string,
  model: Module,
  { optimizer, ema }: TrainingState = {},
): CheckpointInfo {
  const { tensors, metadata, info } = readCheckpoint(bytes, name);
  const owned = [...model.namedParameters(), ...model.namedBuffers()];
  const { arena, device } = model;
  /** The values of an array, as wide as the device takes them. */
  const find = (key: string, shape: readonly number[]): Float32Array | Float64Array | Uint32Array => {
    const found = tensors.get(key);
    if (!found) throw new CheckpointError(`${name} is a checkpoint of another model: it has no "${key}".`);
    if (!sameShape(found.shape, shape)) {
      throw new CheckpointError(
        `${name} is a checkpoint of another model: "${key}" is ${showValue(found.shape)}, not ${formatShape(shape)}.`,
      );
    }
    const { data, dtype } = found;
    if (data instanceof Float64Array) return device.kind === 'reference' ? data : Float32Array.from(data);
    if (data instanceof Float32Array || data instanceof Uint32Array) return data;
    throw new CheckpointError(`${name} is no checkpoint that can be used: "${key}" holds ${dtype} values.`);
  };
  const known = new Set(owned.map(([key]) => key));
  for (const key of tensors.keys()) {
    if (!known.has(key) && !isTrainingArray(key)) {
      throw new CheckpointError(`${name} is a checkpoint of another model: this one has no "${plainText(key)}".`);
    }
  }
  // Everything is looked up before anything is written, so a refusal leaves the model as it was.
  const writes: (() => void)[] = [];
  for (const [key, { shape }] of owned) {
    const values = find(key, shape) as Float32Array | Float64Array;
    writes.push(() => arena.write(key, values));
  }
  const restore = (key: string, storage: Storage): void => {
    const values = find(key, [storage.length]);
    writes.push(() => device.write(storage, values));
  };
  if (optimizer) {
    optimizer.stateArrays.forEach((storage, i) => {
      restore(`${OPTIMIZER}${i}`, storage);
    });
    for (const dropout of dropouts(model)) restore(`${RANDOM}${dropout.path}`, dropout.state(device).storage);
    const stepCount = optimizerStepsOf(metadata, name);
    const steps = tensors.has(PARAMETER_STEPS) ? find(PARAMETER_STEPS, [arena.parameters.length]) : undefined;
    writes.push(() => {
      if (steps) optimizer.parameterSteps = steps;
      else optimizer.stepCount = stepCount;
    });
  }
  if (ema) for (const [key, storage] of averagesOf(ema)) restore(key, storage);
  for (const write of writes) write();
  return info;
}
