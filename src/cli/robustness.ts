/** `weft robustness`: what is left of a checkpoint's accuracy when the test images are corrupted. */
import { Command, InvalidArgumentError } from 'commander';
import { CORRUPTION_NAMES, checkSeverity, corruptionNamed, DEFAULT_CORRUPTIONS } from '../data/corruption.ts';
import { formatPercent } from '../study/format.ts';
import { type RobustnessResult, type RobustnessStudyOptions, robustnessStudy } from '../study/index.node.ts';
import { ensureWritable } from '../train/atomic-file.node.ts';
import { checkRobustnessOptions } from '../train/index.ts';
import { type DataFlags, datasetOptionsOf, withDataFlags } from './dataset-options.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { unlessInterrupted, withSession } from './session.ts';

const DEFAULT_SEVERITIES: readonly number[] = [1, 3, 5];

const list = (text: string): string[] => text.split(',').filter(part => part !== '');

/** Runs `check` as commander wants it: a mistake is an argument's, not the program's. */
function checked<T>(check: (text: string) => T): (text: string) => T {
  return text => {
    try {
      return check(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  };
}

const corruptionList = checked(text => {
  const names = text === 'all' ? CORRUPTION_NAMES : list(text);
  for (const name of names) corruptionNamed(name);
  return [...new Set(names)];
});

const severityList = checked(text => {
  const severities = [...new Set(list(text).map(part => checkSeverity(Number(part))))].sort((a, b) => a - b);
  checkRobustnessOptions({ corruptions: CORRUPTION_NAMES, severities });
  return severities;
});

export const robustnessCommand = withDataFlags(withSharedOptions(new Command('robustness')))
  .description('accuracy of a checkpoint on corrupted test images')
  .requiredOption(
    '--checkpoint <files>',
    'a .safetensors file written by weft train, or pretrained:NAME; several, separated by commas, see the same images',
    list,
  )
  .option('--corruptions <names>', `all, or a list of ${CORRUPTION_NAMES.join(', ')}`, corruptionList, [
    ...DEFAULT_CORRUPTIONS,
  ])
  .option('--severities <list>', 'from 1 (hardly seen) to 5 (severe)', severityList, [...DEFAULT_SEVERITIES])
  .action(async (options: Omit<RobustnessStudyOptions, 'out'> & SharedOptions & DataFlags) => {
    let out: string | undefined = options.out ?? 'runs/robustness';
    const result = await unlessInterrupted(
      withSession(options, async session => {
        // A folder that nobody asked for costs nobody the result.
        if (options.out === undefined) {
          out = await ensureWritable(out!).then(
            () => out,
            error => void session.progress.note(`${error.message} The result is printed only; --out names a folder.`),
          );
        }
        return robustnessStudy({ ...options, reading: datasetOptionsOf(options), out }, session);
      }),
    );
    if (!result) return;
    if (options.json) console.log(JSON.stringify(result));
    else print(result, out);
  });

function print({ images, models, sampleData }: RobustnessResult, out: string | undefined): void {
  for (const { model, clean, rows, severities, meanAccuracy, meanRelative } of models) {
    const [low, high] = clean.ci95;
    console.log(
      `${model}: ${formatPercent(clean.accuracy)} of ${images} clean images (95 % interval ${formatPercent(low)} to ` +
        `${formatPercent(high)})${sampleData ? ' -- SAMPLE DATA' : ''}`,
    );
    console.log(`  ${'severity'.padEnd(18)}${severities.map(severity => String(severity).padStart(9)).join('')}`);
    for (const { corruption, points } of rows) {
      const cells = points.map(({ accuracy }) => formatPercent(accuracy).padStart(9)).join('');
      console.log(`  ${corruption.padEnd(18)}${cells}`);
    }
    console.log(
      `  mean corruption accuracy ${formatPercent(meanAccuracy)}, ${formatPercent(meanRelative)} of the clean accuracy`,
    );
  }
  if (out !== undefined) console.log(`Table and figures: ${out}`);
}
