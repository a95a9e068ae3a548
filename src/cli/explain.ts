/** `weft explain`: attributions of chosen images by chosen methods, as raw arrays, sheets and one page. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { plainJson } from '../devices/plain-text.ts';
import { METHOD_NAMES, methodNamed } from '../explain/index.ts';
import { formatPercent } from '../study/format.ts';
import { type ExplainOptions, explainStudy } from '../study/index.node.ts';
import { type DataFlags, datasetOptionsOf, withDataFlags } from './dataset-options.ts';
import { imageSelection } from './image-selection.ts';
import { type SharedOptions, wholeNumber, withSharedOptions } from './options.ts';
import { unlessInterrupted, withSession } from './session.ts';

const DEFAULT_OUT = 'runs/explain';
const DEFAULT_METHODS = ['grad-cam', 'integrated-gradients', 'deep-shap'];

function methodList(text: string): string[] {
  const names = text === 'all' ? METHOD_NAMES : text.split(',').filter(name => name !== '');
  try {
    for (const name of names) methodNamed(name);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  if (names.length === 0) throw new InvalidArgumentError('Name at least one method.');
  return [...new Set(names)];
}

export const explainCommand = withDataFlags(withSharedOptions(new Command('explain')))
  .description('explain what a checkpoint sees in chosen images')
  .requiredOption('--checkpoint <file>', 'a .safetensors file written by weft train, or pretrained:NAME')
  .addOption(
    new Option(
      '--images <selection>',
      'test:0-15, train:3,7,20-29, mistakes:8 (the surest ones among the test images), photo.jpg, or several of these',
    )
      .argParser(imageSelection)
      .default(imageSelection('test:0-7'), 'test:0-7'),
  )
  .option('--methods <names>', `all, or a list of ${METHOD_NAMES.join(', ')}`, methodList, DEFAULT_METHODS)
  .option('--layer <path>', 'layer of the class activation maps (default: the last convolutional stage)')
  .option(
    '--target <class>',
    'predicted (default), true, both (two rows for a mistake; default with mistakes:N), or a class by number or name',
  )
  .option('--background <n>', 'training images that SHAP compares with', wholeNumber(1), 50)
  .addOption(
    new Option('--segments <kind>', 'pieces of the image for LIME, KernelSHAP and feature ablation')
      .choices(['slic', 'grid'])
      .default('slic'),
  )
  .option('--segment-count <n>', 'about how many pieces (default: 50)', wholeNumber(1))
  .option('--steps <n>', 'points of integrated gradients (default: 50)', wholeNumber(1))
  .option(
    '--samples <n>',
    'per image, for SmoothGrad (default: 50), expected gradients (200), LIME (1000), KernelSHAP (2 per piece + 2048)',
    wholeNumber(2),
  )
  .action(async (options: Omit<ExplainOptions, 'out'> & SharedOptions & DataFlags) => {
    const out = options.out ?? DEFAULT_OUT;
    const reading = datasetOptionsOf(options);
    const result = await unlessInterrupted(
      withSession(options, session => explainStudy({ ...options, reading, out }, session)),
    );
    if (!result) return;
    if (options.json) {
      console.log(plainJson(result));
      return;
    }
    for (const { method, layer, seconds, additivity, fit } of result.methods) {
      const at = layer ? ` at ${layer}` : '';
      const error = additivity
        ? `, additivity error median ${additivity.median.toExponential(1)}, largest ${additivity.largest.toExponential(1)}` +
          (additivity.brokenBy ? ` (broken by ${additivity.brokenBy})` : '')
        : '';
      const linear = fit
        ? `, R2 median ${median(fit.r2).toFixed(2)}, share of samples that changed the class median ${formatPercent(median(fit.changed))}`
        : '';
      console.log(`${method}${at}: ${seconds.toFixed(1)} s${error}${linear}`);
    }
    console.log(`Sheets and captions: ${result.page}`);
  });

const median = (values: ArrayLike<number>): number => Float64Array.from(values).sort()[values.length >> 1];
