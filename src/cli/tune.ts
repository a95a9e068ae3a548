/** `weft tune`: random search with successive halving, on held-out training images. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { formatDuration, formatPercent } from '../study/format.ts';
import { type TuneOptions, type TuneResult, tuneStudy } from '../study/index.node.ts';
import { TUNED_SPACES } from '../study/tune.node.ts';
import { ranking } from '../train/index.ts';
import { type DataFlags, datasetOptionsOf, withDataFlags } from './dataset-options.ts';
import { numberBetween, type SharedOptions, wholeNumber, wholeNumbers, withSharedOptions } from './options.ts';
import { unlessInterrupted, withSession } from './session.ts';

function budgets(text: string): number[] {
  const epochs = wholeNumbers(1)(text);
  if (epochs.some((budget, rung) => rung > 0 && budget <= epochs[rung - 1])) {
    throw new InvalidArgumentError('The budgets must grow, e.g. 1,3,9.');
  }
  return epochs;
}

export const tuneCommand = withDataFlags(withSharedOptions(new Command('tune')))
  .description('try combinations of options on held-out training images (random search, successive halving)')
  .addOption(new Option('--model <name>', 'architecture').choices(Object.keys(TUNED_SPACES)).default('mini-resnet'))
  .option('--trials <n>', 'combinations to try', wholeNumber(1, 10_000), 12)
  .option('--budget <epochs>', 'epochs of the first round, the second, ...', budgets, [1, 3])
  .option('--eta <n>', 'one in so many goes on to the next round', numberBetween(1, 1000), 3)
  .option('--images <n>', 'training images to train on', wholeNumber(1), 6000)
  .option('--held-out <n>', 'training images to judge by', wholeNumber(1), 2000)
  .option('--widths <list>', 'channels of the stages (default: mini-resnet 8,16,32; cnn 8,16)', wholeNumbers(1))
  .action(async (options: Omit<TuneOptions, 'widths' | 'out'> & SharedOptions & DataFlags & { widths?: number[] }) => {
    const widths = options.widths ?? (options.model === 'cnn' ? [8, 16] : [8, 16, 32]);
    const out = options.out ?? `runs/tune-${options.model}`;
    const reading = datasetOptionsOf(options);
    const result = await unlessInterrupted(
      withSession(options, session => tuneStudy({ ...options, reading, widths, out }, session)),
    );
    if (!result) return;
    if (options.json) console.log(JSON.stringify(result));
    else print(result, out);
  });

function print({ trials, effects, best, halving, trainImages, heldOutImages, seconds }: TuneResult, out: string): void {
  console.log(
    `${trials.length} combinations on ${trainImages} training images, judged on ${heldOutImages} others, ${formatDuration(seconds)}`,
  );
  for (const { id, choice, attempts } of ranking(trials)) {
    const options = Object.entries(choice).map(([name, value]) => `${name} ${value}`);
    const results = attempts.map(
      ({ budget, accuracy }) => `${budget}: ${accuracy === null ? 'failed' : formatPercent(accuracy)}`,
    );
    console.log(`${id === best ? '*' : ' '} ${options.join(', ')}  ->  ${results.join('  ')}`);
  }
  console.log(`What each option did (all with ${halving.budgets[0]} epochs):`);
  for (const { dimension, option, mean, spread, trials: count } of effects) {
    const figure =
      mean === null ? 'none' : `${formatPercent(mean)}${spread === null ? '' : ` +- ${(100 * spread).toFixed(2)}`}`;
    console.log(`  ${dimension} ${option}: ${figure} (${count} trials)`);
  }
  console.log(`Trials and figures: ${out}`);
}
