/**
 * How long a newcomer's program takes from opening a device to the first result: one training step of the CNN at batch 128,
 * in a process of its own, everything compiled anew. Importing the library is not in it: that is the loader's time.
 */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { quantile } from './statistics.ts';

export const FIRST_RESULT_ID = 'first result cnn 128';
const PROCESSES = 3;

/** The program, over the public interface only, so that it runs on other revisions too. */
const program = (root: string): string => `
  const { backward, openDevice, setDevice, tensor, tidy } = await import('${pathToFileURL(join(root, 'src/index.ts'))}');
  const nn = await import('${pathToFileURL(join(root, 'src/nn/index.ts'))}');
  const began = performance.now();
  const device = await openDevice('wasm');
  setDevice(device);
  const model = nn.cnn().initialize({ seed: 0 });
  const optimizer = new nn.SGD(model, { learningRate: 0.05, momentum: 0.9 });
  const images = tensor(Float32Array.from({ length: 128 * 784 }, (_, i) => (i % 97) / 97), [128, 28, 28, 1]);
  const labels = tensor(Int32Array.from({ length: 128 }, (_, i) => i % 10), [128]);
  const loss = tidy(() => {
    const value = nn.crossEntropy(model.call(images), labels);
    backward(value);
    optimizer.step();
    return value;
  });
  const [value] = await loss.data();
  if (!(value > 1 && value < 4)) throw new Error('the loss is ' + value);
  console.log(performance.now() - began);
  await device.destroy();
`;

/** Milliseconds, the median of three processes. */
export async function firstResultMilliseconds(root: string, node: string): Promise<number> {
  const loader = pathToFileURL(createRequire(join(root, 'package.json')).resolve('tsx')).href;
  const times: number[] = [];
  for (let i = 0; i < PROCESSES; i++) {
    const args = ['--import', loader, '--input-type=module', '--eval', program(root)];
    times.push(Number((await promisify(execFile)(node, args, { cwd: root })).stdout));
  }
  return quantile(times, 0.5);
}
