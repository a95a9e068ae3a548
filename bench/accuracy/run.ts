/**
 * How good a recipe is: trains it with several seeds and writes mean, standard deviation and time, with the hardware named.
 * The seeds are fixed beforehand; options are chosen on held-out images (`weft train --validation 5000 --no-test`), and
 * this script is what looks at the test images, once per seed. With several seeds, their ensemble is evaluated too, plain
 * and with test-time views.
 *
 *     npx tsx bench/accuracy/run.ts --model cnn --seeds 0,1,2
 *     npx tsx bench/accuracy/run.ts --model resnet20 --seeds 0,1,2,3,4 --epochs 60 --device webgpu
 *
 * A run folder per seed lies in runs/accuracy; seeds that are done are not trained again, and one that was cut off goes on.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { type SharedOptions, wholeNumber, wholeNumbers, withSharedOptions } from '../../src/cli/options.ts';
import { withSession } from '../../src/cli/session.ts';
import {
  type ModelOptions,
  modelSpecOf,
  type RecipeOptions,
  recipeOf,
  withModelOptions,
  withRecipeOptions,
} from '../../src/cli/training-options.ts';
import { CLASS_NAMES, DeviceDataset, type FashionMnist } from '../../src/data/index.node.ts';
import { buildModel, type ModelSpec } from '../../src/nn/index.ts';
import { obtainData, Run, RunFolder, type RunResult, type Session } from '../../src/study/index.node.ts';
import { writeJsonAtomically } from '../../src/train/atomic-file.node.ts';
import { loadCheckpoint } from '../../src/train/checkpoint.node.ts';
import {
  accuracyOf,
  confusionMatrix,
  predictEnsemble,
  predictedClasses,
  testTimeViews,
  type ViewName,
  wilsonInterval,
} from '../../src/train/index.ts';
import { hardwareOf } from './hardware.ts';

interface Options extends SharedOptions, ModelOptions, RecipeOptions {
  readonly seeds: number[];
  readonly validation: number;
  readonly name?: string;
}

const command = withRecipeOptions(withModelOptions(withSharedOptions(new Command('accuracy'))))
  .option('--seeds <list>', 'seeds to train with', wholeNumbers(0), [0])
  .option('--validation <n>', 'training images held out (see weft train)', wholeNumber(0), 0)
  .option('--name <name>', 'what to call the results; default the name of the model')
  .parse();
const options = command.opts<Options>();
const name = options.name ?? options.model;
const out = options.out ?? join('bench', 'accuracy', 'results', `${name}.json`);

await withSession(options, async session => {
  const data = await obtainData(options, session.progress);
  const runs: RunResult[] = [];
  for (const seed of options.seeds) runs.push(await trainSeed(seed, data, session));
  const { mean, sd } = spread(runs.map(({ testAccuracy }) => testAccuracy!));
  const spec = modelSpecOf({ ...options, seed: options.seeds[0] });
  const results = {
    model: spec.name,
    options: spec.options,
    parameters: runs[0].parameters,
    recipe: recipeOf(options),
    sampleData: data.isSample,
    trainImages: runs[0].trainImages,
    validationImages: runs[0].validationImages,
    testImages: runs[0].testImages,
    hardware: hardwareOf(session.device),
    command: ['npx tsx bench/accuracy/run.ts', ...process.argv.slice(2)].join(' '),
    // Seconds from a standing start: compilation, training, validation and the evaluation at the end.
    runs: runs.map(
      ({ seed, testAccuracy, testLoss, validationAccuracy, evaluation, seconds, imagesPerSecond, epochs }) => ({
        seed,
        testAccuracy,
        ci95: evaluation.ci95,
        testLoss,
        validationAccuracy,
        epochs,
        seconds,
        imagesPerSecond,
      }),
    ),
    mean,
    sd,
    // How far apart two equally good models fall on this many images by luck alone.
    binomialStandardError: Math.sqrt((mean * (1 - mean)) / runs[0].testImages),
    seconds: spread(runs.map(({ seconds }) => seconds)),
    ensembles: runs.length > 1 ? await ensembles(runs, data, session) : [],
  };
  await writeJsonAtomically(out, results);
  const percent = (share: number) => (100 * share).toFixed(2);
  console.log(
    `${name}: ${percent(mean)} % (sd ${sd === null ? 'unknown' : percent(sd)}) over seeds ${options.seeds.join(', ')}; ${out}`,
  );
});

/** One seed's run: as it was, if it is complete; gone on with, if it was cut off. */
async function trainSeed(seed: number, data: FashionMnist, session: Session): Promise<RunResult> {
  const folder = runFolder(seed);
  const model = modelSpecOf({ ...options, seed });
  const recipe = recipeOf(options);
  const metrics = join(folder, 'metrics.json');
  if (existsSync(metrics)) {
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    const wanted = { model, recipe, validation: options.validation, trainImages: data.train.count };
    const is = { ...wanted, ...Object.fromEntries(Object.keys(wanted).map(key => [key, config[key]])) };
    if (JSON.stringify(is) === JSON.stringify(wanted)) {
      session.progress.note(`Seed ${seed}: done already (${folder}).`);
      return JSON.parse(readFileSync(metrics, 'utf8'));
    }
    session.progress.note(`Seed ${seed}: ${folder} holds a run with other options; it is trained anew.`);
  }
  const resume = !existsSync(metrics) && (await new RunFolder(folder).isResumable());
  const { validation } = options;
  const run = await Run.open({ model, recipe, seed, validation, out: folder, resume, force: true }, data, session);
  return run.finish();
}

function runFolder(seed: number): string {
  return join('runs', 'accuracy', `${name}-seed${seed}`);
}

/** Mean and sample standard deviation (null for one value). */
function spread(values: readonly number[]): { mean: number; sd: number | null } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null };
}

/** Accuracy of all seeds' models averaged, with and without test-time views. */
async function ensembles(runs: readonly RunResult[], data: FashionMnist, { device }: Session) {
  const models = await Promise.all(
    runs.map(async ({ seed, checkpoint }) => {
      const spec: ModelSpec = modelSpecOf({ ...options, seed });
      const model = buildModel(spec).initialize({ device });
      await loadCheckpoint(checkpoint, model);
      return model;
    }),
  );
  const test = new DeviceDataset(data.test, device);
  const results = [];
  for (const views of [[], ['flip'], ['flip', 'shift']] as ViewName[][]) {
    const scores = await predictEnsemble(models, test, { views: testTimeViews(views) });
    const classes = CLASS_NAMES.length;
    const accuracy = accuracyOf(confusionMatrix(predictedClasses(scores, classes), data.test.labels, classes));
    const ci95 = wilsonInterval(Math.round(accuracy * test.count), test.count);
    results.push({ members: models.length, views, accuracy, ci95 });
  }
  test.dispose();
  for (const model of models) model.dispose();
  return results;
}
