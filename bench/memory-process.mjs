/**
 * Run by memory.ts as a process of its own, on the built library, as users run it: trains on one batch and prints MiB resident
 * after the import and at most.
 */
import { readFileSync } from 'node:fs';
import { openDevice, setDevice, tensor } from '../dist/index.js';
import { buildModel, SGD } from '../dist/nn/index.js';
import { TrainingStep } from '../dist/train/step.js';

const resident = name =>
  Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;

const [network, batch, steps] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const imported = resident('VmRSS');
const device = await openDevice('wasm');
setDevice(device);
const model = buildModel({ name: network, options: {} }).initialize({ seed: 0 });
const optimizer = new SGD(model, { learningRate: 0.01, momentum: 0.9, nesterov: true });
const images = tensor(
  Float32Array.from({ length: batch * 784 }, (_, i) => (i % 97) / 97),
  [batch, 28, 28, 1],
);
const labels = tensor(
  Int32Array.from({ length: batch }, (_, i) => i % 10),
  [batch],
);
const step = new TrainingStep(model, optimizer, { smoothing: 0 });
let outputs;
optimizer.prepare();
// Recorded once and replayed, as `fit` does it.
const recording = device.capture(() => {
  outputs = step.enqueue({ images, labels });
  step.update();
});
for (let i = 0; i < steps; i++) {
  await step.read(outputs, i);
  optimizer.prepare();
  recording.replay();
}
console.log(JSON.stringify({ imported, peak: resident('VmHWM') }));
await device.destroy();
