/** The README's example: define a CNN, train it for one epoch, test it. Run it with `npx tsx examples/train-cnn.ts`. */
import { DeviceDataset, epochBatches, loadFashionMnist, shuffledIndices } from '../src/data/index.node.ts';
import { backward, openDevice, setDevice, tidy } from '../src/index.ts';
import * as nn from '../src/nn/index.ts';
import { predictLogits, topKAccuracy } from '../src/train/index.ts';

const device = await openDevice('auto'); // a GPU where there is one, otherwise WebAssembly
setDevice(device);
const { train, test } = await loadFashionMnist();
const trainSet = new DeviceDataset(train, device);
const testSet = new DeviceDataset(test, device);

const model = new nn.Sequential({
  normalize: new nn.Normalize([0.286], [0.353]), // pixels in [0, 1] go in
  conv1: new nn.Conv2d(1, 16, 3, { bias: false }),
  norm1: new nn.BatchNorm2d(16),
  act1: new nn.Activation('relu'),
  pool1: new nn.MaxPool2d(2),
  conv2: new nn.Conv2d(16, 32, 3, { bias: false }),
  norm2: new nn.BatchNorm2d(32),
  act2: new nn.Activation('relu'),
  pool2: new nn.MaxPool2d(2),
  flatten: new nn.Flatten(),
  logits: new nn.Linear(7 * 7 * 32, 10),
}).initialize({ seed: 0 });
const optimizer = new nn.SGD(model, { learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4 });

for (const indices of epochBatches(shuffledIndices(train.count, 0, 0), 128, true)) {
  tidy(() => {
    const { images, labels } = trainSet.batch(indices);
    backward(nn.crossEntropy(model.call(images), labels));
    optimizer.step();
  });
  await device.pace(2);
}
const logits = await predictLogits(model, testSet);
console.log(`test accuracy after one epoch: ${topKAccuracy(logits, test.labels, 1)}`);
