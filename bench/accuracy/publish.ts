/**
 * Makes a finished run one of the models that come with the package: copies its weights to models/NAME.safetensors, its log
 * to models/NAME.log.jsonl, and writes models/NAME.json, which says what made them and what they reach.
 *
 *     npx tsx bench/accuracy/publish.ts runs/accuracy/cnn-seed0 cnn
 */
import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../src/devices/errors.ts';
import { writeJsonAtomically } from '../../src/train/atomic-file.node.ts';
import { readCheckpointInfo } from '../../src/train/checkpoint.node.ts';
import { PRETRAINED_DIRECTORY } from '../../src/train/pretrained.node.ts';

const MOST_BYTES = 2_000_000;

const [run, name] = process.argv.slice(2);
if (!run || !name) throw new UsageError('Usage: npx tsx bench/accuracy/publish.ts RUN_FOLDER NAME');
const weights = join(run, 'checkpoints', 'model.safetensors');
const { model, seed, adapter, options } = await readCheckpointInfo(weights);
const metrics = JSON.parse(await readFile(join(run, 'metrics.json'), 'utf8'));
const log = await readFile(join(run, 'log.jsonl'), 'utf8');
if (metrics.sampleData) throw new UsageError(`${run} was trained on sample data; that is nothing to ship.`);
const { size } = await stat(weights);
if (size > MOST_BYTES)
  throw new UsageError(`${weights} has ${size} bytes; a model in the package may have ${MOST_BYTES}.`);
const start = JSON.parse(log.slice(0, log.indexOf('\n')));

await mkdir(PRETRAINED_DIRECTORY, { recursive: true });
await copyFile(weights, join(PRETRAINED_DIRECTORY, `${name}.safetensors`));
await copyFile(join(run, 'log.jsonl'), join(PRETRAINED_DIRECTORY, `${name}.log.jsonl`));
const { evaluation, checkpoint: _, ...results } = metrics;
await writeJsonAtomically(join(PRETRAINED_DIRECTORY, `${name}.json`), {
  command: start.command,
  model,
  seed,
  adapter,
  ...(options as object),
  results: { ...results, ci95: evaluation.ci95, macro: evaluation.macro, ece: evaluation.ece },
  bytes: size,
});
console.log(`models/${name}.safetensors: ${size} bytes, ${metrics.evaluatedOn} accuracy ${evaluation.accuracy}`);
