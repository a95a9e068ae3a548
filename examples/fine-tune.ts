/**
 * Another head on a trained body: the CNN that comes with the package learns to tell four kinds of garments, from 2,000
 * images. First the head alone, on a frozen body; then all of it, the body at a tenth of the head's rate. Run it with
 * `npx tsx examples/fine-tune.ts`.
 */
import { readFile } from 'node:fs/promises';
import { DeviceDataset, epochBatches, loadFashionMnist, shuffledIndices } from '../src/data/index.node.ts';
import { backward, openDevice, setDevice, tidy } from '../src/index.ts';
import * as nn from '../src/nn/index.ts';
import { predictLogits, restoreWeights, topKAccuracy } from '../src/train/index.ts';

// T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot: worn above, below, on the feet, carried.
const KIND = [0, 1, 0, 0, 0, 2, 0, 2, 3, 2];

const device = await openDevice('auto');
setDevice(device);
const { train, test } = await loadFashionMnist();
const kinds = (labels: ArrayLike<number>) => Uint8Array.from(labels, label => KIND[label]);
const trainSet = new DeviceDataset({ ...train, labels: kinds(train.labels) }, device);
const testSet = new DeviceDataset({ ...test, labels: kinds(test.labels) }, device);

const model = nn.cnn({ classes: 4 }).initialize({ seed: 0 });
const checkpoint = await readFile(new URL('../models/cnn.safetensors', import.meta.url));
const { skipped } = restoreWeights(checkpoint, 'cnn.safetensors', model, { skip: ['logits'] });
console.log(`kept from the new model: ${skipped.join(', ')}`);

const parts = model.children();
const body = parts.flatMap(([name, part]) => (name === 'logits' ? [] : [part]));
const head = parts.find(([name]) => name === 'logits')![1];
const optimizer = new nn.SGD([{ parameters: body, learningRate: 0.001 }, { parameters: head }], {
  learningRate: 0.01,
  momentum: 0.9,
});

model.eval(); // batch norms keep their statistics
for (const part of body) part.freeze();
for (let epoch = 0; epoch < 4; epoch++) {
  if (epoch === 2) model.unfreeze();
  for (const indices of epochBatches(shuffledIndices(2000, 0, epoch), 100, true)) {
    tidy(() => {
      const { images, labels } = trainSet.batch(indices);
      backward(nn.crossEntropy(model.call(images), labels));
      optimizer.step();
    });
    await device.pace(2);
  }
  const accuracy = topKAccuracy(await predictLogits(model, testSet), kinds(test.labels), 1);
  console.log(`epoch ${epoch}, ${epoch < 2 ? 'head alone' : 'everything'}: test accuracy ${accuracy}`);
}
