/** The stage `robustness`: what is left of checkpoints' accuracy when the test images are corrupted. */

import { join } from 'node:path';
import { UsageError } from '../devices/errors.ts';
import type { Module } from '../nn/index.ts';
import { ensureWritable, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadModel } from '../train/checkpoint.node.ts';
import {
  type CheckpointInfo,
  checkRobustnessOptions,
  corruptionTables,
  type RobustnessOptions,
} from '../train/index.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import type { RobustnessModel, RobustnessResult } from './results.ts';
import { aboutData, checkSameData } from './run-data.node.ts';
import { Interrupted, type Session } from './session.ts';
import { noteTestSetUse } from './test-set-ledger.node.ts';

/** Beside it the use of the test images is written down where nothing else is written. */
const DEFAULT_FOLDER = 'runs/robustness';

/** `limit`: only the first so many test images. */
export interface RobustnessStudyOptions extends DataOptions, Pick<RobustnessOptions, 'corruptions' | 'severities'> {
  /** They see the same images. */
  readonly checkpoint: readonly string[];
  readonly seed: number;
  /** Where to write robustness.json and figures/; absent for nowhere. */
  readonly out?: string;
}

/**
 * Measures checkpoints on corrupted test images; writes robustness.json and figures/ into `out`, where one is given.
 * @throws Interrupted when the session's signal is raised
 */
export async function robustnessStudy(options: RobustnessStudyOptions, session: Session): Promise<RobustnessResult> {
  const { checkpoint, corruptions, out, seed, severities } = options;
  const { device, progress, signal, drawing } = session;
  checkRobustnessOptions(options);
  if (checkpoint.length === 0) throw new UsageError('robustness: no checkpoint is named.');
  const models: Module[] = [];
  const infos: CheckpointInfo[] = [];
  try {
    for (const file of checkpoint) {
      const { model, info } = await loadModel(file, device);
      models.push(model);
      infos.push(info);
    }
    const data = await obtainDataset(options, progress, signal);
    infos.forEach((info, m) => {
      checkSameData(info, checkpoint[m], data);
    });
    if (out !== undefined) await ensureWritable(out);
    const { test, isSample } = data;
    const tables = await corruptionTables(models, test, {
      device,
      corruptions,
      severities,
      seed,
      signal,
      onProgress: (pass, done, total) =>
        progress.show(`${pass} (${done} of ${total} passes over ${test.count} images)`),
    }).catch(error => {
      throw signal.aborted ? new Interrupted('Stopped before all corruptions were measured.') : error;
    });
    const measured = tables.map(
      (table, m): RobustnessModel => ({ model: infos[m].model.name, checkpoint: checkpoint[m], ...table }),
    );
    for (const { model, checkpoint: file, clean } of measured) {
      const use = { command: 'robustness', model, checkpoint: file, seed, sampleData: isSample };
      await noteTestSetUse(out ?? DEFAULT_FOLDER, { ...use, images: clean.images, accuracy: clean.accuracy }, progress);
    }
    const result: RobustnessResult = {
      device: device.kind,
      seed,
      sampleData: isSample,
      ...aboutData(data),
      images: test.count,
      severities,
      models: measured,
      figures:
        out === undefined
          ? undefined
          : await drawing?.robustness(
              test,
              measured,
              { seed, severities, classes: data.classNames.length },
              drawingFolder(out),
            ),
    };
    if (out !== undefined) await writeJsonAtomically(join(out, 'robustness.json'), result);
    return result;
  } finally {
    for (const model of models) model.dispose();
  }
}
