/** Where the time of a training step goes: some steps of a throwaway copy of a model, taken as training takes them. */
import type { DeviceDataset } from '../data/device-dataset.ts';
import type { ProfiledCall, ProfileEntry } from '../devices/device.ts';
import { measureRoofline } from '../kernels/ceilings/measure.ts';
import { type Roofline, type RooflineSum, rooflineSums } from '../kernels/ceilings/roofline.ts';
import type { ModelSpec } from '../nn/index.ts';
import { buildTrainee } from './build.ts';
import { smoothingIn } from './fit-options.ts';
import { augmentationOf, type Recipe } from './recipes.ts';
import { RecordedStep } from './recorded-step.ts';
import { TrainingStep } from './step.ts';

export interface TrainingProfile {
  readonly steps: number;
  /** Sums over all steps, slowest first, with the time that the roofline allows the calls. */
  readonly entries: readonly (ProfileEntry & { readonly roof?: RooflineSum })[];
  /** Of this device, measured beside; undefined on the reference device. */
  readonly roofline: Roofline | undefined;
  readonly calls: readonly ProfiledCall[];
  /** Of a step, without a profiler beside it. */
  readonly millisecondsPerStep: number;
}

/** Steps before anything is timed: kernels are compiled, a recording is made. */
const WARM_UP = 4;

/**
 * Profiles steps with the first images of a data set. The run that follows is not touched: model and optimizer are copies
 * of their own.
 */
export async function profileTraining(
  spec: ModelSpec,
  recipe: Recipe,
  data: DeviceDataset,
  steps: number,
  capture = true,
): Promise<TrainingProfile> {
  const { device } = data;
  const trainee = buildTrainee(spec, recipe, device, 0);
  const { model, optimizer, ema } = trainee;
  const batchSize = Math.min(recipe.batchSize, data.count);
  const step = new TrainingStep(model, optimizer, { smoothing: smoothingIn(0, recipe), ema });
  const recorded = new RecordedStep(step, data, augmentationOf(recipe), batchSize, capture);
  const indices = Uint32Array.from({ length: batchSize }, (_, i) => i);
  let count = 0;
  const run = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      await recorded.run(indices, { seed: 0, epoch: 0, batch: count }, count);
      count++;
    }
    await device.sync();
  };
  model.train();
  try {
    await run(WARM_UP);
    const started = performance.now();
    await run(steps);
    const millisecondsPerStep = (performance.now() - started) / steps;
    const calls: ProfiledCall[] = [];
    const entries = await device.profile(
      () => run(steps),
      call => calls.push(call),
    );
    const roofline = await measureRoofline(device);
    const roofs = roofline && rooflineSums(calls, roofline);
    const judged = entries.map(entry => ({ ...entry, roof: roofs?.get(`${entry.kernel}/${entry.variant}`) }));
    return { steps, entries: judged, roofline, calls, millisecondsPerStep };
  } finally {
    recorded.dispose();
    step.dispose();
    trainee.dispose();
  }
}
