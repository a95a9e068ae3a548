/**
 * Makes a finished run one of the models that come with the package: copies its weights to models/NAME.safetensors, its log
 * to models/NAME.log.jsonl, and writes models/NAME.json, which says what made them and what they reach.
 *
 *     npx tsx bench/accuracy/publish.ts runs/accuracy/cnn-seed0 cnn
 *
 * A run that left the test images alone is judged by `weft evaluate --checkpoint FILE --out FOLDER` first; FOLDER is named
 * last then.
 */
import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../src/devices/errors.ts';
import { writeJsonAtomically } from '../../src/train/atomic-file.node.ts';
import { readCheckpointInfo } from '../../src/train/checkpoint.node.ts';
import { PRETRAINED_DIRECTORY } from '../../src/train/pretrained.node.ts';

const MOST_BYTES = 2_000_000;
/** What the metrics of a run hold and the published file tells in its own words. */
const RETOLD = ['evaluation', 'checkpoint', 'evaluatedOn'];

const [run, name, judged] = process.argv.slice(2);
if (!run || !name) {
  throw new UsageError('Usage: npx tsx bench/accuracy/publish.ts RUN_FOLDER NAME [EVALUATION_FOLDER]');
}
const weights = join(run, 'checkpoints', 'model.safetensors');
const { model, seed, adapter, options } = await readCheckpointInfo(weights);
const metrics = JSON.parse(await readFile(join(run, 'metrics.json'), 'utf8'));
const test = judged ? JSON.parse(await readFile(join(judged, 'metrics.json'), 'utf8')) : metrics.evaluation;
if (judged ? test.on !== 'test' || test.checkpoint !== weights : metrics.testAccuracy === undefined) {
  throw new UsageError(`${judged ?? run} does not say what ${weights} reaches on the test images.`);
}
const log = await readFile(join(run, 'log.jsonl'), 'utf8');
if (metrics.sampleData) throw new UsageError(`${run} was trained on sample data; that is nothing to ship.`);
const { size } = await stat(weights);
if (size > MOST_BYTES)
  throw new UsageError(`${weights} has ${size} bytes; a model in the package may have ${MOST_BYTES}.`);
const start = JSON.parse(log.slice(0, log.indexOf('\n')));

await mkdir(PRETRAINED_DIRECTORY, { recursive: true });
await copyFile(weights, join(PRETRAINED_DIRECTORY, `${name}.safetensors`));
await copyFile(join(run, 'log.jsonl'), join(PRETRAINED_DIRECTORY, `${name}.log.jsonl`));
const results = Object.entries(metrics).filter(([key]) => !RETOLD.includes(key));
await writeJsonAtomically(join(PRETRAINED_DIRECTORY, `${name}.json`), {
  command: start.command,
  model,
  seed,
  adapter,
  ...(options as object),
  results: {
    ...Object.fromEntries(results),
    testImages: test.images,
    testAccuracy: test.accuracy,
    testLoss: test.nll,
    ci95: test.ci95,
    macro: test.macro,
    ece: test.ece,
  },
  bytes: size,
});
console.log(`models/${name}.safetensors: ${size} bytes, test accuracy ${test.accuracy}`);
