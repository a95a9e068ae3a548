/**
 * What leaving out images with doubtful labels does: doubtful labels by out-of-fold predictions (every image judged by a
 * network that was trained without it), a list of them as `weft train --drop` takes it, and trainings with and without
 * these images, seed by seed from the same weights, judged on the same held-out images. The held-out images are in no fold,
 * so nothing of them decides what is left out; the test images are left alone.
 *
 *     npx tsx bench/data/doubtful-labels.ts                                    three seeds on Fashion-MNIST: about an hour
 *     npx tsx bench/data/doubtful-labels.ts --limit 1500 --validation 300 --epochs 1 --fold-epochs 1 --folds 2 --seeds 0,1
 *
 * A third arm leaves out as many images by chance: fewer images alone change something, too. Run folders lie in
 * runs/doubtful-labels; what is done is not done again, `--drop-list FILE` takes a list made before.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { type SharedOptions, wholeNumber, wholeNumbers, withSharedOptions } from '../../src/cli/options.ts';
import { withSession } from '../../src/cli/session.ts';
import {
  type Dataset,
  DeviceDataset,
  parseImageIndices,
  shuffledIndices,
  stratifiedFolds,
} from '../../src/data/index.node.ts';
import type { ModelSpec } from '../../src/nn/index.ts';
import { formatPercent } from '../../src/study/format.ts';
import { obtainData, Run, RunFolder, type RunResult, type Session } from '../../src/study/index.node.ts';
import { writeFileAtomically, writeJsonAtomically } from '../../src/train/atomic-file.node.ts';
import {
  buildTrainee,
  type DoubtfulLabel,
  doubtfulLabels,
  fit,
  fitOptions,
  predictLogits,
  RECIPES,
  type Recipe,
  softmaxRows,
  validationSplit,
} from '../../src/train/index.ts';
import { hardwareOf } from '../accuracy/hardware.ts';
import { differenceOf, spreadOf } from './paired.ts';

interface Options extends SharedOptions {
  readonly folds: number;
  readonly foldEpochs: number;
  readonly epochs: number;
  readonly validation: number;
  readonly seeds: number[];
  readonly dropList?: string;
  readonly runs: string;
}

type Arm = 'all' | 'without doubtful' | 'without as many by chance';
const ARMS: readonly Arm[] = ['all', 'without doubtful', 'without as many by chance'];

const command = withSharedOptions(new Command('doubtful-labels'))
  .option('--folds <n>', 'parts that the training images are divided into', wholeNumber(2), 5)
  .option('--fold-epochs <n>', 'epochs of the networks that judge', wholeNumber(1), 3)
  .option('--epochs <n>', 'epochs of the networks that are compared', wholeNumber(1), 8)
  .option('--validation <n>', 'training images held out', wholeNumber(10), 5000)
  .option('--seeds <list>', 'seeds to compare with', wholeNumbers(0), [0, 1, 2])
  .option('--drop-list <file>', 'take this list instead of making one')
  .option('--runs <dir>', 'where the run folders lie', join('runs', 'doubtful-labels'))
  .parse();
const options = command.opts<Options>();
const out = options.out ?? join('bench', 'data', 'results');

const MODEL: ModelSpec = { name: 'cnn', options: {} };
const recipeFor = (epochs: number): Recipe => ({ ...RECIPES.cnn, epochs });

await withSession(options, async session => {
  const data = await obtainData(options, session.progress);
  const { labels, count } = data.train;
  const { train } = validationSplit(labels, options.validation);
  const listed = options.dropList ?? join(out, 'doubtful-labels.txt');
  const found = options.dropList === undefined ? await findDoubtful(data, train, session) : undefined;
  if (found) await writeFileAtomically(listed, dropList(found, data));
  const doubtful = parseImageIndices(readFileSync(listed, 'utf8'), listed, count);
  const chance = someByChance(train, doubtful.length);
  const dropped: Readonly<Record<Arm, Uint32Array | undefined>> = {
    all: undefined,
    'without doubtful': doubtful,
    'without as many by chance': chance,
  };
  const runs: { arm: Arm; seed: number; result: RunResult }[] = [];
  for (const seed of options.seeds) {
    for (const arm of ARMS) runs.push({ arm, seed, result: await trained(arm, seed, dropped[arm], data, session) });
  }
  // Of the last epoch, so that no epoch is chosen by the images that judge.
  const accuraciesOf = (arm: Arm): number[] =>
    runs.filter(run => run.arm === arm).map(({ result }) => result.history.at(-1)!.validationAccuracy!);
  const arms = ARMS.map(arm => ({
    arm,
    trainImages: runs.find(run => run.arm === arm)!.result.trainImages,
    accuracies: accuraciesOf(arm),
    ...spreadOf(accuraciesOf(arm)),
    ...(arm !== 'all' && { againstAll: differenceOf(accuraciesOf(arm), accuraciesOf('all')) }),
  }));
  await writeJsonAtomically(join(out, 'doubtful-labels.json'), {
    command: ['npx tsx bench/data/doubtful-labels.ts', ...process.argv.slice(2)].join(' '),
    hardware: hardwareOf(session.device),
    sampleData: data.isSample,
    model: MODEL,
    folds: { count: options.folds, recipe: recipeFor(options.foldEpochs) },
    recipe: recipeFor(options.epochs),
    seeds: options.seeds,
    heldOutImages: options.validation,
    doubtful: {
      list: listed,
      images: doubtful.length,
      share: doubtful.length / train.length,
      ...(found && { perClass: perClass(found, data), mostDoubtful: found.slice(0, 20) }),
    },
    arms,
  });
  for (const { arm, trainImages, mean, sd, againstAll } of arms) {
    const against = againstAll && `, ${(100 * againstAll.mean).toFixed(2)} points against all of them`;
    const spread = sd === null ? '' : ` (sd ${(100 * sd).toFixed(2)})`;
    console.log(`${arm}: ${trainImages} images, held-out accuracy ${formatPercent(mean)}${spread}${against ?? ''}`);
  }
});

/** Judges every image of the training part by a network that was trained on the other folds. */
async function findDoubtful(data: Dataset, train: Uint32Array, session: Session): Promise<DoubtfulLabel[]> {
  const { device, progress } = session;
  const own = Uint8Array.from(train, index => data.train.labels[index]);
  const classes = data.classNames.length;
  const probabilities = new Float64Array(train.length * classes);
  const images = new DeviceDataset(data.train, device);
  const folds = stratifiedFolds(own, options.folds, options.seed);
  const recipe = recipeFor(options.foldEpochs);
  for (const [number, fold] of folds.entries()) {
    const inFold = new Set(fold);
    const others = train.filter((_, place) => !inFold.has(place));
    const { model, optimizer, dispose } = buildTrainee(MODEL, recipe, device, options.seed);
    const plan = { ...fitOptions(recipe, others.length), seed: options.seed, trainIndices: others };
    const onProgress = ({ epoch, batch, batches }: { epoch: number; batch: number; batches: number }): void =>
      progress.show(`fold ${number + 1} of ${folds.length}, epoch ${epoch + 1}, batch ${batch} of ${batches}`);
    await fit(model, images, optimizer, { ...plan, onProgress });
    const judged = softmaxRows(await predictLogits(model, images, { indices: fold.map(at => train[at]) }), classes);
    fold.forEach((at, i) => {
      probabilities.set(judged.subarray(i * classes, (i + 1) * classes), at * classes);
    });
    dispose();
    progress.note(`Fold ${number + 1} of ${folds.length} is judged.`);
  }
  images.dispose();
  return doubtfulLabels(probabilities, own).map(one => ({ ...one, index: train[one.index] }));
}

