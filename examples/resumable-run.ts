/**
 * A training run that can be stopped and goes on where it was, bit for bit: `npx tsx examples/resumable-run.ts [FOLDER]`.
 * Stop it with Ctrl-C, or kill it, and start it again. The folder ends with the trained model, its metrics and its log.
 */
import { loadFashionMnist } from '../src/data/index.node.ts';
import { openDevice } from '../src/index.ts';
import { Interrupted, Run, RunFolder, sessionOn } from '../src/study/index.node.ts';
import { RECIPES } from '../src/train/index.ts';

const out = process.argv[2] ?? 'runs/example';
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const device = await openDevice('auto'); // a GPU where there is one, otherwise WebAssembly
const data = await loadFashionMnist();
const session = sessionOn(device, { signal: stop.signal, progress: { show() {}, note: console.log } });
const options = {
  model: { name: 'cnn', options: { widths: [8, 16], hidden: 64 } },
  recipe: { ...RECIPES.cnn, epochs: 2 },
  seed: 0,
  validation: Math.floor(data.train.count / 10),
  loop: { checkpointEvery: 10 },
  out,
  resume: await new RunFolder(out).isResumable(),
} as const;
try {
  const run = await Run.open(options, data, session);
  const { testAccuracy, bestEpoch, checkpoint } = await run.finish();
  console.log(`Test accuracy ${testAccuracy}, parameters of epoch ${bestEpoch}: ${checkpoint}`);
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
  console.log('Stopped. Start it again, and it goes on.');
  process.exitCode = 130;
} finally {
  await device.destroy();
}
