/**
 * Batch-norm statistics measured anew: after weights have changed, running means and variances that belong to the old ones
 * would scale every layer wrongly, and a test of the weights would become a test of that.
 */
import { noGrad } from '../../autograd/index.ts';
import { BatchNorm2d, type Module } from '../../nn/index.ts';
import { dispose, tidy } from '../../tensor/lifetime.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { imageRows } from '../evaluation.ts';

/**
 * Sets every batch norm's running statistics to the mean of its batches' statistics over `images`, with everything else in
 * evaluation mode (no dropout). Running statistics only ever move by their momentum, so they are set to zero before each
 * batch; what they become, divided by the momentum, is the batch's own.
 *
 * @param images [N, ...]
 */
export async function estimateBatchStatistics(model: Module, images: Tensor, batchSize: number): Promise<void> {
  const norms = model.modules().filter(module => module instanceof BatchNorm2d);
  if (norms.length === 0) return;
  const { arena, device } = model;
  const buffers = norms.flatMap(({ runningMean, runningVariance, momentum }) =>
    [runningMean, runningVariance].map(buffer => ({ buffer, momentum, total: new Float64Array(buffer.value.size) })),
  );
  const whole = (await device.read(arena.state)).slice() as Float32Array | Float64Array;
  const zeroed = whole.slice();
  const startOf = new Map(arena.bufferEntries.map(({ name, start }) => [name, start]));
  for (const { buffer, total } of buffers) {
    const start = startOf.get(buffer.name)!;
    zeroed.fill(0, start, start + total.length);
  }
  const batches = Math.ceil(images.shape[0] / batchSize);
  const modes = model.modules().map(part => [part, part.isTraining] as const);
  model.eval();
  for (const norm of norms) norm.isTraining = true;
  try {
    for (let batch = 0; batch < batches; batch++) {
      device.write(arena.state, zeroed);
      const start = batch * batchSize;
      const count = Math.min(batchSize, images.shape[0] - start);
      dispose(tidy(() => noGrad(() => model.call(imageRows(images, start, count)))));
      const seen = await device.read(arena.state);
      for (const { buffer, momentum, total } of buffers) {
        const from = startOf.get(buffer.name)!;
        for (let i = 0; i < total.length; i++) total[i] += Number(seen[from + i]) / momentum / batches;
      }
    }
  } finally {
    for (const [part, isTraining] of modes) part.isTraining = isTraining;
    for (const { buffer, total } of buffers) whole.set(total, startOf.get(buffer.name)!);
    device.write(arena.state, whole);
  }
}
