/**
 * Judging: several methods, several measures, the same images. Maps are made once per method and measured together, so
 * that what the network must be asked anyway (noise for infidelity, random weights, a planted cue) is shared. Between two
 * pieces of work the run can be stopped; measures that were finished by then stand.
 */
import { UsageError } from '../../devices/errors.ts';
import type { Module } from '../../nn/index.ts';
import { tidy } from '../../tensor/lifetime.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { checkBootstrap } from '../../train/comparison.ts';
import { type Attribution, type CompleteAttribution, DEFAULT_BATCH } from '../attribution.ts';
import { imageRows } from '../evaluation.ts';
import { METHOD_NAMES, type MethodContext, methodNamed, type NamedMethod } from '../methods.ts';
import { checkCount } from '../player-attribution.ts';
import { agreementMatrix } from './agreement-matrix.ts';
import { BASELINE_METHODS, RANDOM_MAP } from './baselines.ts';
import { deletion, insertion } from './deletion-insertion.ts';
import type { Explainer } from './images.ts';
import { infidelities } from './infidelity.ts';
import {
  type JudgedMeasure,
  type JudgedMethod,
  type Judgement,
  jsonNumber,
  judgedMeasure,
  type RawScores,
} from './judgement.ts';
import { MEASURE_NAMES, type MeasureName, measureNamed } from './measures.ts';
import { parameterRandomisation } from './parameter-randomisation.ts';
import { type PlantedCue, plantedCue } from './planted-cue.ts';
import { road } from './road.ts';
import { sensitivityMax } from './sensitivity.ts';

/** The methods that can be judged: all there are, and the baselines. */
export const JUDGED_NAMES: readonly string[] = [...METHOD_NAMES, ...Object.keys(BASELINE_METHODS)];

/** A method or a baseline by name; throws UsageError listing those there are. */
export function judgedMethodNamed(name: string): NamedMethod {
  return Object.hasOwn(BASELINE_METHODS, name) ? BASELINE_METHODS[name] : methodNamed(name);
}

export interface JudgeOptions extends MethodContext {
  /** Methods and baselines by name; the random map is always among them. */
  readonly methods: readonly string[];
  /** Default: all; `cue` only where there are training images. */
  readonly measures?: readonly MeasureName[];
  /** Training images [M, H, W, C]: to learn a planted cue from, and to measure batch-norm statistics on. */
  readonly training?: Tensor;
  /** The costly measures use this many of the images, the first. Default: all. */
  readonly costlyImages?: number;
  /** Disturbed copies per image for sensitivity. Default 10. */
  readonly sensitivitySamples?: number;
  /** Disturbances per image for infidelity. Default 200. */
  readonly infidelitySamples?: number;
  /** Most steps of learning the planted cue. Default: see PlantedCueOptions. */
  readonly cueSteps?: number;
  /** Bootstrap resamples. Default 1000. */
  readonly resamples?: number;
  readonly onProgress?: (what: string) => void;
  /** Stops the run before the next piece of work. */
  readonly signal?: AbortSignal;
}

/** What every measure is given. */
interface MeasureInputs {
  readonly model: Module;
  readonly x: Tensor;
  readonly options: JudgeOptions;
  readonly names: readonly string[];
  readonly attributions: readonly Attribution[];
  /** The first images, for costly measures, and the classes they are explained for. */
  readonly few: Tensor;
  readonly fewTargets: Int32Array;
  readonly target: Int32Array;
}

/**
 * Judges methods on images.
 *
 * @param x images [N, H, W, C]
 * @returns plain JSON; `missing` lists the measures that an abort left out
 * @throws UsageError for unknown names, or a planted cue without training images
 */
