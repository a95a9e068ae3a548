/** `weft evaluate`: every metric of a checkpoint, or of several averaged, on images it has not seen. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { FashionMnist } from '../data/fashion-mnist.ts';
import { CLASS_NAMES } from '../data/index.node.ts';
import { UsageError } from '../devices/errors.ts';
import { buildModel, type Module } from '../nn/index.ts';
import { loadCheckpoint, readCheckpointInfo } from '../train/checkpoint.node.ts';
import {
  type CheckpointInfo,
  evaluateLogits,
  fitTemperature,
  heldOutImages,
  mcNemar,
  predictEnsemble,
  predictedClasses,
  testTimeViews,
  VIEW_NAMES,
  type ViewName,
} from '../train/index.ts';
import { noteTestSetUse } from '../train/test-set-ledger.node.ts';
import { type Calibration, type EvaluateResult, writeEvaluation } from './evaluation-report.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { formatPercent } from './progress.ts';
import { obtainData, type Session, withSession } from './session.ts';

export interface EvaluateOptions extends SharedOptions {
  readonly checkpoint: string[];
  readonly compare?: string[];
  readonly tta: ViewName[];
  readonly on: 'test' | 'validation';
  /** true: insist; false: leave it; undefined: where it can be done. */
  readonly temperature?: boolean;
}

const list = (text: string): string[] => text.split(',').filter(part => part !== '');

function viewNames(text: string): ViewName[] {
  for (const name of list(text)) {
    if (!VIEW_NAMES.includes(name as ViewName)) throw new InvalidArgumentError(`Choose from ${VIEW_NAMES.join(', ')}.`);
  }
  return list(text) as ViewName[];
}

export const evaluateCommand = withSharedOptions(new Command('evaluate'))
  .description('evaluate a checkpoint on the test images')
  .requiredOption(
    '--checkpoint <files>',
    'a .safetensors file written by weft train, or pretrained:NAME; several, separated by commas, are averaged',
    list,
  )
  .option('--compare <files>', 'another checkpoint (or average): is the difference more than luck? (McNemar)', list)
  .option('--tta <views>', 'average over views of each image: flip, shift, or flip,shift', viewNames, [])
  .addOption(new Option('--on <images>', 'which images').choices(['test', 'validation']).default('test'))
  .option('--temperature', 'insist on a temperature fitted on held-out images (default: where there are any)')
  .option('--no-temperature', 'fit none')
  .action(async (options: EvaluateOptions) => {
    const result = await withSession(options, session => evaluateCheckpoints(options, session));
    if (options.json) console.log(JSON.stringify(result));
    else print(result, options.out);
  });

interface Member {
  readonly name: string;
  readonly info: CheckpointInfo;
  readonly model: Module;
}

async function load(names: readonly string[], { device }: Session): Promise<Member[]> {
  if (names.length === 0) throw new UsageError('evaluate: no checkpoint is named.');
  const members: Member[] = [];
  for (const name of names) {
    const info = await readCheckpointInfo(name);
    const model = buildModel(info.model).initialize({ device });
    await loadCheckpoint(name, model);
    members.push({ name, info, model });
  }
  return members;
}

