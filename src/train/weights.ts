/**
 * Part of a checkpoint's weights into a model that is not quite the checkpoint's: another head on the same body, or the body
 * alone. A name that does not fit is an error unless the caller has said that it may not, so that a model whose layers were
 * renamed does not silently keep its initial weights.
 */
import { everyOf, flag, knownOptions, refuse } from '../devices/checks.ts';
import { CheckpointError, UsageError } from '../devices/errors.ts';
import { formatShape, sameShape } from '../devices/shape.ts';
import type { Module } from '../nn/index.ts';
import { type CheckpointInfo, isTrainingArray, readCheckpoint } from './checkpoint.ts';

export interface WeightsOptions {
  /**
   * Parameters and buffers that keep the values they have, by name or by the path of a module: `['logits']` for another
   * head. A path that neither side knows is an error.
   */
  readonly skip?: readonly string[];
  /** false: names that only one side knows are reported and passed over. Default true: they are an error. */
  readonly strict?: boolean;
}

/** What became of each parameter and buffer. */
export interface WeightsReport {
  readonly info: CheckpointInfo;
  readonly loaded: readonly string[];
  readonly skipped: readonly string[];
  /** In the model only: they keep their values. */
  readonly missing: readonly string[];
  /** In the checkpoint only. */
  readonly unexpected: readonly string[];
}

/**
 * Puts a checkpoint's parameters and buffers into an initialised model, or into a part of one (`model.body`: names are then
 * those within the part). Optimizer state and averages of the checkpoint stay out; averages of the model are those of its
 * old values until they `restart`.
 * @param name file name, for messages
 * @throws CheckpointError when the file is damaged, or a name or a shape does not fit; the model is unchanged then
 */
export function restoreWeights(
  bytes: Uint8Array,
  name: string,
  model: Module,
  options: WeightsOptions = {},
): WeightsReport {
  const { skip = [], strict = true } = knownOptions('restoreWeights', options, ['skip', 'strict']);
  everyOf('restoreWeights', 'skip', skip, checkPath);
  flag('restoreWeights', 'strict', strict);
  const { tensors, info } = readCheckpoint(bytes, name);
  const owned = new Map([...model.namedParameters(), ...model.namedBuffers()]);
  const isSkipped = (key: string) => skip.some(path => key === path || key.startsWith(`${path}.`));
  const theirs = [...tensors.keys()].filter(key => !isTrainingArray(key));
  const all = new Set([...owned.keys(), ...theirs]);
  for (const path of skip) {
    if ([...all].some(key => key === path || key.startsWith(`${path}.`))) continue;
    throw new UsageError(`restoreWeights: neither the model nor ${name} has "${path}", which is to be skipped.`);
  }
  const missing = [...owned.keys()].filter(key => !tensors.has(key) && !isSkipped(key));
  const unexpected = theirs.filter(key => !owned.has(key) && !isSkipped(key));
  if (strict && missing.length + unexpected.length > 0) throw new CheckpointError(misfit(name, missing, unexpected));
  const loaded = theirs.filter(key => owned.has(key) && !isSkipped(key));
  const writes = loaded.map(key => {
    const { shape, data } = tensors.get(key)!;
    const { value } = owned.get(key)!;
    if (!sameShape(shape, value.shape)) {
      throw new CheckpointError(
        `${name}: "${key}" is ${formatShape(shape)} in the checkpoint and ${formatShape(value.shape)} in the model; ` +
          'skip it, or build the model that the checkpoint is of.',
      );
    }
    if (!(data instanceof Float32Array || data instanceof Float64Array)) {
      throw new CheckpointError(`${name}: "${key}" holds neither float32 nor float64 values.`);
    }
    const isKept = value.device.kind === 'reference' || data instanceof Float32Array;
    return { value, data: isKept ? data : Float32Array.from(data) };
  });
  for (const { value, data } of writes) value.device.write(value.storage, data);
  return { info, loaded, skipped: [...all].filter(isSkipped), missing, unexpected };
}

const checkPath = (what: string, name: string, path: string): string =>
  typeof path === 'string' && path !== '' ? path : refuse(what, name, path, 'the name of a parameter or a module');

function misfit(name: string, missing: readonly string[], unexpected: readonly string[]): string {
  const some = (keys: readonly string[]) =>
    `${keys
      .slice(0, 5)
      .map(key => `"${key}"`)
      .join(', ')}${keys.length > 5 ? ` and ${keys.length - 5} more` : ''}`;
  const parts = [
    ...(missing.length > 0 ? [`the checkpoint has no ${some(missing)}`] : []),
    ...(unexpected.length > 0 ? [`the model has no ${some(unexpected)}`] : []),
  ];
  return `${name} does not fit the model: ${parts.join('; ')}. Name them in { skip }, or pass { strict: false }.`;
}
