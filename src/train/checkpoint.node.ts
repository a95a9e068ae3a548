/** Checkpoints as files: written to a temporary name and renamed, so a killed process leaves the last good one. */
import { readFile } from 'node:fs/promises';
import type { Device } from '../devices/device.ts';
import { CheckpointError } from '../devices/errors.ts';
import { buildModel, type Module } from '../nn/index.ts';
import { writeFileAtomically } from './atomic-file.node.ts';
import {
  type CheckpointInfo,
  checkpointInfo,
  encodeCheckpoint,
  restoreCheckpoint,
  type TrainingState,
} from './checkpoint.ts';
import { checkpointPath } from './pretrained.node.ts';

/** Reads everything from the device and writes it to `path`. */
export async function saveCheckpoint(
  path: string,
  model: Module,
  info: CheckpointInfo,
  state: TrainingState = {},
): Promise<void> {
  await writeFileAtomically(path, await encodeCheckpoint(model, info, state));
}

async function readBytes(reference: string): Promise<Uint8Array> {
  const path = checkpointPath(reference);
  try {
    return await readFile(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CheckpointError(
      missing
        ? `There is no checkpoint ${path}.`
        : `The checkpoint ${path} cannot be read: ${(error as Error).message}.`,
    );
  }
}

/** What the checkpoint at `path` (or `pretrained:NAME`) is of. Throws CheckpointError in one sentence. */
export async function readCheckpointInfo(path: string): Promise<CheckpointInfo> {
  return checkpointInfo(await readBytes(path), path);
}

/** Puts the checkpoint at `path` (or `pretrained:NAME`) into a model; see restoreCheckpoint. */
export async function loadCheckpoint(path: string, model: Module, state: TrainingState = {}): Promise<CheckpointInfo> {
  return restoreCheckpoint(await readBytes(path), path, model, state);
}

/**
 * The model that the checkpoint at `path` (or `pretrained:NAME`) holds, on a device. The caller disposes it.
 * @throws CheckpointError in one sentence
 */
export async function loadModel(path: string, device: Device): Promise<{ model: Module; info: CheckpointInfo }> {
  const info = await readCheckpointInfo(path);
  const model = buildModel(info.model).initialize({ device });
  try {
    await loadCheckpoint(path, model);
    return { model, info };
  } catch (error) {
    model.dispose();
    throw error;
  }
}
