/** `weft run`, the main job: the whole study in one folder, taken up where it stopped, ending in one page. */
import { basename, join } from 'node:path';
import { Command } from 'commander';
import type { Device } from '../devices/device.ts';
import { type OpenOptions, openOptionsLike } from '../devices/open.ts';
import { plainText } from '../devices/plain-text.ts';
import { convolutionOf, precisionOf } from '../devices/variants.ts';
import { reportStage } from '../report/index.node.ts';
import { formatDuration, formatPercent } from '../study/format.ts';
import { Interrupted, type Session, type StudySettings, shellWord, withLimit } from '../study/index.ts';
import { readSettings } from '../study/settings-file.node.ts';
import { runStudy, type StudySummary, studyDevice } from '../study/study.node.ts';
import { type DataFlags, dataFlagWords, datasetOptionsOf, withDataFlags } from './dataset-options.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { withSession } from './session.ts';

interface RunOptions extends SharedOptions, DataFlags {
  readonly settings: string;
  readonly title?: string;
  readonly photos?: string;
  /** Given without a stage: all. */
  readonly force?: string | true;
}

export const runCommand = withDataFlags(withSharedOptions(new Command('run')))
  .description('the whole study: data, exploration, training, evaluation, tuning, explanations, robustness, one report')
  .option(
    '--settings <name>',
    'smoke: two minutes, to see that it works; quick: a quarter of an hour; full: hours; or a JSON file',
    'quick',
  )
  .option('--title <text>', 'of the page (default: the name of the data)')
  .option('--photos <folder>', 'pictures from elsewhere to try the CNN on (default: those of this package)')
  .option('--force [stages]', 'do these stages again (separated by commas), or all')
  .action(async (options: RunOptions) => {
    const out = options.out ?? join('runs', basename(options.settings).replace(/\.json$/i, ''));
    try {
      const result = await run(options, out);
      if (options.json) console.log(JSON.stringify(result));
      else print(result);
      if (result.failed) process.exitCode = 1;
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      console.error(`${error.message} Go on with the same command${options.force ? ', without --force' : ''}.`);
    }
  });

async function run(options: RunOptions, out: string): Promise<StudySummary> {
  const settings = withLimit(await readSettings(options.settings), options.limit);
  const { shared, open } = await asBefore(options, out);
  return withSession(shared, session => study(options, settings, out, session), open);
}

function study(options: RunOptions, settings: StudySettings, out: string, session: Session): Promise<StudySummary> {
  const { seed, data, title, photos, force } = options;
  const command = commandLine(options, out, session.device);
  const reading = datasetOptionsOf(options);
  const asked = { settings, seed, data, reading, title, photos, out, command };
  return runStudy(
    {
      ...asked,
      force: force === true ? 'all' : force?.split(',').filter(name => name !== ''),
      closing: stages => [reportStage(stages, asked, session)],
    },
    session,
  );
}

/**
 * A study that was begun goes on on its device, with the same form of multiply-add, unless another device is named: which
 * form a probe finds faster may change from one start to the next, and with it the last bits of everything.
 */
async function asBefore(options: RunOptions, out: string): Promise<{ shared: SharedOptions; open: OpenOptions }> {
  const before = await studyDevice(out);
  if (!before || (options.device !== 'auto' && options.device !== before.kind)) return { shared: options, open: {} };
  return { shared: { ...options, device: before.kind }, open: openOptionsLike(before.adapter) };
}

/** The command that makes this study again. */
function commandLine(options: RunOptions, out: string, { kind, info }: Device): string {
  const { settings, title, seed, limit, data, photos } = options;
  const parts = ['weft run', `--settings ${shellWord(settings)}`, `--seed ${seed}`, `--device ${kind}`];
  if (precisionOf(info.adapter) === 'highest') parts.push('--precision highest');
  if (convolutionOf(info.adapter) === 'direct') parts.push('--convolution direct');
  if (limit !== undefined) parts.push(`--limit ${limit}`);
  if (data !== undefined) parts.push(`--data ${shellWord(data)}`);
  parts.push(...dataFlagWords(options));
  if (title !== undefined) parts.push(`--title ${shellWord(title)}`);
  if (photos !== undefined) parts.push(`--photos ${shellWord(photos)}`);
  return [...parts, `--out ${shellWord(out)}`].join(' ');
}

function print({ accuracy, stages, report, reportBytes, seconds, sampleData, out }: StudySummary): void {
  for (const [network, figures] of Object.entries(accuracy)) {
    const [low, high] = figures.ci95;
    console.log(
      `${network}: test accuracy ${formatPercent(figures.accuracy)} (95 % interval ${formatPercent(low)} to ${formatPercent(high)})` +
        `${sampleData ? ' -- SAMPLE DATA' : ''}`,
    );
  }
  for (const { stage, state, message } of stages) {
    if (state === 'failed' || state === 'not run') console.log(plainText(`${stage}: ${state}: ${message}`));
  }
  console.log(`${formatDuration(seconds)} of work in ${stages.length} stages; everything lies in ${out}`);
  if (report) console.log(`Report: ${report} (${(reportBytes! / 1e6).toFixed(1)} MB)`);
}
