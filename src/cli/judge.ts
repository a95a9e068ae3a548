/** `weft judge`: how far explanations of a checkpoint can be trusted, as a table of methods and measures. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { intervalText, JUDGED_NAMES, judgedMethodNamed, MEASURE_NAMES, measureNamed } from '../explain/index.ts';
import { writeChapterPage } from '../report/study/chapter-page.node.ts';
import { explanationsSection, number } from '../report/study/explanations.ts';
import { type JudgeOptions, type JudgeResult, judgeStudy, type Session } from '../study/index.node.ts';
import { type DataFlags, datasetOptionsOf, withDataFlags } from './dataset-options.ts';
import { imageSelection } from './image-selection.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { unlessInterrupted, withSession } from './session.ts';

const DEFAULT_METHODS = [
  'grad-cam',
  'saliency',
  'guided-backprop',
  'input-x-gradient',
  'integrated-gradients',
  'deep-shap',
  'lime',
  'random-map',
  'edge-detector',
];
const DEFAULT_OUT = 'runs/judge';

function checkedList<T extends string>(all: readonly T[], check: (name: string) => unknown): (text: string) => T[] {
  return text => {
    const names = text === 'all' ? [...all] : text.split(',').filter(name => name !== '');
    try {
      for (const name of names) check(name);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
    if (names.length === 0) throw new InvalidArgumentError('Name at least one.');
    return [...new Set(names)] as T[];
  };
}

export const judgeCommand = withDataFlags(withSharedOptions(new Command('judge')))
  .description('measure how far explanations of a checkpoint can be trusted')
  .requiredOption('--checkpoint <file>', 'a .safetensors file written by weft train, or pretrained:NAME')
  .addOption(
    new Option('--images <selection>', 'as for weft explain')
      .argParser(imageSelection)
      .default(imageSelection('test:0-99'), 'test:0-99'),
  )
  .option(
    '--methods <names>',
    `all, or a list of ${JUDGED_NAMES.join(', ')}`,
    checkedList(JUDGED_NAMES, judgedMethodNamed),
    DEFAULT_METHODS,
  )
  .option(
    '--measures <names>',
    `all, or a list of ${MEASURE_NAMES.join(', ')}`,
    checkedList(MEASURE_NAMES, measureNamed),
    MEASURE_NAMES,
  )
  .option('--layer <path>', 'layer of the class activation maps (default: the last convolutional stage)')
  .option('--background <n>', 'training images that SHAP compares with', wholeNumber(1), 20)
  .option('--training <n>', 'training images for the planted cue and batch-norm statistics', wholeNumber(1), 1024)
  .option(
    '--costly-images <n>',
    'images for sensitivity, randomisation and planted cue (default: all that are judged)',
    wholeNumber(1),
  )
  .option('--cue-steps <n>', 'most training steps of the planted cue', wholeNumber(1))
  .action(async (options: Omit<JudgeOptions, 'out'> & SharedOptions & DataFlags) => {
    const out = options.out ?? DEFAULT_OUT;
    const work = async (session: Session) => {
      const result = await judgeStudy({ ...options, reading: datasetOptionsOf(options), out }, session);
      const title = `Explanations of ${result.model}, judged`;
      const page = await writeChapterPage(out, title, result.sampleData, read => explanationsSection(result, read));
      return { result, page };
    };
    const done = await unlessInterrupted(withSession(options, work));
    if (!done) return;
    if (options.json) console.log(JSON.stringify(done.result));
    else print(done.result, done.page);
  });

function print({ measures, methods, images, model, cue, seconds }: JudgeResult, page: string): void {
  const width = Math.max(...methods.map(({ name }) => name.length));
  console.log(`${model}, ${images} images, ${seconds.toFixed(0)} s. * is the best method, ~ not to be told from it.`);
  for (const { title, better, scores, images: used } of measures) {
    const direction = { lower: 'less is better', higher: 'more is better', zero: '0 is best', none: 'for comparison' }[
      better
    ];
    console.log(`${title} (${direction}; ${used} images)`);
    for (const { method, estimate, versusRandom, rank, exempt } of scores) {
      if (estimate === null) continue;
      const mark = rank === 'best' ? '*' : rank === 'tied' ? '~' : ' ';
      const beside = versusRandom
        ? `  against random ${number(versusRandom.mean)} (${intervalText(versusRandom, number)})`
        : '';
      const interval = `${number(estimate.mean)} (${intervalText(estimate, number)})`;
      console.log(`  ${mark} ${method.padEnd(width)}  ${interval}${beside}${exempt ? `  exempt: ${exempt}` : ''}`);
    }
  }
  if (cue)
    console.log(`Planted cue: read on ${(100 * cue.accuracy).toFixed(0)} % of the images after ${cue.steps} steps.`);
  console.log(`Report: ${page}`);
}
