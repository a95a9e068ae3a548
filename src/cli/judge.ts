/** `weft judge`: how far explanations of a checkpoint can be trusted, as a table of methods and measures. */
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { noGrad } from '../autograd/index.ts';
import { stratifiedSplit } from '../data/batches.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { FashionMnist } from '../data/fashion-mnist.ts';
import { UsageError } from '../devices/errors.ts';
import {
  JUDGED_NAMES,
  judgedMethodNamed,
  judgeMethods,
  MEASURE_NAMES,
  type MeasureName,
  measureNamed,
} from '../explain/index.ts';
import { buildModel } from '../nn/index.ts';
import { htmlReport } from '../report/index.node.ts';
import type { FigureSource } from '../report/study/chapter.ts';
import { explanationsSection, type JudgeResult, judgementFigures, number } from '../report/study/explanations.ts';
import { dispose } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadCheckpoint, readCheckpointInfo } from '../train/checkpoint.node.ts';
import { noteTestSetUse } from '../train/test-set-ledger.node.ts';
import { chooseImages } from './chosen-images.ts';
import { type ImageSelection, imageSelection } from './image-selection.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { Interrupted, obtainData, type Session, unlessInterrupted, withSession } from './session.ts';

export interface JudgeCommandOptions extends SharedOptions {
  readonly checkpoint: string;
  readonly images: ImageSelection;
  readonly methods: readonly string[];
  readonly measures: readonly MeasureName[];
  readonly layer?: string;
  /** Training images that methods compare with. */
  readonly background: number;
  /** Training images for the planted cue and for batch-norm statistics. */
  readonly training: number;
  /** Images of the costly measures; default all. */
  readonly costlyImages?: number;
  /** Disturbances per image for infidelity and copies for sensitivity; default as published. */
  readonly infidelitySamples?: number;
  readonly sensitivitySamples?: number;
  readonly cueSteps?: number;
}

/** Six methods and their baselines by every measure but the planted cue, in about a minute on two processor cores. */
export const JUDGE_LIGHT = {
  images: imageSelection('test:0-31'),
  methods: ['grad-cam', 'guided-backprop', 'integrated-gradients', 'deep-shap', 'random-map', 'edge-detector'],
  measures: ['deletion', 'insertion', 'road', 'completeness', 'randomisation', 'randomisation-absolute'],
  background: 16,
  training: 256,
} as const satisfies Partial<JudgeCommandOptions>;

const DEFAULT_METHODS = [
  ...['grad-cam', 'saliency', 'guided-backprop', 'input-x-gradient', 'integrated-gradients', 'deep-shap'],
  ...['lime', 'random-map', 'edge-detector'],
];
const DEFAULT_OUT = 'runs/judge';

