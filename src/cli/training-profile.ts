/** `weft train --profile`: where a training step spends its time, kernel by kernel, and as a timeline. */
import { join } from 'node:path';
import type { DeviceDataset } from '../data/device-dataset.ts';
import { chromeTrace, profileLines, rooflineLine, subnormalLines } from '../report/profile-report.ts';
import type { RunOptions, Session } from '../study/index.node.ts';
import { writeJsonAtomically } from '../train/atomic-file.node.ts';
import { profileTraining } from '../train/index.ts';

const PROFILED_STEPS = 10;

/** Prints where a step spends its time, and writes the timeline. */
export async function showProfile(
  { model, recipe, capture, out }: Pick<RunOptions, 'model' | 'recipe' | 'out'> & { readonly capture: boolean },
  trainingSet: DeviceDataset,
  { device, progress }: Session,
): Promise<void> {
  progress.show('Profiling ...');
  const { steps, entries, roofline, calls, millisecondsPerStep } = await profileTraining(
    model,
    recipe,
    trainingSet,
    PROFILED_STEPS,
    capture,
  );
  const kernels = entries.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / steps;
  progress.note(
    `A training step takes ${millisecondsPerStep.toFixed(1)} ms (mean of ${steps}), ${kernels.toFixed(1)} ms of it in ` +
      `kernels as the profiler times them; per step:`,
  );
  for (const line of [...profileLines(entries, steps), ...subnormalLines(entries)]) progress.note(line);
  if (roofline) progress.note(rooflineLine(roofline));
  const file = join(out, 'profile.json');
  await writeJsonAtomically(file, chromeTrace(calls, device.info.description));
  progress.note(`Timeline of these steps: ${file} (open it in chrome://tracing or ui.perfetto.dev).`);
}
