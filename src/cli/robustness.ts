/** `weft robustness`: what is left of a checkpoint's accuracy when the test images are corrupted. */
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import {
  CORRUPTION_NAMES,
  type CorruptionName,
  checkSeverity,
  corruptImages,
  corruptionNamed,
  DEFAULT_CORRUPTIONS,
} from '../data/corruption.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import { UsageError } from '../devices/errors.ts';
import { buildModel, type Module } from '../nn/index.ts';
import { heatTable } from '../report/heat-table.ts';
import { encodePng, imagePicture, imageSheet, type Picture } from '../report/index.node.ts';
import { writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadCheckpoint, readCheckpointInfo } from '../train/checkpoint.node.ts';
import {
  checkRobustnessOptions,
  corruptionTables,
  type RobustnessModel,
  type RobustnessResult,
} from '../train/robustness.ts';
import { noteTestSetUse } from '../train/test-set-ledger.node.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { formatPercent } from './progress.ts';
import { Interrupted, obtainData, type Session, unlessInterrupted, withSession } from './session.ts';

export interface RobustnessCommandOptions extends SharedOptions {
  readonly checkpoint: readonly string[];
  readonly corruptions: readonly string[];
  readonly severities: readonly number[];
}

export const DEFAULT_SEVERITIES: readonly number[] = [1, 3, 5];

/** The garment of the picture sheet: the first test image of this class, which has straight and slanting lines. */
const SHOWN_CLASS = 4;
const SCALE = 2;

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

export const robustnessCommand = withSharedOptions(new Command('robustness'))
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
  .action(async (options: RobustnessCommandOptions) => {
    const out = options.out ?? 'runs/robustness';
    const result = await unlessInterrupted(
      withSession(options, session => robustnessStudy({ ...options, out }, session)),
    );
    if (!result) return;
    if (options.json) console.log(JSON.stringify(result));
    else print(result, out);
  });

/**
 * Measures checkpoints on corrupted test images; writes robustness.json and figures/ into `out`.
 *
 * @param options `limit`: only the first so many test images
 * @throws Interrupted when the session's signal is raised
 */
export async function robustnessStudy(
  options: RobustnessCommandOptions & { readonly out: string },
  session: Session,
): Promise<RobustnessResult> {
  const { checkpoint, corruptions, out, seed, severities } = options;
  const { device, progress, signal } = session;
  checkRobustnessOptions(options);
  if (checkpoint.length === 0) throw new UsageError('robustness: no checkpoint is named.');
  const models: Module[] = [];
  const names: string[] = [];
  try {
    for (const file of checkpoint) {
      const info = await readCheckpointInfo(file);
      const model = buildModel(info.model).initialize({ device });
      models.push(model);
      names.push(info.model.name);
      await loadCheckpoint(file, model);
    }
    const { test, isSample } = await obtainData(options, progress);
    const tables = await corruptionTables(models, test, {
      device,
      corruptions,
      severities,
      seed,
      signal,
      onProgress: (pass, done, total) =>
        progress.show(`${pass} (${done} of ${total} passes over ${test.count} images)`),
    }).catch(error => {
      throw signal.aborted ? new Interrupted('Stopped before all corruptions were measured.') : error;
    });
    const measured = tables.map(
      (table, m): RobustnessModel => ({ model: names[m], checkpoint: checkpoint[m], ...table }),
    );
    for (const { model, checkpoint: file, clean } of measured) {
      const use = { command: 'robustness', model, checkpoint: file, seed, sampleData: isSample };
      await noteTestSetUse(out, { ...use, images: clean.images, accuracy: clean.accuracy });
    }
    const figures = await writeFigures(out, test, measured, options);
    const result: RobustnessResult = {
      device: device.kind,
      seed,
      sampleData: isSample,
      images: test.count,
      severities,
      models: measured,
      figures,
    };
    await writeJsonAtomically(join(out, 'robustness.json'), result);
    return result;
  } finally {
    for (const model of models) model.dispose();
  }
}

async function writeFigures(
  out: string,
  set: ImageSet,
  models: readonly RobustnessModel[],
  { seed, severities }: RobustnessCommandOptions,
): Promise<RobustnessResult['figures']> {
  const write = (name: string, contents: string | Uint8Array) =>
    writeFileAtomically(join(out, 'figures', name), contents);
  const shown = Math.max(0, set.labels.indexOf(SHOWN_CLASS));
  const corruptions = models[0].rows.map(({ corruption }) => corruption);
  const rows = corruptions.map(name =>
    [0, ...severities].map((severity): Picture => {
      const { images, width, height } = corruptImages(set, name, severity, { seed, indices: [shown] });
      return imagePicture(images, width, height);
    }),
  );
  const strips: { corruption: CorruptionName; file: string }[] = [];
  for (const [index, corruption] of corruptions.entries()) {
    const file = `corruption-${corruption}.png`;
    await write(file, encodePng(imageSheet(rows[index], { columns: rows[index].length, gap: 2, scale: SCALE })));
    strips.push({ corruption, file });
  }
  const sheet = 'corruptions.png';
  await write(sheet, encodePng(imageSheet(rows.flat(), { columns: 1 + severities.length, scale: SCALE })));
  const tables: string[] = [];
  for (const [index, model] of models.entries()) {
    const file = models.length === 1 ? 'robustness.svg' : `robustness-${index + 1}.svg`;
    await write(file, robustnessChart(model));
    tables.push(file);
  }
  return { sheet, strips, tables };
}

/** Accuracy by corruption and severity as a heat table, the clean accuracy in the first row. */
export function robustnessChart({ clean, model, rows, severities }: RobustnessModel): string {
  const percent = (accuracy: number): number => 100 * accuracy;
  const cells = severities.map(severity => ({
    row: 'none',
    column: String(severity),
    value: percent(clean.accuracy),
  }));
  for (const { corruption, points } of rows) {
    for (const { severity, accuracy } of points) {
      cells.push({ row: corruption, column: String(severity), value: percent(accuracy) });
    }
  }
  return heatTable(cells, {
    title: `${model}: accuracy by corruption and severity (%)`,
    columnLabel: 'severity',
    domain: [10, 100],
    format: value => value.toFixed(1),
    note: `${clean.images} test images; colour from 10 % (guessing) to 100 %.`,
  });
}

function print({ images, models, sampleData }: RobustnessResult, out: string): void {
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
  console.log(`Table and figures: ${out}`);
}
