/** `weft run`, the main job: the whole study in one folder, taken up where it stopped, ending in one page. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { Device } from '../devices/device.ts';
import { type OpenOptions, openOptionsLike } from '../devices/open.ts';
import { precisionOf } from '../devices/variants.ts';
import type { EvaluationResult } from '../report/study/evaluation.ts';
import { writeJsonAtomically } from '../train/atomic-file.node.ts';
import { type SharedOptions, withSharedOptions } from './options.ts';
import { formatDuration, formatPercent } from './progress.ts';
import type { StudyConfig } from './report.ts';
import { Interrupted, type Session, withSession } from './session.ts';
import { PROFILE_NAMES, type ProfileName, profileNamed } from './study/profiles.ts';
import type { ReportResult } from './study/report.ts';
import { VERSION } from './study/settings.ts';
import { isDone, type Outcome, runStages } from './study/stage.ts';
import { studyStages } from './study/study.ts';

interface RunOptions extends SharedOptions {
  readonly profile: ProfileName;
  readonly photos?: string;
  /** Given without a stage: all. */
  readonly force?: string | true;
}

/** What the command prints as JSON and keeps as metrics.json. */
export interface RunResult {
  readonly profile: ProfileName;
  readonly seed: number;
  readonly device: string;
  readonly adapter: string;
  readonly out: string;
  /** The page; absent where even that failed. */
  readonly report?: string;
  readonly reportBytes?: number;
  readonly sampleData: boolean;
  /** Test accuracy and its 95 % interval by network. */
  readonly accuracy: Readonly<Record<string, { readonly accuracy: number; readonly ci95: readonly [number, number] }>>;
  readonly stages: readonly Omit<Outcome, 'result' | 'output'>[];
  /** Of all stages' work, whenever it was done. */
  readonly seconds: number;
  readonly failed: boolean;
}

export const runCommand = withSharedOptions(new Command('run'))
  .description('the whole study: data, exploration, training, evaluation, tuning, explanations, robustness, one report')
  .addOption(
    new Option('--profile <name>', 'smoke: two minutes, to see that it works; quick: a quarter of an hour; full: hours')
      .choices([...PROFILE_NAMES])
      .default('quick'),
  )
  .option('--photos <folder>', 'pictures from elsewhere to try the CNN on (default: those of this package)')
  .option('--force [stages]', 'do these stages again (separated by commas), or all')
  .action(async (options: RunOptions) => {
    const out = options.out ?? join('runs', options.profile);
    try {
      const result = await run(options, out);
      if (options.json) console.log(JSON.stringify(result));
      else print(result);
      if (result.failed) process.exitCode = 1;
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      console.error(`${error.message} Go on with the same command${options.force ? ', without --force' : ''}.`);
      process.exitCode = 130;
    }
  });

async function run(options: RunOptions, out: string): Promise<RunResult> {
  const { shared, open } = await asBefore(options, out);
  return withSession(shared, session => study(options, out, session), open);
}

async function study(options: RunOptions, out: string, session: Session): Promise<RunResult> {
  const { seed, data, limit, photos } = options;
  const { device, progress, signal } = session;
  const profile = profileNamed(options.profile, limit);
  const command = commandLine(options, out, device);
  const config: StudyConfig = {
    ...{ command, version: VERSION, profile, seed },
    ...{ device: device.kind, adapter: device.info.adapter, description: device.info.description },
  };
  await writeJsonAtomically(join(out, 'config.json'), config);
  const outcomes = await runStages(studyStages({ profile, seed, data, photos, out, command }, session), {
    out,
    force: options.force === true ? 'all' : options.force?.split(',').filter(name => name !== ''),
    signal,
    note: text => progress.note(text),
    about: { ...config, command: ['weft', ...process.argv.slice(2)].join(' ') },
  });
  const all = [...outcomes.values()];
  const evaluation = outcomes.get('evaluate')?.result as EvaluationResult | undefined;
  const report = outcomes.get('report')?.result as ReportResult | undefined;
  const result: RunResult = {
    profile: profile.name,
    seed,
    device: device.kind,
    adapter: device.info.adapter,
    out,
    ...(report && { report: report.report, reportBytes: report.bytes }),
    sampleData: evaluation?.sampleData ?? false,
    accuracy: Object.fromEntries(
      (evaluation?.networks ?? []).map(({ network, accuracy, ci95 }) => [network, { accuracy, ci95 }]),
    ),
    stages: all.map(({ stage, state, seconds, message }) => ({ stage, state, seconds, message })),
    seconds: Math.round(10 * all.reduce((sum, { seconds }) => sum + seconds, 0)) / 10,
    failed: !all.every(isDone),
  };
  await writeJsonAtomically(join(out, 'metrics.json'), result);
  return result;
}

/**
 * A study that was begun goes on on its device, with the same form of multiply-add, unless another device is named: which
 * form a probe finds faster may change from one start to the next, and with it the last bits of everything.
 */
async function asBefore(options: RunOptions, out: string): Promise<{ shared: SharedOptions; open: OpenOptions }> {
  const text = await readFile(join(out, 'config.json'), 'utf8').catch(() => undefined);
  const before = text === undefined ? undefined : parseConfig(text);
  if (!before || (options.device !== 'auto' && options.device !== before.device)) return { shared: options, open: {} };
  return { shared: { ...options, device: before.device }, open: openOptionsLike(before.adapter) };
}

function parseConfig(text: string): { device: 'webgpu' | 'wasm' | 'reference'; adapter: string } | undefined {
  try {
    const { device, adapter } = JSON.parse(text);
    return ['webgpu', 'wasm', 'reference'].includes(device) && typeof adapter === 'string'
      ? { device, adapter }
      : undefined;
  } catch {
    return undefined;
  }
}

/** The command that makes this study again. */
function commandLine({ profile, seed, limit, data, photos }: RunOptions, out: string, { kind, info }: Device): string {
  const parts = ['npx weft run', `--profile ${profile}`, `--seed ${seed}`, `--device ${kind}`];
  if (precisionOf(info.adapter) === 'highest') parts.push('--precision highest');
  if (limit !== undefined) parts.push(`--limit ${limit}`);
  if (data !== undefined) parts.push(`--data ${data}`);
  if (photos !== undefined) parts.push(`--photos ${photos}`);
  return [...parts, `--out ${out}`].join(' ');
}

function print({ accuracy, stages, report, reportBytes, seconds, sampleData, out }: RunResult): void {
  for (const [network, figures] of Object.entries(accuracy)) {
    const [low, high] = figures.ci95;
    console.log(
      `${network}: test accuracy ${formatPercent(figures.accuracy)} (95 % interval ${formatPercent(low)} to ${formatPercent(high)})` +
        `${sampleData ? ' -- SAMPLE DATA' : ''}`,
    );
  }
  for (const { stage, state, message } of stages) {
    if (state === 'failed' || state === 'not run') console.log(`${stage}: ${state}: ${message}`);
  }
  console.log(`${formatDuration(seconds)} of work in ${stages.length} stages; everything lies in ${out}`);
  if (report) console.log(`Report: ${report} (${(reportBytes! / 1e6).toFixed(1)} MB)`);
}