/** A list for `weft train --drop`, which says of each image what it looks like. */
function dropList(found: readonly DoubtfulLabel[], { classNames }: Dataset): string {
  const share = (p: number): string => p.toFixed(3);
  const lines = found.map(
    ({ index, label, likely, probability, ofLabel }) =>
      `${index} # ${classNames[label]} ${share(ofLabel)}, rather ${classNames[likely]} ${share(probability)}`,
  );
  return `# Doubtful labels by out-of-fold predictions, the most doubtful first\n${lines.join('\n')}\n`;
}

function perClass(found: readonly DoubtfulLabel[], { classNames }: Dataset): Record<string, number> {
  return Object.fromEntries(classNames.map((name, label) => [name, found.filter(one => one.label === label).length]));
}

/** As many images of the training part as are doubtful, whatever they show. */
function someByChance(train: Uint32Array, count: number): Uint32Array {
  return shuffledIndices(train.length, options.seed, 0)
    .subarray(0, count)
    .map(place => train[place])
    .sort();
}

/** One training: as it was, if it is complete; gone on with, if it was cut off. */
async function trained(
  arm: Arm,
  seed: number,
  indices: Uint32Array | undefined,
  data: Dataset,
  session: Session,
): Promise<RunResult> {
  const folder = join(options.runs, `${arm.replaceAll(' ', '-')}-seed${seed}`);
  const recipe = recipeFor(options.epochs);
  const drop = indices && { indices, source: arm };
  const asked = { model: MODEL, recipe, seed, validation: options.validation, drop, test: false, out: folder };
  const metrics = join(folder, 'metrics.json');
  session.progress.note(`${arm}, seed ${seed}`);
  if (existsSync(metrics) && isSame(folder, { model: MODEL, recipe, seed, trainImages: data.train.count }, indices)) {
    return JSON.parse(readFileSync(metrics, 'utf8'));
  }
  const resume = !existsSync(metrics) && (await new RunFolder(folder).isResumable());
  const run = await Run.open({ ...asked, resume, force: true }, data, session);
  return run.finish();
}

/** Whether a finished run is the one that is wanted. */
function isSame(folder: string, wanted: object, indices: Uint32Array | undefined): boolean {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  const all = { ...wanted, validation: options.validation };
  const is = Object.fromEntries(Object.keys(all).map(key => [key, config[key]]));
  const list = join(folder, 'left-out.json');
  const left = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')).indices : undefined;
  return JSON.stringify([is, left]) === JSON.stringify([all, indices && [...indices]]);
}
