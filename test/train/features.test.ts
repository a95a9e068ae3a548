/** Penultimate features: what the last layer weighs. */
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset } from '../../src/data/index.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import * as nn from '../../src/nn/index.ts';
import { withDevice } from '../../src/tensor/current-device.ts';
import { penultimateFeatures, predictLogits } from '../../src/train/index.ts';

describe('features', async () => {
  const device = await openWasmDevice({ threads: 1 });
  afterAll(() => device.destroy());
  const images = Uint8Array.from({ length: 300 * 16 }, (_, at) => (at * 37) % 256);
  const set = { images, labels: new Uint8Array(300), count: 300, height: 4, width: 4, channels: 1 };

  test('give the logits when they are weighed, batch after batch', async () => {
    const data = new DeviceDataset(set, device);
    const logits = new nn.Linear(6, 3);
    const model = new nn.Sequential({
      flatten: new nn.Flatten(),
      hidden: new nn.Linear(16, 6),
      act: new nn.Activation('relu'),
      drop: new nn.Dropout(0.5),
      logits,
    });
    withDevice(device, () => model.initialize({ seed: 1 }));
    const features = await penultimateFeatures(model, data);
    expect(features).toMatchObject({ count: 300, dimensions: 6, layer: 'drop' });
    const wanted = await predictLogits(model, data);
    const weight = await logits.weight.value.data();
    const bias = await logits.bias!.value.data();
    for (let i = 0; i < 300; i++) {
      for (let c = 0; c < 3; c++) {
        let sum = bias[c];
        for (let k = 0; k < 6; k++) sum += features.values[6 * i + k] * weight[3 * k + c];
        expect(sum).toBeCloseTo(wanted[3 * i + c], 4);
      }
    }
    const some = await penultimateFeatures(model, data, { indices: [7, 3] });
    expect(Array.from(some.values)).toEqual(
      [7, 3].flatMap(i => Array.from(features.values.subarray(6 * i, 6 * i + 6))),
    );
    model.dispose();
    data.dispose();
  });

  test('are refused of a model without a last linear layer, and of images that there are not', async () => {
    const data = new DeviceDataset(set, device);
    const model = new nn.Sequential({ flatten: new nn.Flatten(), act: new nn.Activation('relu') });
    withDevice(device, () => model.initialize({ seed: 1 }));
    await expect(penultimateFeatures(model, data)).rejects.toThrow('does not end with a linear layer');
    await expect(penultimateFeatures(model, data, { indices: [300] })).rejects.toThrow('300');
    model.dispose();
    data.dispose();
  });
});
