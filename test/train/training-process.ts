/**
 * Run as a process of its own by processes.test.ts and scripts/every-node.sh: trains a small CNN as `weft train` would, with
 * everything random and every power in it, and prints a checksum of the bits that come out.
 */
import { createHash } from 'node:crypto';
import { DeviceDataset, readSample } from '../../src/data/index.node.ts';
import { openDevice } from '../../src/devices/open.ts';
import { buildTrainee, fit, RECIPES, type Recipe, scheduleOf } from '../../src/train/index.ts';

const COUNT = 240;
const device = await openDevice('wasm');
const { train } = await readSample();
const [images, labels] = [train.images.subarray(0, COUNT * 784), train.labels.subarray(0, COUNT)];
const data = new DeviceDataset({ ...train, count: COUNT, images, labels }, device);
const hash = createHash('sha256');
const recipes: Recipe[] = [
  { ...RECIPES.cnn, optimizer: 'adamw', schedule: 'step', learningRate: 2e-3, mixup: 0.3, ema: 0.9 },
  { ...RECIPES.cnn, cutmix: 0.7 },
];
for (const recipe of recipes) {
  const options = { widths: [16, 16], depth: 1, hidden: 32, dropout: 0.2, activation: 'gelu' } as const;
  const { model, optimizer, ema, dispose } = buildTrainee({ name: 'cnn', options }, recipe, device, 1);
  const { history } = await fit(model, data, optimizer, {
    epochs: 2,
    batchSize: 24,
    seed: 1,
    schedule: scheduleOf(recipe),
    smoothing: recipe.smoothing,
    augmentation: recipe.augmentation ?? undefined,
    mixup: recipe.mixup,
    cutmix: recipe.cutmix,
    ema,
  });
  hash.update(Float64Array.from(history.losses));
  for (const storage of [model.arena.values, model.arena.state]) hash.update(await device.read(storage));
  dispose();
}
console.log(`${hash.digest('hex')} ${device.info.adapter.includes('relaxed-fma') ? 'fused' : 'separate'}`);
await device.destroy();
