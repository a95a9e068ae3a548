/** A smooth network (tanh, average pooling), trained for a moment: where integrated gradients have no kinks to step over. */
import type { DeviceDataset } from '../../src/data/index.node.ts';
import { backward, type Device, tidy } from '../../src/index.ts';
import { PhiloxStream, streamNamed } from '../../src/kernels/random/philox.ts';
import * as nn from '../../src/nn/index.ts';

/** Images [N, 28, 28, 1] to logits [N, 10], in evaluation mode. */
export async function trainTanhNetwork(device: Device, train: DeviceDataset, steps: number, seed: number) {
  const model = new nn.Sequential({
    normalize: new nn.Normalize([0.286], [0.353]),
    conv1: new nn.Conv2d(1, 8, 3),
    act1: new nn.Activation('tanh'),
    pool1: new nn.AvgPool2d(2),
    conv2: new nn.Conv2d(8, 16, 3),
    act2: new nn.Activation('tanh'),
    pool2: new nn.AvgPool2d(2),
    flatten: new nn.Flatten(),
    logits: new nn.Linear(7 * 7 * 16, 10),
  }).initialize({ device, seed });
  const optimizer = new nn.AdamW(model, { learningRate: 2e-3 });
  const random = new PhiloxStream(seed, streamNamed('tanh-network'));
  for (let step = 0; step < steps; step++) {
    const chosen = Array.from({ length: 64 }, () => random.below(train.count));
    tidy(() => {
      const { images, labels } = train.batch(chosen);
      backward(nn.crossEntropy(model.call(images), labels));
      optimizer.step();
    });
    await device.pace(2);
  }
  optimizer.dispose();
  return model.eval();
}