function checkedList<T extends string>(all: readonly T[], check: (name: string) => unknown): (text: string) => T[] {
  return text => {
    const names = text === 'all' ? [...all] : text.split(',').filter(name => name !== '');
    try {
      for (const name of names) check(name);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
    if (names.length === 0) throw new InvalidArgumentError('Name at least one.');
    return [...new Set(names)] as T[];
  };
}

export const judgeCommand = withSharedOptions(new Command('judge'))
  .description('measure how far explanations of a checkpoint can be trusted')
  .requiredOption('--checkpoint <file>', 'a .safetensors file written by weft train, or pretrained:NAME')
  .addOption(
    new Option('--images <selection>', 'as for weft explain')
      .argParser(imageSelection)
      .default(imageSelection('test:0-99'), 'test:0-99'),
  )
  .option(
    '--methods <names>',
    `all, or a list of ${JUDGED_NAMES.join(', ')}`,
    checkedList(JUDGED_NAMES, judgedMethodNamed),
    DEFAULT_METHODS,
  )
  .option(
    '--measures <names>',
    `all, or a list of ${MEASURE_NAMES.join(', ')}`,
    checkedList(MEASURE_NAMES, measureNamed),
    MEASURE_NAMES,
  )
  .option('--layer <path>', 'layer of the class activation maps (default: the last convolutional stage)')
  .option('--background <n>', 'training images that SHAP compares with', wholeNumber(1), 20)
  .option('--training <n>', 'training images for the planted cue and batch-norm statistics', wholeNumber(1), 1024)
  .option(
    '--costly-images <n>',
    'images for sensitivity, randomisation and planted cue (default: all that are judged)',
    wholeNumber(1),
  )
  .option('--cue-steps <n>', 'most training steps of the planted cue', wholeNumber(1))
  .action(async (options: JudgeCommandOptions) => {
    const out = options.out ?? DEFAULT_OUT;
    const work = async (session: Session) => {
      const figures = new Map<string, string>();
      const result = await judgeStudy({ ...options, out }, session, figures);
      const read: FigureSource = file => ({ svg: figures.get(file)! });
      const page = join(out, 'report.html');
      const html = htmlReport({
        title: `Explanations of ${result.model}, judged`,
        notice: result.sampleData ? 'SAMPLE DATA: the small data set of this package.' : undefined,
        sections: [explanationsSection(result, read)],
      });
      await writeFileAtomically(page, html);
      return { result, page };
    };
    const done = await unlessInterrupted(withSession(options, work));
    if (!done) return;
    if (options.json) console.log(JSON.stringify(done.result));
    else print(done.result, done.page);
  });

/**
 * Judges explanations; writes judge.json and figures/ into `out`.
 *
 * @param figures receives the charts by file name, for a caller that makes a page of them at once
 * @throws UsageError for names and images that there are not; Interrupted when the session's signal is raised: what was
 *   measured by then lies in judge.partial.json
 */
export async function judgeStudy(
  options: JudgeCommandOptions & { readonly out: string },
  session: Session,
  figures: Map<string, string> = new Map(),
): Promise<JudgeResult> {
  const { device, progress, signal } = session;
  const { out, seed, methods, measures, layer, costlyImages, cueSteps, infidelitySamples, sensitivitySamples } =
    options;
  const began = performance.now();
  const info = await readCheckpointInfo(options.checkpoint);
  const data = await obtainData(options, progress);
  if (options.background > data.train.count) {
    throw new UsageError(`judge: there are only ${data.train.count} training images, not ${options.background}.`);
  }
  const model = buildModel(info.model).initialize({ device });
  const tensors: Tensor[] = [];
  try {
    await loadCheckpoint(options.checkpoint, model);
    model.eval();
    const chosen = await chooseImages(options.images, data, model, session);
    if (chosen.testAccuracy) {
      const use = { command: 'judge', model: info.model.name, checkpoint: options.checkpoint };
      await noteTestSetUse(out, { ...use, sampleData: data.isSample, ...chosen.testAccuracy });
    }
    const all = Array.from({ length: chosen.set.count }, (_, i) => i);
    const x = imagesOf(chosen.set, all, device);
    const background = imagesOf(data.train, trainingChoice(data, options.background, seed), device);
    const training = imagesOf(data.train, trainingChoice(data, options.training, seed + 1), device);
    tensors.push(x, background, training);
    const judgement = await judgeMethods(model, x, {
      ...{ methods, measures, background, training, layer, seed, signal },
      ...{ costlyImages, cueSteps, infidelitySamples, sensitivitySamples },
      onProgress: what => progress.show(`judge: ${what}`),
    }).catch(error => {
      if (signal.aborted) throw new Interrupted('Stopped before the first measure; the same command starts again.');
      throw error;
    });
    const charts = judgementFigures(judgement);
    const result: JudgeResult = {
      device: device.kind,
      model: info.model.name,
      checkpoint: options.checkpoint,
      sampleData: data.isSample,
      background: options.background,
      seconds: Math.round(performance.now() - began) / 1000,
      ...judgement,
      figures: Object.keys(charts),
    };
    if (judgement.missing.length > 0) {
      const file = join(out, 'judge.partial.json');
      await writeJsonAtomically(file, result);
      throw new Interrupted(
        `Stopped; what was measured by then lies in ${file}, missing ${judgement.missing.join(', ')}.`,
      );
    }
    for (const [file, svg] of Object.entries(charts)) {
      figures.set(file, svg);
      await writeFileAtomically(join(out, 'figures', file), svg);
    }
    await writeJsonAtomically(join(out, 'judge.json'), result);
    return result;
  } finally {
    dispose(...tensors);
    model.dispose();
  }
}

/** Training images, equally many of each class as far as that goes; all where there are no more. */
function trainingChoice({ train }: FashionMnist, count: number, seed: number): ArrayLike<number> {
  return count >= train.count ? Array.from(train.labels.keys()) : stratifiedSplit(train.labels, count, seed).heldOut;
}

function imagesOf(set: FashionMnist['train'], indices: ArrayLike<number>, device: Session['device']): Tensor {
  const all = new DeviceDataset(set, device);
  try {
    return noGrad(() => {
      const { images, labels } = all.batch(indices);
      labels.dispose();
      return images;
    });
  } finally {
    all.dispose();
  }
}

function print({ measures, methods, images, model, cue, seconds }: JudgeResult, page: string): void {
  const width = Math.max(...methods.map(({ name }) => name.length));
  console.log(`${model}, ${images} images, ${seconds.toFixed(0)} s. * is the best method, ~ not to be told from it.`);
  for (const { title, better, scores, images: used } of measures) {
    const direction = { lower: 'less is better', higher: 'more is better', zero: '0 is best', none: 'for comparison' }[
      better
    ];
    console.log(`${title} (${direction}; ${used} images)`);
    for (const { method, estimate, versusRandom, rank, exempt } of scores) {
      if (estimate === null) continue;
      const { mean, low, high } = estimate;
      const mark = rank === 'best' ? '*' : rank === 'tied' ? '~' : ' ';
      const beside = versusRandom
        ? `  against random ${number(versusRandom.mean)} (${number(versusRandom.low)} to ${number(versusRandom.high)})`
        : '';
      const interval = `${number(mean)} (${number(low)} to ${number(high)})`;
      console.log(`  ${mark} ${method.padEnd(width)}  ${interval}${beside}${exempt ? `  exempt: ${exempt}` : ''}`);
    }
  }
  if (cue)
    console.log(`Planted cue: read on ${(100 * cue.accuracy).toFixed(0)} % of the images after ${cue.steps} steps.`);
  console.log(`Report: ${page}`);
}
