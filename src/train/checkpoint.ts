/**
 * What a checkpoint holds, as safetensors: parameters and buffers under their names, optimizer state and averages over
 * the whole arena, counted random states, and in the metadata everything else that a resumed run needs to continue bit for
 * bit. Reading and writing files is the business of `checkpoint.node.ts`.
 */
import { CheckpointError } from '../devices/errors.ts';
import { formatShape, sameShape } from '../devices/shape.ts';
import { parseSafetensors, type SafetensorsFile, serializeSafetensors } from '../interop/safetensors.ts';
import { Dropout, type ExponentialMovingAverage, type ModelSpec, type Module, type Optimizer } from '../nn/index.ts';

/** Where a training run stands. */
export interface TrainingPosition {
  readonly epoch: number;
  /** Batches of this epoch that are done. */
  readonly batch: number;
  /** Steps since the start. */
  readonly step: number;
}

/** The plain part of a checkpoint. */
export interface CheckpointInfo {
  readonly model: ModelSpec;
  /** Device and adapter on which it was made. */
  readonly device: string;
  readonly adapter: string;
  readonly seed: number;
  /** The run's options, to resume it. */
  readonly options?: unknown;
  readonly position?: TrainingPosition;
  readonly history?: unknown;
  /** Results known when it was written, e.g. test accuracy. */
  readonly results?: unknown;
}

const FORMAT = 'weft-checkpoint-1';
const OPTIMIZER = 'optimizer.';
const AVERAGE = 'average.';
const RANDOM = 'random.';

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
  const arrays: [string, { shape: readonly number[]; data: Float32Array | Uint32Array }][] = [];
  for (const [name, { value }] of [...model.namedParameters(), ...model.namedBuffers()]) {
    arrays.push([name, { shape: value.shape, data: Float32Array.from(await value.data()) }]);
  }
  const add = async (name: string, storage: Parameters<typeof device.read>[0]): Promise<void> => {
    arrays.push([name, { shape: [storage.length], data: Float32Array.from(await device.read(storage)) }]);
  };
  if (optimizer) for (const [i, storage] of optimizer.stateArrays.entries()) await add(`${OPTIMIZER}${i}`, storage);
  if (ema) {
    await add(`${AVERAGE}values`, ema.values);
    await add(`${AVERAGE}state`, ema.state);
  }
  if (optimizer) {
    for (const dropout of dropouts(model)) {
      const words = await dropout.state(device).data();
      arrays.push([`${RANDOM}${dropout.path}`, { shape: [4], data: Uint32Array.from(words) }]);
    }
  }
  const plain = { format: FORMAT, info: JSON.stringify(info), optimizerSteps: String(optimizer?.stepCount ?? 0) };
  return serializeSafetensors(arrays, { ...plain, checksum: checksumOf(new Map(arrays), plain) });
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

const dropouts = (model: Module): Dropout[] => model.modules().filter(module => module instanceof Dropout);

/**
 * The plain part of a checkpoint.
 * @param name file name, for messages
 * @throws CheckpointError in one sentence when the bytes are damaged or not a checkpoint
 */
export function checkpointInfo(bytes: Uint8Array, name: string): CheckpointInfo {
  return readCheckpoint(bytes, name).info;
}

function readCheckpoint(bytes: Uint8Array, name: string): SafetensorsFile & { readonly info: CheckpointInfo } {
  const file = parseSafetensors(bytes, name);
  const { tensors, metadata } = file;
  if (metadata.format !== FORMAT) {
    throw new CheckpointError(`${name} is a safetensors file, but not a checkpoint of this program (${FORMAT}).`);
  }
  if (metadata.checksum !== checksumOf(tensors, metadata)) {
    throw new CheckpointError(`${name} is damaged: its contents do not have the checksum they were written with.`);
  }
  return { ...file, info: JSON.parse(metadata.info) as CheckpointInfo };
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
  const find = (key: string, shape: readonly number[]): Float32Array | Uint32Array => {
    const found = tensors.get(key);
    if (!found) throw new CheckpointError(`${name} is a checkpoint of another model: it has no "${key}".`);
    if (!sameShape(found.shape, shape)) {
      throw new CheckpointError(
        `${name} is a checkpoint of another model: "${key}" is ${formatShape(found.shape)}, not ${formatShape(shape)}.`,
      );
    }
    return found.data as Float32Array | Uint32Array;
  };
  const isTraining = (key: string) => [OPTIMIZER, AVERAGE, RANDOM].some(prefix => key.startsWith(prefix));
  const known = new Set(owned.map(([key]) => key));
  for (const key of tensors.keys()) {
    if (!known.has(key) && !isTraining(key)) {
      throw new CheckpointError(`${name} is a checkpoint of another model: this one has no "${key}".`);
    }
  }
  // Everything is looked up before anything is written, so a refusal leaves the model as it was.
  const writes: (() => void)[] = [];
  const { arena, device } = model;
  for (const [key, { shape }] of owned) {
    const values = find(key, shape) as Float32Array;
    writes.push(() => arena.write(key, values));
  }
  const restore = (key: string, storage: Optimizer['stateArrays'][number]): void => {
    const values = find(key, [storage.length]);
    writes.push(() => device.write(storage, values));
  };
  if (optimizer) {
    optimizer.stateArrays.forEach((storage, i) => {
      restore(`${OPTIMIZER}${i}`, storage);
    });
    for (const dropout of dropouts(model)) restore(`${RANDOM}${dropout.path}`, dropout.state(device).storage);
    writes.push(() => {
      optimizer.stepCount = Number(metadata.optimizerSteps);
    });
  }
  if (ema) {
    restore(`${AVERAGE}values`, ema.values);
    restore(`${AVERAGE}state`, ema.state);
  }
  for (const write of writes) write();
  return info;
}
