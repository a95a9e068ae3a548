import { Command } from 'commander';
import { DeviceDataset } from '../data/device-dataset.ts';
import { CLASS_NAMES } from '../data/index.node.ts';
import { buildModel } from '../nn/index.ts';
import { loadCheckpoint, readCheckpointInfo } from '../train/checkpoint.node.ts';
import { evaluateLogits, predictLogits } from '../train/index.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { formatPercent } from './progress.ts';
import { obtainData, withSession } from './session.ts';

/** `weft evaluate`: every metric of a checkpoint on the test images. */
export const evaluateCommand = withSharedOptions(new Command('evaluate'))
  .description('evaluate a checkpoint on the test images')
  .requiredOption('--checkpoint <file>', 'a .safetensors file written by weft train')
  .action(async (options: SharedOptions & { checkpoint: string }) => {
    const info = await readCheckpointInfo(options.checkpoint);
    const result = await withSession(options, async ({ device, progress }) => {
      const data = await obtainData(options, progress);
      const model = buildModel(info.model).initialize({ device });
      await loadCheckpoint(options.checkpoint, model);
      const test = new DeviceDataset(data.test, device);
      const logits = await predictLogits(model, test, {
        onProgress: (done, total) => progress.show(`${done} of ${total} images`),
      });
      const evaluation = evaluateLogits(logits, data.test.labels, CLASS_NAMES);
      test.dispose();
      model.dispose();
      return { model: info.model.name, checkpoint: options.checkpoint, sampleData: data.isSample, ...evaluation };
    });
    if (options.json) {
      console.log(JSON.stringify(result));
      return;
    }
    const [low, high] = result.ci95;
    console.log(
      `${result.model}: accuracy ${formatPercent(result.accuracy)} (95 % interval ${formatPercent(low)} to ${formatPercent(high)}), ` +
        `top-2 ${formatPercent(result.top2)}, NLL ${result.nll.toFixed(4)}, ECE ${result.ece.toFixed(4)}, ${result.images} images`,
    );
    for (const { name, precision, recall, f1 } of result.perClass) {
      console.log(
        `  ${name.padEnd(12)} precision ${formatPercent(precision)}  recall ${formatPercent(recall)}  F1 ${formatPercent(f1)}`,
      );
    }
  });
