/** Every metric of a checkpoint, or of several averaged, on images it has not seen (`weft evaluate`). */
import { join } from 'node:path';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import type { Dataset } from '../data/index.node.ts';
import { UsageError } from '../devices/errors.ts';
import type { Module } from '../nn/index.ts';
import { ensureWritable, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadModel } from '../train/checkpoint.node.ts';
import {
  type CheckpointInfo,
  confidentMistakes,
  evaluateLogits,
  heldOutImages,
  mcNemar,
  predictEnsemble,
  predictedClasses,
  reliabilityTable,
  type Scores,
  softmaxRows,
  testTimeViews,
  type View,
  type ViewName,
} from '../train/index.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import { heldOutTemperature } from './held-out-temperature.ts';
import type { EvaluateResult } from './results.ts';
import { checkSameData } from './run-data.node.ts';
import type { Session } from './session.ts';
import { noteTestSetUse } from './test-set-ledger.node.ts';

export interface EvaluateOptions extends DataOptions {
  /** Several are averaged. */
  readonly checkpoint: readonly string[];
  /** Another checkpoint, or average, to compare with. */
  readonly compare?: readonly string[];
  /** Views of every image that are averaged over. */
  readonly tta: readonly ViewName[];
  readonly on: 'test' | 'validation';
  /** true: insist; false: leave it; undefined: where it can be done. */
  readonly temperature?: boolean;
  /** Where to write metrics.json, mistakes.json and figures/; absent for nowhere. */
  readonly out?: string;
}

const MISTAKES = 60;
/** The folder whose ledger notes the use of the test images where none is named. */
const DEFAULT_FOLDER = 'runs/evaluate';

interface Member {
  readonly name: string;
  readonly info: CheckpointInfo;
  readonly model: Module;
}

/**
 * Evaluates checkpoints.
 * @throws UsageError for images that there are not, or a temperature that cannot be had; the reason of the session's signal
 *   when it is raised: no use of the test images is noted then that did not give a result
 */
export async function evaluateCheckpoints(options: EvaluateOptions, session: Session): Promise<EvaluateResult> {
  const evaluation = new CheckpointEvaluation(options, session);
  try {
    return await evaluation.run();
  } finally {
    evaluation.dispose();
  }
}

class CheckpointEvaluation {
  readonly #options: EvaluateOptions;
  readonly #session: Session;
  readonly #views: readonly View[];
  readonly #members: Member[] = [];
  readonly #others: Member[] = [];
  #images: DeviceDataset | undefined;

  constructor(options: EvaluateOptions, session: Session) {
    this.#options = options;
    this.#session = session;
    this.#views = testTimeViews(options.tta);
  }

