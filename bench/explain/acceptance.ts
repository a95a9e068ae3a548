/**
 * What is promised of explanations, measured on a trained network: exactness, sanity, speed, nothing left behind. Prints
 * measured against required and writes JSON; the exit code is 1 when something falls short.
 *
 *     npx tsx bench/explain/acceptance.ts --checkpoint pretrained:cnn --out runs/explain-acceptance
 *     npx tsx bench/explain/acceptance.ts --checkpoint pretrained:mini-resnet --only deep-shap,speed
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { type SharedOptions, wholeNumber, withSharedOptions } from '../../src/cli/options.ts';
import { withSession } from '../../src/cli/session.ts';
import { DeviceDataset } from '../../src/data/index.node.ts';
import { UsageError } from '../../src/devices/errors.ts';
import { setDevice } from '../../src/index.ts';
import { buildModel } from '../../src/nn/index.ts';
import { obtainData } from '../../src/study/index.node.ts';
import { writeJsonAtomically } from '../../src/train/atomic-file.node.ts';
import { loadCheckpoint, readCheckpointInfo } from '../../src/train/checkpoint.node.ts';
import { CHECKS, type Finding, passes } from './checks.ts';

interface Options extends SharedOptions {
  readonly checkpoint: string;
  readonly images: number;
  readonly only?: string;
}

const options = withSharedOptions(new Command('acceptance'))
  .requiredOption('--checkpoint <file>', 'a .safetensors file written by weft train, or pretrained:NAME')
  .option('--images <n>', 'test images of the checks of exactness', wholeNumber(1), 100)
  .option('--only <names>', `some of ${Object.keys(CHECKS).join(', ')}`)
  .parse()
  .opts<Options>();

const names = options.only?.split(',') ?? Object.keys(CHECKS);
for (const name of names) {
  if (!Object.hasOwn(CHECKS, name))
    throw new UsageError(`There is no check "${name}"; choose from ${Object.keys(CHECKS)}.`);
}

const findings: (Finding & { readonly check: string; readonly ok: boolean | null })[] = [];
const seconds: Record<string, number> = {};
await withSession(options, async session => {
  const { device, progress } = session;
  setDevice(device);
  const data = await obtainData(options, progress);
  const { model: spec } = await readCheckpointInfo(options.checkpoint);
  const model = buildModel(spec).initialize({ device });
  await loadCheckpoint(options.checkpoint, model);
  model.eval();
  const subject = {
    device,
    spec,
    checkpoint: options.checkpoint,
    model,
    data,
    seed: options.seed,
    images: options.images,
    train: new DeviceDataset(data.train, device),
    test: new DeviceDataset(data.test, device),
    say: (what: string) => progress.show(what),
  };
  for (const name of names) {
    if (session.signal.aborted) break;
    const began = performance.now();
    for (const finding of await CHECKS[name](subject)) {
      const ok = passes(finding);
      findings.push({ check: name, ...finding, ok });
      const { what, measured, required } = finding;
      const wanted = required === null ? '' : `  ${required.sign} ${required.value}  ${ok ? 'ok' : 'FALLS SHORT'}`;
      progress.end();
      if (!options.json) console.log(`${what}: ${measured.toPrecision(3)}${wanted}`);
    }
    seconds[name] = Math.round(performance.now() - began) / 1000;
  }
  const result = {
    checkpoint: options.checkpoint,
    device: device.info.description,
    seed: options.seed,
    sampleData: data.isSample,
    findings,
    seconds,
  };
  if (options.out) await writeJsonAtomically(join(options.out, 'explain-acceptance.json'), result);
  if (options.json) console.log(JSON.stringify(result));
  subject.train.dispose();
  subject.test.dispose();
  model.dispose();
});
if (findings.some(({ ok }) => ok === false)) process.exitCode = 1;
