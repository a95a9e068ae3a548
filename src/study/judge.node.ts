/** The stage `judge`: how far explanations can be trusted, as a table of methods and measures. */

import { join } from 'node:path';
import { stratifiedSplit } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../devices/errors.ts';
import { judgeMethods, type JudgeOptions as MeasuringOptions } from '../explain/index.ts';
import { dispose } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { ensureWritable, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadModel } from '../train/checkpoint.node.ts';
import { chooseImages } from './chosen-images.node.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import type { ImageSelection } from './image-selection.ts';
import { imagesOf } from './image-tensor.ts';
import type { JudgeResult } from './results.ts';
import { aboutData, checkSameData } from './run-data.node.ts';
import { Interrupted, type Session } from './session.ts';
import { noteTestSetUse } from './test-set-ledger.node.ts';

/** What is measured, and how much work goes into it; see `judgeMethods`. */
type Measuring = Pick<
  MeasuringOptions,
  'methods' | 'measures' | 'layer' | 'costlyImages' | 'infidelitySamples' | 'sensitivitySamples' | 'cueSteps'
>;

export interface JudgeOptions extends DataOptions, Measuring {
  readonly checkpoint: string;
  readonly images: ImageSelection;
  /** Training images that methods compare with. */
  readonly background: number;
  /** Training images for the planted cue and for batch-norm statistics. */
  readonly training: number;
  readonly seed: number;
  readonly out: string;
}

/**
 * Judges explanations; writes judge.json and figures/ into `out`.
 *
 * @throws UsageError for names and images that there are not; Interrupted when the session's signal is raised: what was
 *   measured by then lies in judge.partial.json
 */
export async function judgeStudy(options: JudgeOptions, session: Session): Promise<JudgeResult> {
  const { device, progress, signal, drawing } = session;
  const { out, seed, checkpoint } = options;
  const began = performance.now();
  const { model, info } = await loadModel(checkpoint, device);
  const tensors: Tensor[] = [];
  try {
    model.eval();
    const data = await obtainDataset(options, progress, signal);
    checkSameData(info, checkpoint, data);
    const { background: compared } = options;
    if (compared > data.train.count) {
      throw new UsageError(`judge: there are only ${data.train.count} training images, not ${compared}.`);
    }
    await ensureWritable(out);
    const chosen = await chooseImages(options.images, data, model, session);
    if (chosen.testAccuracy) {
      const use = { command: 'judge', model: info.model.name, checkpoint };
      await noteTestSetUse(out, { ...use, sampleData: data.isSample, ...chosen.testAccuracy }, progress);
    }
    const all = Array.from({ length: chosen.set.count }, (_, i) => i);
    const x = imagesOf(chosen.set, all, device);
    const background = imagesOf(data.train, trainingChoice(data, compared, seed), device);
    const training = imagesOf(data.train, trainingChoice(data, options.training, seed + 1), device);
    tensors.push(x, background, training);
    const judgement = await judgeMethods(model, x, {
      ...options,
      background,
      training,
      signal,
      onProgress: what => progress.show(`judge: ${what}`),
    }).catch(error => {
      if (signal.aborted) throw new Interrupted('Stopped before the first measure; the same command starts again.');
      throw error;
    });
    const isWhole = judgement.missing.length === 0;
    const result: JudgeResult = {
      device: device.kind,
      model: info.model.name,
      checkpoint,
      sampleData: data.isSample,
      ...aboutData(data),
      background: compared,
      seconds: Math.round(performance.now() - began) / 1000,
      ...judgement,
      figures: (isWhole && (await drawing?.judgement(judgement, drawingFolder(out)))) || [],
    };
    const file = join(out, isWhole ? 'judge.json' : 'judge.partial.json');
    await writeJsonAtomically(file, result);
    if (isWhole) return result;
    throw new Interrupted(
      `Stopped; what was measured by then lies in ${file}, missing ${judgement.missing.join(', ')}.`,
    );
  } finally {
    dispose(...tensors);
    model.dispose();
  }
}

/** Training images, equally many of each class as far as that goes; all where there are no more. */
function trainingChoice({ train }: Dataset, count: number, seed: number): ArrayLike<number> {
  return count >= train.count ? Array.from(train.labels.keys()) : stratifiedSplit(train.labels, count, seed).heldOut;
}