  async run(): Promise<EvaluateResult> {
    const { checkpoint, compare, on, tta, out } = this.#options;
    const { device, progress } = this.#session;
    await this.#load(checkpoint, this.#members);
    if (compare) await this.#load(compare, this.#others);
    if (out !== undefined) await ensureWritable(out);
    const data = await obtainDataset(this.#options, progress, this.#session.signal);
    for (const { name, info } of [...this.#members, ...this.#others]) checkSameData(info, name, data);
    const { classNames } = data;
    const indices =
      on === 'validation'
        ? heldOutImages([...this.#members, ...this.#others], data.train.labels, data.isSample)
        : undefined;
    const set = indices ? data.train : data.test;
    const labels = indices ? Uint8Array.from(indices, index => data.train.labels[index]) : data.test.labels;
    this.#images = new DeviceDataset(set, device);
    const logits = await this.#predict(this.#members, this.#images, indices);
    const temperature = await this.#temperature(data);
    const evaluation = evaluateLogits(logits, labels, classNames);
    const calibrated = temperature === null ? undefined : evaluateLogits(logits, labels, classNames, temperature);
    await this.#noteUse(this.#members, data, labels, evaluation.accuracy);
    const result: EvaluateResult = {
      model: modelNames(this.#members),
      checkpoint: checkpoint.join(','),
      on,
      sampleData: data.isSample,
      tta,
      ...evaluation,
      temperature,
      ...(calibrated && { calibrated: { nll: calibrated.nll, brier: calibrated.brier, ece: calibrated.ece } }),
      ...(compare && { comparison: await this.#compare(data, logits, labels, indices) }),
    };
    if (out) await this.#write(out, result, logits, labels, set, indices);
    return result;
  }

  async #load(names: readonly string[], members: Member[]): Promise<void> {
    if (names.length === 0) throw new UsageError('evaluate: no checkpoint is named.');
    for (const name of names) members.push({ name, ...(await loadModel(name, this.#session.device)) });
  }

  #predict(members: readonly Member[], from: DeviceDataset, indices?: Uint32Array) {
    return predictEnsemble(
      members.map(({ model }) => model),
      from,
      {
        views: this.#views,
        indices,
        signal: this.#session.signal,
        onProgress: (done, total) => this.#session.progress.show(`${done} of ${total} images`),
      },
    );
  }

  /** The temperature that suits the held-out images; null where there are none, or it is not wanted. */
  async #temperature({ train, isSample }: Dataset): Promise<number | null> {
    const { temperature, on } = this.#options;
    if (temperature === false || (on === 'validation' && !temperature)) return null;
    if (on === 'validation') {
      throw new UsageError('A temperature fitted on the images that it is judged by says nothing.');
    }
    return heldOutTemperature({
      members: this.#members,
      train,
      isSample,
      isRequired: temperature,
      session: this.#session,
      predict: (images, indices) => this.#predict(this.#members, images, indices),
    });
  }

  /** Is the difference to the others more than luck? */
  async #compare(
    data: Dataset,
    logits: Scores,
    labels: Uint8Array,
    indices: Uint32Array | undefined,
  ): Promise<EvaluateResult['comparison']> {
    const theirs = await this.#predict(this.#others, this.#images!, indices);
    const { accuracy } = evaluateLogits(theirs, labels, data.classNames);
    const classes = data.classNames.length;
    const verdict = mcNemar(predictedClasses(logits, classes), predictedClasses(theirs, classes), labels);
    await this.#noteUse(this.#others, data, labels, accuracy);
    return { checkpoint: this.#options.compare!.join(','), accuracy, ...verdict };
  }

  async #noteUse(
    members: readonly Member[],
    { isSample }: Dataset,
    labels: Uint8Array,
    accuracy: number,
  ): Promise<void> {
    if (this.#options.on !== 'test') return;
    const use = {
      command: 'evaluate',
      sampleData: isSample,
      images: labels.length,
      model: modelNames(members),
      checkpoint: members.map(({ name }) => name).join(','),
      accuracy,
    };
    await noteTestSetUse(this.#options.out ?? DEFAULT_FOLDER, use, this.#session.progress);
  }

  /** Writes metrics.json, mistakes.json and figures/ into a folder. */
  async #write(
    out: string,
    result: EvaluateResult,
    logits: Scores,
    labels: Uint8Array,
    set: ImageSet,
    indices: Uint32Array | undefined,
  ): Promise<void> {
    const { temperature } = result;
    await writeJsonAtomically(join(out, 'metrics.json'), result);
    const names = result.perClass.map(({ name }) => name);
    const probabilities = softmaxRows(logits, names.length);
    const mistakes = confidentMistakes(probabilities, labels, MISTAKES).map(mistake => ({
      ...mistake,
      image: indices ? indices[mistake.index] : mistake.index,
    }));
    // The sheet shows them in this order, row by row.
    await writeJsonAtomically(
      join(out, 'mistakes.json'),
      mistakes.map(({ image, label, predicted, confidence }) => ({
        image,
        label: names[label],
        predicted: names[predicted],
        confidence,
      })),
    );
    await this.#session.drawing?.checkpoint(
      {
        result,
        reliability: reliabilityTable(probabilities, labels),
        ...(temperature !== null && {
          calibrated: reliabilityTable(softmaxRows(logits, names.length, temperature), labels),
        }),
        mistakes: mistakes.map(({ image }) => image),
        set,
      },
      drawingFolder(out),
    );
  }

  dispose(): void {
    this.#images?.dispose();
    for (const { model } of [...this.#members, ...this.#others]) model.dispose();
  }
}

/** Names of the members' architectures, each once. */
const modelNames = (members: readonly Member[]): string =>
  [...new Set(members.map(({ info }) => info.model.name))].join('+');
