/** Vectors of 256 bits train the same networks, bit for bit, as vectors of 128. */
import { describe, expect, test } from 'vitest';
import { DeviceDataset, readSample } from '../../src/data/index.node.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { nodeHost } from '../../src/devices/wasm/host.node.ts';
import { buildTrainee, fit, fitOptions, RECIPES } from '../../src/train/index.ts';

const { train } = await readSample();
const COUNT = 640;
const data = {
  ...train,
  count: COUNT,
  images: train.images.subarray(0, COUNT * 784),
  labels: train.labels.subarray(0, COUNT),
};

/** An epoch with the network's own recipe: its losses, and everything that it leaves. */
async function epoch(name: 'cnn' | 'mini-resnet', wide: boolean) {
  const device = await openWasmDevice({ threads: 2, wide });
  const recipe = { ...RECIPES[name], epochs: 1, batchSize: 64 };
  const trainee = buildTrainee({ name, options: {} }, recipe, device, 5);
  const { model, optimizer, ema } = trainee;
  const { history } = await fit(model, new DeviceDataset(data, device), optimizer, {
    ...fitOptions(recipe),
    ema,
    seed: 5,
  });
  const arrays = await Promise.all(
    [model.arena.values, model.arena.state, ...optimizer.stateArrays].map(storage => device.read(storage)),
  );
  trainee.dispose();
  await device.destroy();
  return { losses: history.losses, arrays };
}

describe.skipIf(!nodeHost.canWiden)('an epoch in 256 bits (skipped where the engine has 128 only)', () => {
  test.each(['cnn', 'mini-resnet'] as const)('%s', async name => {
    const [plain, wide] = [await epoch(name, false), await epoch(name, true)];
    expect(plain.losses).toHaveLength(COUNT / 64);
    expect(wide.losses).toEqual(plain.losses);
    expect(wide.arrays).toEqual(plain.arrays);
  });
});
