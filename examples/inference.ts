/**
 * The CNN that comes with the package, made ready for inference: batch norms folded, recorded, and asked for 128 images at a
 * time. Run it with `npx tsx examples/inference.ts`.
 */
import { readFile } from 'node:fs/promises';
import { DeviceDataset, readSample } from '../src/data/index.node.ts';
import { openDevice, setDevice } from '../src/index.ts';
import { cnn, compileForInference } from '../src/nn/index.ts';
import { restoreWeights, topKAccuracy } from '../src/train/index.ts';

const device = await openDevice('auto');
setDevice(device);
const { test } = await readSample();
const images = new DeviceDataset(test, device);

const model = cnn().initialize();
restoreWeights(await readFile(new URL('../models/cnn.safetensors', import.meta.url)), 'cnn.safetensors', model);
const compiled = await compileForInference(model, [128, 28, 28, 1]);
const { folded, fusedActivations, weightBytes, activationBytes, kernels } = compiled.facts;
console.log(`${folded.length} batch norms folded, ${fusedActivations.length} activations fused`);
console.log(`${kernels} kernels a run, ${weightBytes} bytes of weights, ${activationBytes} of values`);

const logits = new Float32Array(test.count * 10);
for (let start = 0; start < test.count; start += 128) {
  const count = Math.min(128, test.count - start); // the last batch is smaller
  const batch = images.batch(Array.from({ length: count }, (_, i) => start + i));
  const output = compiled.run(batch.images); // valid until the next run
  logits.set(await output.data(), start * 10);
  for (const used of [output, batch.images, batch.labels]) used.dispose();
}
console.log(`accuracy on ${test.count} test images: ${topKAccuracy(logits, test.labels, 1)}`);

compiled.dispose();
model.dispose();
await device.destroy();
