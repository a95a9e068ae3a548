/**
 * One training run from its options to its folder: trains a model, keeps the epoch that does best on the images held out,
 * evaluates it once, and writes everything down (see `run-folder.node.ts`). A run that was stopped, or killed, goes on
 * with `resume` from its last checkpoint and ends with the same bits.
 *
 *     const run = await Run.open({ model, recipe, seed: 0, validation: 5000, out: 'runs/mine' }, data, sessionOn(device));
 *     const { testAccuracy } = await run.finish();
 */
import { DeviceDataset } from '../data/device-dataset.ts';
import { fraction, positive } from '../devices/checks.ts';
import { DeviceLostError, NonFiniteError } from '../devices/errors.ts';
import type { ModelSpec } from '../nn/index.ts';
import { loadCheckpoint, saveCheckpoint } from '../train/checkpoint.node.ts';
import { planEpochs } from '../train/fit-options.ts';
import {
  buildTrainee,
  type CheckpointEvent,
  type CheckpointInfo,
  type Evaluation,
  evaluateLogits,
  type FitOptions,
  type FitResult,
  fit,
  fitOptions,
  type History,
  predictLogits,
  type Recipe,
  SWITCHED_OFF,
  type Trainee,
} from '../train/index.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import { FolderLock, sweepPartials } from './folder-lock.node.ts';
import type { RunResult } from './results.ts';
import { checkpointDataOf, checkSameData, classNamesOf, dataIdentity, type RunData } from './run-data.node.ts';
import { RunFolder, type RunIdentity } from './run-folder.node.ts';
import { checkHeldOut, keptEpoch, trainingSeconds } from './run-history.ts';
import {
  checkClassWeights,
  type DroppedImages,
  droppedIdentity,
  fitPlaces,
  noteImages,
  type RunImages,
  runImages,
} from './run-images.node.ts';
import { describeEpoch, describeProgress, describeWaiting } from './run-words.ts';
import { Interrupted, type Session } from './session.ts';
import { shellWord } from './shell-word.ts';
import { noteTestSetUse } from './test-set-ledger.node.ts';

export interface RunOptions {
  readonly model: ModelSpec;
  readonly recipe: Recipe;
  readonly seed: number;
  /** A checkpoint of the same architecture whose parameters and statistics to begin with. Default: random ones. */
  readonly from?: string;
  /** Images held out of the training set; the epoch that does best on them is kept. 0 for none: the last is kept. */
  readonly validation: number;
  /** Training images to leave out, whatever is held out. Default none. */
  readonly drop?: DroppedImages;
  /** Evaluate on the test images at the end (the default); otherwise on those held out. */
  readonly test?: boolean;
  /** How the loop works, as `fit` takes it; no number depends on it. */
  readonly loop?: Pick<FitOptions, 'checkpointEvery' | 'capture'>;
  /** The run's folder. */
  readonly out: string;
  /** Go on from the folder's last checkpoint. Default false: a new run. */
  readonly resume?: boolean;
  /** Let a new run replace one that the folder holds. Default false: only one that never came to a checkpoint. */
  readonly force?: boolean;
}

export class Run {
  readonly folder: RunFolder;
  /** All training images, on the device. */
  readonly trainingSet: DeviceDataset;
  readonly #options: RunOptions;
  readonly #data: RunData;
  readonly #session: Session;
  readonly #identity: RunIdentity;
  readonly #trainee: Trainee;
  readonly #images: RunImages;
  readonly #began = performance.now();
  #resumed: CheckpointInfo | undefined;
  /** Seconds of the epochs before a cut. */
  #secondsBefore = 0;
  /** Steps whose losses are in the log. */
  #logged = 0;
  #isClosed = false;
  #lock: FolderLock | undefined;

  private constructor(options: RunOptions, data: RunData, session: Session) {
    checkHeldOut(options.validation, options.test ?? true, options.recipe);
    const { model, recipe, seed, from, validation, drop, out } = options;
    const { train, isSample } = data;
    this.#images = runImages(train.labels, validation, drop);
    this.#options = options;
    this.#data = data;
    this.#session = session;
    const images = { validation, trainImages: train.count, sampleData: isSample, ...dataIdentity(data) };
    this.#identity = { model, seed, trained: { recipe, from, ...images, ...droppedIdentity(this.#images) } };
    this.folder = new RunFolder(out);
    this.#trainee = buildTrainee(model, recipe, session.device, seed);
    this.trainingSet = new DeviceDataset(train, session.device);
  }

