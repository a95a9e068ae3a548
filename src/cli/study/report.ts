/**
 * The last stage: one page from what the others left. It reads results and figures and computes nothing, so a report can
 * be had again in a second. A chapter whose stage failed is named; so is one that cannot be written, and then the stage
 * fails too, after the page is there.
 */
import { readFileSync, statSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { DataError } from '../../devices/errors.ts';
import { htmlReport, type Section } from '../../report/index.node.ts';
import type { FigureSource } from '../../report/study/chapter.ts';
import type { DataResult } from '../../report/study/data.ts';
import type { EvaluationResult } from '../../report/study/evaluation.ts';
import { missingChapter, type RunRecord, studyReport } from '../../report/study/report.ts';
import { writeFileAtomically, writeJsonAtomically } from '../../train/atomic-file.node.ts';
import { CHAPTERS, type Chapter, type Material } from './chapters.ts';
import type { Profile } from './profiles.ts';
import { VERSION } from './settings.ts';
import { isDone, type Outcome } from './stage.ts';

export interface ReportResult {
  readonly report: string;
  readonly bytes: number;
  readonly chapters: readonly string[];
  /** Chapters that are only named, or lack something, with the reason. */
  readonly missing: Readonly<Record<string, string>>;
}

/** What the page says about the run besides its results. */
export interface ReportedRun {
  readonly profile: Profile;
  readonly seed: number;
  readonly command: string;
  /** The device in words. */
  readonly device: string;
}

/**
 * Writes the page, and report.json into the stage's own folder.
 * @param folder of the report stage; those of the others lie beside it
 * @throws DataError when a chapter could not be written although its stage is done
 */
export async function writeReport(
  folder: string,
  page: string,
  outcomes: ReadonlyMap<string, Outcome>,
  run: ReportedRun,
): Promise<ReportResult> {
  const missing: Record<string, string> = {};
  const broken: string[] = [];
  const material: Material = {
    profile: run.profile,
    result: <T>(stage: string) => (isDone(outcomes.get(stage)) ? (outcomes.get(stage)!.result as T) : undefined),
    figures: stage => figureSource(join(dirname(folder), stage, 'figures')),
  };
  const sections = CHAPTERS.flatMap((chapter): readonly Section[] => {
    const own = chapter.stages.flatMap(stage => outcomes.get(stage) ?? []);
    if (own.length === 0) return [];
    const lacking = own.filter(outcome => !isDone(outcome));
    const reasons = lacking.map(reasonOf).join(' ');
    if (lacking.length > 0) missing[chapter.title] = reasons;
    if (lacking.length === own.length) return [missingChapter(chapter.title, reasons)];
    try {
      return withRemark(chapter, material, reasons);
    } catch (error) {
      const reason = `It could not be written: ${(error as Error).message}`;
      broken.push(chapter.title);
      missing[chapter.title] = reason;
      return [missingChapter(chapter.title, reason)];
    }
  });

  const html = htmlReport(
    studyReport(recordOf(run, outcomes), sections, material.result<EvaluationResult>('evaluate')),
  );
  await writeFileAtomically(page, html);
  const chapters = sections.map(({ title }) => title);
  const result: ReportResult = { report: page, bytes: statSync(page).size, chapters, missing };
  await writeJsonAtomically(join(folder, 'report.json'), result);
  if (broken.length > 0) {
    throw new DataError(`${page} lacks ${broken.join(', ')}: ${missing[broken[0]].replace(/\.$/, '')}.`);
  }
  return result;
}

/** A chapter's sections; what a part of its stages lacks stands at the top of the first. */
function withRemark(chapter: Chapter, material: Material, remark: string): readonly Section[] {
  const [first, ...others] = chapter.sections(material);
  if (remark === '') return [first, ...others];
  return [{ ...first, blocks: [{ kind: 'text', text: `A part is missing. ${remark}` }, ...first.blocks] }, ...others];
}

function reasonOf({ stage, state, message = '' }: Outcome): string {
  return state === 'failed' ? `The stage ${stage} failed: ${message}` : `The stage ${stage} was not run: ${message}`;
}

function recordOf(run: ReportedRun, outcomes: ReadonlyMap<string, Outcome>): RunRecord {
  const { profile, command, seed, device } = run;
  const system = `${process.platform} ${process.arch}`;
  const data = outcomes.get('data')?.result as DataResult | undefined;
  return {
    ...{ profile: profile.name, command, seed, device, limit: profile.limit },
    versions: { weft: VERSION, Node: process.version, V8: process.versions.v8, system },
    machine: machineDescription(),
    isSample: data?.isSample ?? false,
    stages: [...outcomes.values()].map(({ stage, state, seconds, message }) => ({
      stage,
      // Whether this command did it or an earlier one is nothing to a reader.
      state: state === 'unchanged' ? 'done' : state,
      seconds,
      message,
    })),
  };
}

function figureSource(folder: string): FigureSource {
  return file => {
    const path = join(folder, file);
    return file.endsWith('.svg') ? { svg: readFileSync(path, 'utf8') } : { png: new Uint8Array(readFileSync(path)) };
  };
}

function machineDescription(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  return `${processors.length} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB memory`;
}