export async function judgeMethods(model: Module, x: Tensor, options: JudgeOptions): Promise<Judgement> {
  const { seed = 0, signal, resamples = 1000, onProgress = () => {} } = options;
  const measures = wantedMeasures(options);
  checkCounts(options);
  const names = [...new Set([...options.methods, RANDOM_MAP])];
  for (const name of names) judgedMethodNamed(name);
  const count = options.costlyImages ?? x.shape[0];
  if (!Number.isInteger(count) || count < 1) {
    throw new UsageError(`Costly measures need a whole number of at least 1 image, not ${count}.`);
  }
  const attributions: Attribution[] = [];
  const methods: JudgedMethod[] = [];
  for (const name of names) {
    signal?.throwIfAborted();
    onProgress(`maps: ${name}`);
    const began = performance.now();
    attributions.push(await judgedMethodNamed(name).run(model, x, contextOf(options)));
    const seconds = Math.round(performance.now() - began) / 1000;
    methods.push({ name, isBaseline: Object.hasOwn(BASELINE_METHODS, name), seconds });
  }
  const agreement = await agreementMatrix(x, attributions);
  const few = tidy(() => imageRows(x, 0, Math.min(count, x.shape[0])));
  const { target } = attributions[0];
  const inputs = { model, x, options, names, attributions, few, target, fewTargets: target.slice(0, few.shape[0]) };
  const judged: JudgedMeasure[] = [];
  const note = (name: MeasureName, scores: RawScores): void => {
    if (!measures.includes(name)) return;
    onProgress(`${name}: intervals`);
    judged.push(judgedMeasure(name, methods, scores, RANDOM_MAP, { seed, resamples }));
  };
  let cue: PlantedCue | undefined;
  try {
    for (const name of measures) {
      if (judged.some(done => done.name === name)) continue;
      signal?.throwIfAborted();
      if (name === 'randomisation' || name === 'randomisation-absolute') {
        const stages = await randomised(inputs);
        note(
          'randomisation',
          stages.map(of => of.at(-1)!.signed),
        );
        note(
          'randomisation-absolute',
          stages.map(of => of.at(-1)!.absolute),
        );
      } else if (name === 'cue') {
        cue = await cued(inputs);
        note('cue', cue.shares);
      } else note(name, await SIMPLE[name](inputs));
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  } finally {
    few.dispose();
  }
  const order = (name: MeasureName): number => MEASURE_NAMES.indexOf(name);
  return {
    images: x.shape[0],
    seed,
    methods,
    measures: judged.sort((a, b) => order(a.name) - order(b.name)),
    agreement: agreement.map(row => row.map(jsonNumber)),
    ...(cue && { cue: { accuracy: cue.accuracy, area: cue.area, steps: cue.steps, loss: cue.loss } }),
    missing: measures.filter(name => !judged.some(done => done.name === name)),
  };
}

function wantedMeasures({ measures, training }: JudgeOptions): MeasureName[] {
  const wanted = measures ?? MEASURE_NAMES.filter(name => name !== 'cue' || training);
  for (const name of wanted) measureNamed(name);
  if (wanted.length === 0) throw new UsageError('Name at least one measure to judge by.');
  if (wanted.includes('cue') && !training)
    throw new UsageError('A planted cue needs training images to be learned from.');
  return [...new Set(wanted)];
}

/** What would otherwise be noticed after the maps are made. */
function checkCounts({ resamples, sensitivitySamples, infidelitySamples, cueSteps }: JudgeOptions): void {
  checkBootstrap({ resamples });
  if (sensitivitySamples !== undefined) checkCount(sensitivitySamples, 1, 'sensitivitySamples');
  if (infidelitySamples !== undefined) checkCount(infidelitySamples, 2, 'infidelitySamples');
  if (cueSteps !== undefined) checkCount(cueSteps, 1, 'cueSteps');
}

function contextOf({ background, layer, segments, seed, batchSize, target }: JudgeOptions): MethodContext {
  return { background, layer, segments, seed, batchSize, target };
}

/** One of the methods, to be called again; says what it is doing, and stops when it should. */
function explainerOf(name: string, what: string, { model, options }: MeasureInputs): Explainer {
  return (images, target, keys) => {
    options.signal?.throwIfAborted();
    options.onProgress?.(`${what}: ${name}`);
    return judgedMethodNamed(name).run(model, images, { ...contextOf(options), target, keys });
  };
}

type SimpleMeasure = Exclude<MeasureName, 'randomisation' | 'randomisation-absolute' | 'cue'>;

const SIMPLE: Readonly<Record<SimpleMeasure, (inputs: MeasureInputs) => Promise<RawScores>>> = {
  deletion: inputs =>
    perMethod(inputs, 'deletion', async (f, x, maps, options) => (await deletion(f, x, maps, options)).auc),
  insertion: inputs =>
    perMethod(inputs, 'insertion', async (f, x, maps, options) => (await insertion(f, x, maps, options)).auc),
  road: inputs => perMethod(inputs, 'road', async (f, x, maps, options) => (await road(f, x, maps, options)).combined),
  async infidelity({ model, x, attributions, target, options }) {
    const { seed, batchSize, infidelitySamples: samples, onProgress } = options;
    onProgress?.('infidelity');
    const found = await infidelities(model, x, attributions, { target, seed, batchSize, samples });
    return found.map(({ infidelity }) => infidelity);
  },
  async sensitivity(inputs) {
    const { names, few, fewTargets, options } = inputs;
    const { seed, sensitivitySamples: samples } = options;
    const found: Float64Array[] = [];
    for (const name of names) {
      const explain = explainerOf(name, 'sensitivity', inputs);
      found.push(await sensitivityMax(explain, few, { target: fewTargets, seed, samples }));
    }
    return found;
  },
  completeness: async ({ attributions }) =>
    attributions.map(attribution =>
      'additivityErrors' in attribution ? (attribution as CompleteAttribution).additivityErrors : undefined,
    ),
};

async function perMethod(
  { model, x, names, attributions, target, options }: MeasureInputs,
  what: string,
  measure: (
    f: Module,
    x: Tensor,
    maps: Attribution,
    options: { target: Int32Array; seed?: number; batchSize?: number },
  ) => Promise<Float64Array>,
): Promise<RawScores> {
  const { seed, batchSize, signal, onProgress } = options;
  const found: Float64Array[] = [];
  for (const [m, maps] of attributions.entries()) {
    signal?.throwIfAborted();
    onProgress?.(`${what}: ${names[m]}`);
    found.push(await measure(model, x, maps, { target, seed, batchSize }));
  }
  return found;
}

function randomised(inputs: MeasureInputs) {
  const { model, few, fewTargets, names, options } = inputs;
  const { seed, batchSize, training } = options;
  const explainers = names.map(name => explainerOf(name, 'randomised network', inputs));
  return parameterRandomisation(model, few, explainers, { target: fewTargets, calibration: training, seed, batchSize });
}

function cued(inputs: MeasureInputs): Promise<PlantedCue> {
  const { model, few, names, options } = inputs;
  const { background, training, seed, batchSize = DEFAULT_BATCH, signal, cueSteps: steps, onProgress } = options;
  const explainers = names.map((name): Parameters<typeof plantedCue>[2][number] => (images, target, stamped) => {
    onProgress?.(`planted cue: ${name}`);
    return judgedMethodNamed(name).run(model, images, { ...contextOf(options), target, background: stamped });
  });
  return plantedCue(model, few, explainers, {
    training: training!,
    background,
    seed,
    batchSize,
    signal,
    steps,
    onProgress: (what, done, total) => onProgress?.(`planted cue: ${what}, ${done} of ${total}`),
  });
}