async function evaluateCheckpoints(options: EvaluateOptions, session: Session): Promise<EvaluateResult> {
  const { device, progress } = session;
  const members = await load(options.checkpoint, session);
  const others = options.compare ? await load(options.compare, session) : [];
  const data = await obtainData(options, progress);
  const views = testTimeViews(options.tta);
  const held = (some: readonly Member[]) => heldOutImages(some, data.train.labels, data.isSample);
  const validation = options.on === 'validation' ? held([...members, ...others]) : undefined;
  const set = validation ? data.train : data.test;
  const labels = validation ? Uint8Array.from(validation, index => data.train.labels[index]) : data.test.labels;
  const images = new DeviceDataset(set, device);
  const predict = (some: readonly Member[], from: DeviceDataset, indices?: Uint32Array) =>
    predictEnsemble(
      some.map(({ model }) => model),
      from,
      { views, indices, onProgress: (done, total) => progress.show(`${done} of ${total} images`) },
    );
  try {
    const logits = await predict(members, images, validation);
    const temperature = await temperatureOf(options, members, data, session, predict);
    const evaluation = evaluateLogits(logits, labels, CLASS_NAMES);
    const calibrated = temperature === null ? undefined : evaluateLogits(logits, labels, CLASS_NAMES, temperature);
    const checkpoint = options.checkpoint.join(',');
    const model = [...new Set(members.map(({ info }) => info.model.name))].join('+');
    const use = { command: 'evaluate', sampleData: data.isSample, images: labels.length };
    const folder = options.out ?? 'runs/evaluate';
    const noteUse = async (name: string, file: string, accuracy: number): Promise<void> => {
      if (options.on === 'test') await noteTestSetUse(folder, { ...use, model: name, checkpoint: file, accuracy });
    };
    await noteUse(model, checkpoint, evaluation.accuracy);
    let comparison: EvaluateResult['comparison'];
    if (options.compare) {
      const theirs = await predict(others, images, validation);
      const classes = CLASS_NAMES.length;
      const { accuracy } = evaluateLogits(theirs, labels, CLASS_NAMES);
      const verdict = mcNemar(predictedClasses(logits, classes), predictedClasses(theirs, classes), labels);
      comparison = { checkpoint: options.compare.join(','), accuracy, ...verdict };
      await noteUse(others.map(({ info }) => info.model.name).join('+'), comparison.checkpoint, accuracy);
    }
    const result: EvaluateResult = {
      model,
      checkpoint,
      on: options.on,
      sampleData: data.isSample,
      tta: options.tta,
      ...evaluation,
      temperature,
      ...(calibrated && { calibrated: { nll: calibrated.nll, brier: calibrated.brier, ece: calibrated.ece } }),
      ...(comparison && { comparison }),
    };
    if (options.out) await writeEvaluation(options.out, result, { logits, labels, set, indices: validation });
    return result;
  } finally {
    images.dispose();
    for (const { model } of [...members, ...others]) model.dispose();
  }
}

/** The temperature that suits the held-out images; null where there are none, or it is not wanted. */
async function temperatureOf(
  { temperature, on }: EvaluateOptions,
  members: readonly Member[],
  { train, isSample }: FashionMnist,
  { device, progress }: Session,
  predict: (some: readonly Member[], from: DeviceDataset, indices: Uint32Array) => Promise<Float32Array | Float64Array>,
): Promise<number | null> {
  if (temperature === false || (on === 'validation' && !temperature)) return null;
  if (on === 'validation')
    throw new UsageError('A temperature fitted on the images that it is judged by says nothing.');
  let indices: Uint32Array;
  try {
    indices = heldOutImages(members, train.labels, isSample);
  } catch (error) {
    if (temperature || !(error instanceof UsageError)) throw error;
    progress.note(`No temperature is fitted: ${error.message}`);
    return null;
  }
  const images = new DeviceDataset(train, device);
  try {
    const logits = await predict(members, images, indices);
    return fitTemperature(
      logits,
      Uint8Array.from(indices, index => train.labels[index]),
    ).temperature;
  } finally {
    images.dispose();
  }
}

function print(result: EvaluateResult, out: string | undefined): void {
  const [low, high] = result.ci95;
  console.log(
    `${result.model}: ${result.on} accuracy ${formatPercent(result.accuracy)} (95 % interval ${formatPercent(low)} to ` +
      `${formatPercent(high)}), top-2 ${formatPercent(result.top2)}, ${result.images} images` +
      `${result.tta.length > 0 ? `, views: ${result.tta.join(' and ')}` : ''}${result.sampleData ? ' -- SAMPLE DATA' : ''}`,
  );
  const calibration = ({ nll, brier, ece }: Calibration): string =>
    `NLL ${nll.toFixed(4)}, Brier ${brier.toFixed(4)}, ECE ${formatPercent(ece)}`;
  console.log(calibration(result));
  if (result.calibrated) {
    console.log(`With temperature ${result.temperature!.toFixed(3)}: ${calibration(result.calibrated)}`);
  }
  for (const { name, precision, recall, f1 } of result.perClass) {
    console.log(
      `  ${name.padEnd(12)} precision ${formatPercent(precision)}  recall ${formatPercent(recall)}  F1 ${formatPercent(f1)}`,
    );
  }
  if (result.comparison) {
    const { checkpoint, accuracy, onlyFirst, onlySecond, pValue, method } = result.comparison;
    console.log(
      `${checkpoint}: accuracy ${formatPercent(accuracy)}; only the first is right on ${onlyFirst} images, only the second ` +
        `on ${onlySecond}: p = ${pValue.toPrecision(3)} (McNemar, ${method})`,
    );
  }
  if (out) console.log(`Metrics and figures: ${out}`);
}
