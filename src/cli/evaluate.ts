/** `weft evaluate`: every metric of a checkpoint, or of several averaged, on images it has not seen. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { formatPercent } from '../study/format.ts';
import {
  type Calibration,
  type EvaluateOptions,
  type EvaluateResult,
  evaluateCheckpoints,
} from '../study/index.node.ts';
import { VIEW_NAMES, type ViewName } from '../train/index.ts';
import { type DataFlags, datasetOptionsOf, withDataFlags } from './dataset-options.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { unlessInterrupted, withSession } from './session.ts';

const list = (text: string): string[] => text.split(',').filter(part => part !== '');

function viewNames(text: string): ViewName[] {
  for (const name of list(text)) {
    if (!VIEW_NAMES.includes(name as ViewName)) throw new InvalidArgumentError(`Choose from ${VIEW_NAMES.join(', ')}.`);
  }
  return list(text) as ViewName[];
}

export const evaluateCommand = withDataFlags(withSharedOptions(new Command('evaluate')))
  .description('evaluate a checkpoint on the test images')
  .requiredOption(
    '--checkpoint <files>',
    'a .safetensors file written by weft train, or pretrained:NAME; several, separated by commas, are averaged',
    list,
  )
  .option('--compare <files>', 'another checkpoint (or average): is the difference more than luck? (McNemar)', list)
  .option('--tta <views>', 'average over views of each image: flip, shift, or flip,shift', viewNames, [])
  .addOption(new Option('--on <images>', 'which images').choices(['test', 'validation']).default('test'))
  .option('--temperature', 'insist on a temperature fitted on held-out images (default: where there are any)')
  .option('--no-temperature', 'fit none')
  .action(async (options: EvaluateOptions & SharedOptions & DataFlags) => {
    const reading = datasetOptionsOf(options);
    const result = await unlessInterrupted(
      withSession(options, session => evaluateCheckpoints({ ...options, reading }, session)),
    );
    if (!result) return;
    if (options.json) console.log(JSON.stringify(result));
    else print(result, options.out);
  });

function print(result: EvaluateResult, out: string | undefined): void {
  const [low, high] = result.ci95;
  console.log(
    `${result.model}: ${result.on} accuracy ${formatPercent(result.accuracy)} (95 % interval ${formatPercent(low)} to ` +
      `${formatPercent(high)}), top-2 ${formatPercent(result.top2)}, macro F1 ${formatPercent(result.macro.f1)} (precision ` +
      `${formatPercent(result.macro.precision)}, recall ${formatPercent(result.macro.recall)}), ${result.images} images` +
      `${result.tta.length > 0 ? `, views: ${result.tta.join(' and ')}` : ''}${result.sampleData ? ' -- SAMPLE DATA' : ''}`,
  );
  const calibration = ({ nll, brier, ece }: Calibration): string =>
    `NLL ${nll.toFixed(4)}, Brier ${brier.toFixed(4)}, ECE ${formatPercent(ece)}`;
  console.log(calibration(result));
  if (result.calibrated) {
    console.log(`With temperature ${result.temperature!.toFixed(3)}: ${calibration(result.calibrated)}`);
  }
  for (const { name, precision, recall, f1 } of result.perClass) {
    console.log(
      `  ${name.padEnd(12)} precision ${formatPercent(precision)}  recall ${formatPercent(recall)}  F1 ${formatPercent(f1)}`,
    );
  }
  if (result.comparison) {
    const { checkpoint, accuracy, onlyFirst, onlySecond, pValue, method } = result.comparison;
    console.log(
      `${checkpoint}: accuracy ${formatPercent(accuracy)}; only the first is right on ${onlyFirst} images, only the second ` +
        `on ${onlySecond}: p = ${pValue.toPrecision(3)} (McNemar, ${method})`,
    );
  }
  if (out) console.log(`Metrics and figures: ${out}`);
}
