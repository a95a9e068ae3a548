/**
 * A whole study in one folder: config.json says what it is, every stage has a folder of its own, metrics.json what came
 * out. What is done is not done again, so a study that was cut off goes on with the same call.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../data/dataset.ts';
import { findPhotos } from '../data/photo-folder.node.ts';
import { DataError, UsageError } from '../devices/errors.ts';
import { unwritable, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { obtainDataset } from './data.node.ts';
import { FolderLock, isPartial, LOCK_FILE, sweepPartials } from './folder-lock.node.ts';
import type { EvaluationResult, ReportResult } from './results.ts';
import type { Session } from './session.ts';
import type { StudySettings } from './settings.ts';
import { checkStages, isDone, type Outcome, type RunStagesOptions, runStages, type Stage } from './stage.node.ts';
import { type StudyOptions, studyStages } from './stages.node.ts';
import { VERSION } from './version.node.ts';

/** What a study keeps as config.json. */
export interface StudyConfig {
  readonly command: string;
  readonly version: string;
  readonly settings: StudySettings;
  /** Of the page, where one was given. */
  readonly title?: string;
  readonly seed: number;
  readonly device: string;
  readonly adapter: string;
  /** The device in words. */
  readonly description: string;
}

/** What a study keeps as metrics.json. */
export interface StudySummary {
  /** What the settings are called. */
  readonly settings: string;
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

export interface RunStudyOptions extends StudyOptions, Pick<RunStagesOptions, 'force'> {
  /** Stages that come after the study's own, which they are given; the command line adds the report (`reportStage`). */
  readonly closing?: (stages: readonly Stage[]) => readonly Stage[];
}

/**
 * Runs the study into `options.out`, or as much of it as is not done.
 * @throws Interrupted when the session's signal stopped it; the stages before are done
 * @throws UsageError for a forced stage that does not exist, and for a folder that holds something else
 * @throws FolderLockedError when another study is at work in the folder
 * @throws DataError for a folder of photographs that is not there, or has none
 */
export async function runStudy(options: RunStudyOptions, session: Session): Promise<StudySummary> {
  const { settings, seed, out, command, force, closing } = options;
  const { device, progress, signal } = session;
  // Found wanting now, not after hours of training.
  if (options.photos !== undefined) await findPhotos([options.photos]);
  const kind = await kindOfData(options, session);
  const config: StudyConfig = {
    command,
    version: VERSION,
    settings,
    title: options.title,
    seed,
    device: device.kind,
    adapter: device.info.adapter,
    description: device.info.description,
  };
  const own = studyStages(options, session, kind);
  const stages = [...own, ...(closing?.(own) ?? [])];
  checkStages(stages, force);
  await checkFolder(out);
  const lock = await FolderLock.take(out, session.command ?? command);
  try {
    // Somebody may have been at work until now.
    await checkFolder(out);
    await sweepPartials(out);
    await writeJsonAtomically(join(out, 'config.json'), config);
    const outcomes = await runStages(stages, {
      out,
      force,
      signal,
      note: text => progress.note(text),
      about: { ...config, command: session.command ?? command },
    });
    const summary = summaryOf(config, out, outcomes);
    await writeJsonAtomically(join(out, 'metrics.json'), summary);
    return summary;
  } finally {
    lock.release();
  }
}

/**
 * What the data in a named folder is. It is opened before anything is written: what cannot be read is no study.
 * @throws DataError, UsageError as `openDataset`; UsageError for photographs beside data that is no garments
 */
async function kindOfData(
  { data, reading, settings, photos }: StudyOptions,
  { progress, signal }: Session,
): Promise<Dataset['kind']> {
  if (data === undefined) return 'fashion-mnist';
  const { kind } = await obtainDataset({ data, reading, limit: settings.limit }, progress, signal);
  if (kind === 'fashion-mnist' || photos === undefined) return kind;
  throw new UsageError(
    `--photos prepares photographs as Fashion-MNIST's garments, and ${data} holds something else; weft predict takes pictures for its checkpoints.`,
  );
}

/** @throws UsageError for a folder that holds files and is no study's: they are somebody else's */
async function checkFolder(out: string): Promise<void> {
  if (await readStudyConfig(out).catch(() => undefined)) return;
  const names = await readdir(out).catch(error => {
    if (error.code === 'ENOENT') return [];
    throw unwritable(out, error);
  });
  const strange = names.find(name => name !== LOCK_FILE && !isPartial(name));
  if (strange === undefined) return;
  throw new UsageError(
    `${out} is not the folder of a study (it holds ${JSON.stringify(strange)}); choose another --out.`,
  );
}

function summaryOf(
  { settings, seed, device, adapter }: StudyConfig,
  out: string,
  outcomes: ReadonlyMap<string, Outcome>,
): StudySummary {
  const all = [...outcomes.values()];
  const evaluation = outcomes.get('evaluate')?.result as EvaluationResult | undefined;
  const report = outcomes.get('report')?.result as ReportResult | undefined;
  return {
    settings: settings.name,
    seed,
    device,
    adapter,
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
}

/** The configuration of the study in a folder. Throws DataError where there is none. */
export async function readStudyConfig(out: string): Promise<StudyConfig> {
  try {
    const { profile, ...kept } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
    // Studies of earlier versions called their settings a profile.
    const config = { settings: profile, ...kept } as StudyConfig;
    if (typeof config.settings === 'object' && typeof config.description === 'string') return config;
  } catch {
    // The sentence below serves for a file that is not there and for one that is no JSON.
  }
  throw new DataError(`${out} is no folder of a study (config.json); weft run makes one.`);
}

const DEVICE_KINDS = ['webgpu', 'wasm', 'reference'] as const;

/** The device that the study in a folder was begun on; undefined where there is no study. */
export async function studyDevice(
  out: string,
): Promise<{ readonly kind: (typeof DEVICE_KINDS)[number]; readonly adapter: string } | undefined> {
  const text = await readFile(join(out, 'config.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { device, adapter } = JSON.parse(text);
    return DEVICE_KINDS.includes(device) && typeof adapter === 'string' ? { kind: device, adapter } : undefined;
  } catch {
    return undefined;
  }
}