  /**
   * Makes the run's folder, or takes up what it holds, and locks it until the run is closed.
   * @throws UsageError for options that cannot be, for a folder that is not a run's, and for one of a run that would be lost
   * @throws CheckpointError when there is nothing to resume, or it is of another run
   * @throws FolderLockedError when another run is at work in the folder
   */
  static async open(options: RunOptions, data: RunData, session: Session): Promise<Run> {
    const run = new Run(options, data, session);
    try {
      await run.#begin();
      return run;
    } catch (error) {
      run.dispose();
      throw error;
    }
  }

  /**
   * Trains to the end, evaluates, writes the results and closes the run.
   * @throws Interrupted when the session's signal stopped it; the state is saved and the message says how to go on
   * @throws NonFiniteError, DeviceLostError as `fit`; the last checkpoint is whole
   */
  async finish(): Promise<RunResult> {
    try {
      const trained = await this.#fit();
      await this.#takeKept();
      const evaluation = await this.#evaluate();
      return await this.#store(trained, evaluation);
    } catch (error) {
      throw await this.#noted(error);
    } finally {
      this.dispose();
    }
  }

  /** Everything that can be refused is refused before the folder is touched. */
  async #begin(): Promise<void> {
    const { resume = false } = this.#options;
    this.#checkPlan();
    await this.#checkFolder();
    if (!resume) await this.#takeStart();
    this.#lock = await FolderLock.take(this.folder.path, this.#session.command);
    // Somebody may have been at work until now.
    await this.#checkFolder();
    await sweepPartials(this.folder.path);
    if (resume) await this.#takeLast();
    await this.folder.begin(this.#identity, resume);
    const { device, command } = this.#session;
    await this.folder.note({
      event: resume ? 'resume' : 'start',
      command,
      device: device.info.description,
      adapter: device.info.adapter,
      model: this.#identity.model,
      seed: this.#identity.seed,
      ...this.#identity.trained,
      position: this.#resumed?.position,
    });
    await noteImages({ ...this.#options, images: this.#images }, this.#data, this.folder, this.#session.progress);
  }

  /** Checks what `fit` will be told. */
  #checkPlan(): void {
    const { recipe, seed, loop } = this.#options;
    const { ema, maxGradientNorm } = recipe;
    checkClassWeights(recipe, this.#data);
    fraction('Run', 'recipe.ema', ema);
    if (maxGradientNorm !== null) positive('Run', 'recipe.maxGradientNorm', maxGradientNorm);
    planEpochs(this.trainingSet, {
      ...fitOptions(recipe, this.#trainImages),
      ...loop,
      seed,
      ...fitPlaces(this.#images, this.trainingSet),
    });
  }

  /** Whether the run may begin or go on in its folder; if it goes on, how far it is. */
  async #checkFolder(): Promise<void> {
    const { resume = false, force = false } = this.#options;
    if (resume) this.#resumed = await this.folder.resumable(this.#identity);
    else await this.folder.checkFree(force);
  }

  /** Puts the parameters of the checkpoint that a new run begins with, if any, into the model. */
  async #takeStart(): Promise<void> {
    const { model, ema } = this.#trainee;
    const { from } = this.#options;
    if (from === undefined) return;
    checkSameData(await loadCheckpoint(from, model), from, this.#data);
    ema?.restart();
  }

  /** Puts the state that the run was left in into the model, and mends its log. */
  async #takeLast(): Promise<void> {
    const { model, optimizer, ema } = this.#trainee;
    const { adapter, position, history } = this.#resumed!;
    const { device, progress } = this.#session;
    await loadCheckpoint(this.folder.checkpoint('last'), model, { optimizer, ema });
    this.#secondsBefore = trainingSeconds(history as History);
    this.#logged = await this.folder.loggedSteps(lines =>
      progress.note(`The run's log held ${lines} damaged ${lines === 1 ? 'line; it is' : 'lines; they are'} left out.`),
    );
    await this.#noteSteps(history as History);
    if (adapter !== device.info.adapter) {
      progress.note(`This run began on ${adapter}; on ${device.info.adapter} it goes on, but not bit for bit.`);
    }
    progress.note(`Resuming at epoch ${position!.epoch + 1}, batch ${position!.batch}.`);
  }

  async #fit(): Promise<FitResult> {
    const { recipe, seed, loop } = this.#options;
    const { progress, signal } = this.#session;
    const { model, optimizer, ema } = this.#trainee;
    const resumed = this.#resumed;
    const plan = fitOptions(recipe, this.#trainImages);
    const waiting = describeWaiting(this.#trainImages, plan.batchSize);
    if (waiting && recipe.sampling === undefined) progress.note(waiting);
    const result = await fit(model, this.trainingSet, optimizer, {
      ...plan,
      ...loop,
      seed,
      ema,
      signal,
      ...fitPlaces(this.#images, this.trainingSet),
      resume: resumed && { position: resumed.position!, history: resumed.history as History },
      onCapture: ({ captured, reason }) => {
        if (captured || reason === SWITCHED_OFF) return;
        progress.note(`Steps are not recorded and replayed: ${reason}`);
      },
      onProgress: event => {
        progress.show(describeProgress(event));
        if (event.record) progress.note(describeEpoch(event));
      },
      onCheckpoint: event => this.#save(event),
    });
    if (!result.interrupted) return result;
    const last = this.folder.checkpoint('last');
    throw new Interrupted(
      `Stopped; ${last} is complete. Go on with the same command and --resume --out ${shellWord(this.folder.path)}.`,
    );
  }

  get #trainImages(): number {
    return this.#images.train?.length ?? this.trainingSet.count;
  }

  /** Saves the state to go on from, the model where it is the best so far, and then the log of the steps since. */
  async #save({ position, history, interrupted, isBest }: CheckpointEvent): Promise<void> {
    const { model, optimizer, ema } = this.#trainee;
    if (this.#images.heldOut && isBest) await this.#saveBest({ position });
    await saveCheckpoint(this.folder.checkpoint('last'), model, this.#describe({ position, history }), {
      optimizer,
      ema,
    });
    // Steps are logged when their checkpoint is safe, so the log of a resumed run holds every step once.
    await this.#noteSteps(history);
    if (position.batch === 0) await this.folder.note({ event: 'epoch', ...history.epochs.at(-1) });
    if (interrupted) await this.folder.note({ event: 'interrupted', position });
  }

  /** Adds the losses that the log does not hold yet. */
  async #noteSteps({ losses }: History): Promise<void> {
    if (this.#logged >= losses.length) return;
    await this.folder.note({ event: 'steps', first: this.#logged, losses: losses.slice(this.#logged) });
    this.#logged = losses.length;
  }

  /** The model as it is used: with the averaged parameters, where there are any. */
  async #saveBest(extra: Partial<CheckpointInfo>): Promise<void> {
    const { model, ema } = this.#trainee;
    ema?.swap();
    await saveCheckpoint(this.folder.checkpoint('best'), model, this.#describe(extra));
    ema?.swap();
  }

  #describe(extra: Partial<CheckpointInfo>): CheckpointInfo {
    const { device } = this.#session;
    const { model, seed, trained } = this.#identity;
    const data = checkpointDataOf(this.#data);
    return { model, data, device: device.kind, adapter: device.info.adapter, seed, options: trained, ...extra };
  }

  /** Puts the parameters that are kept into the model: those of the best epoch, or the last ones (averaged, if they are). */
  async #takeKept(): Promise<void> {
    const { model, ema } = this.#trainee;
    if (this.#images.heldOut) await loadCheckpoint(this.folder.checkpoint('best'), model);
    else ema?.swap();
  }

  get #evaluatedOn(): 'test' | 'validation' {
    return (this.#options.test ?? true) ? 'test' : 'validation';
  }

  async #evaluate(): Promise<Evaluation> {
    const { model } = this.#trainee;
    const { train, test } = this.#data;
    const names = classNamesOf(this.#data);
    const { signal } = this.#session;
    this.#session.progress.show(`Evaluating on the ${this.#evaluatedOn} images ...`);
    if (this.#evaluatedOn === 'validation') {
      const indices = this.#images.heldOut!;
      const labels = Uint8Array.from(indices, index => train.labels[index]);
      return evaluateLogits(await predictLogits(model, this.trainingSet, { indices, signal }), labels, names);
    }
    const images = new DeviceDataset(test, this.#session.device);
    try {
      return evaluateLogits(await predictLogits(model, images, { signal }), test.labels, names);
    } finally {
      images.dispose();
    }
  }

  /** Writes the model, the metrics and the figures, and notes the use of the test images. */
  async #store({ history, imagesPerSecond }: FitResult, evaluation: Evaluation): Promise<RunResult> {
    const { device, drawing } = this.#session;
    const { model, seed } = this.#options;
    const isTest = this.#evaluatedOn === 'test';
    const kept = keptEpoch(history, this.#images.heldOut !== undefined);
    const results = {
      ...(isTest && { testAccuracy: evaluation.accuracy, testLoss: evaluation.nll }),
      ...(this.#images.heldOut && { validationAccuracy: kept.validationAccuracy }),
    };
    const checkpoint = this.folder.checkpoint('model');
    await saveCheckpoint(checkpoint, this.#trainee.model, this.#describe({ results }));
    const result: RunResult = {
      device: device.kind,
      adapter: device.info.description,
      model: model.name,
      seed,
      sampleData: this.#data.isSample,
      trainImages: this.#trainImages,
      ...(this.#images.dropped && { droppedImages: this.#images.dropped.length }),
      validationImages: this.#images.heldOut?.length ?? 0,
      testImages: isTest ? this.#data.test.count : 0,
      epochs: history.epochs.length,
      bestEpoch: kept.epoch + 1,
      parameters: this.#trainee.model.parameterCount,
      ...results,
      imagesPerSecond: Math.round(imagesPerSecond),
      seconds: Math.round(this.#secondsBefore * 10 + (performance.now() - this.#began) / 100) / 10,
      checkpoint,
      evaluatedOn: this.#evaluatedOn,
      evaluation,
      history: history.epochs,
    };
    await this.folder.writeMetrics(result);
    await drawing?.training(history, evaluation, drawingFolder(this.folder.path));
    await this.#noteEvaluation(result);
    return result;
  }

  async #noteEvaluation({ evaluatedOn, evaluation, seconds, model, checkpoint, seed, sampleData }: RunResult) {
    const { accuracy, ci95, macro, images } = evaluation;
    await this.folder.note({ event: 'evaluated', on: evaluatedOn, accuracy, ci95, macro, seconds });
    if (evaluatedOn !== 'test') return;
    const use = { command: 'train', model, checkpoint, seed, sampleData, images, accuracy };
    await noteTestSetUse(this.folder.path, use, this.#session.progress);
  }

  /** The error, noted in the log where it ends a training; of a lost device, with how to go on. */
  async #noted(error: unknown): Promise<unknown> {
    // A log that cannot be written must not hide what went wrong.
    const note = (event: object) => this.folder.note(event).catch(() => {});
    if (error instanceof NonFiniteError) await note({ event: 'failed', message: error.message });
    const { signal } = this.#session;
    if (signal.aborted && error === signal.reason) {
      return new Interrupted(
        `Stopped before the evaluation. Go on with the same command and --resume --out ${shellWord(this.folder.path)}.`,
      );
    }
    if (!(error instanceof DeviceLostError)) return error;
    await note({ event: 'lost', message: error.message });
    const last = this.folder.checkpoint('last');
    return new DeviceLostError(
      `${error.message} ${
        (await this.folder.isResumable())
          ? `${last} is complete: go on with the same command and --resume --out ${shellWord(this.folder.path)}.`
          : 'No checkpoint had been written yet; begin again, with --checkpoint-every for long epochs.'
      }`,
    );
  }

  /** Frees the model and the images; `finish` does it too. */
  dispose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#lock?.release();
    this.#trainee.dispose();
    this.trainingSet.dispose();
  }
}
