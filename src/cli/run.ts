import { Command } from 'commander';
import { RECIPES } from '../train/index.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { obtainData, withSession } from './session.ts';
import { printResult } from './train.ts';
import { Interrupted, trainingRun } from './training-run.ts';

/** `weft run`, the main job: data, training, evaluation, figures, in one folder. */
export const runCommand = withSharedOptions(new Command('run'))
  .description('the whole pipeline: obtain the data, train the CNN, evaluate it, write the run folder')
  .option('--epochs <n>', 'passes over the training images', wholeNumber(1), 4)
  .option('--resume', 'go on with the run in --out')
  .action(async (options: SharedOptions & { epochs: number; resume?: boolean }) => {
    const out = options.out ?? 'runs/quick';
    const { seed, epochs, resume = false } = options;
    try {
      const result = await withSession(options, async session => {
        const data = await obtainData(options, session.progress);
        const recipe = { ...RECIPES.cnn, epochs };
        return trainingRun(
          data,
          { model: { name: 'cnn', options: {} }, recipe, seed, validation: 0, test: true, out, resume },
          session,
        );
      });
      if (options.json) console.log(JSON.stringify(result));
      else printResult(result, out);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      console.error(error.message);
      process.exitCode = 130;
    }
  });
