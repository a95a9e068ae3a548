/**
 * The page of a whole study, from what its stages left. It reads results and figures and computes nothing, so a report can
 * be had again in a second. A chapter whose stage failed is named; so is one that cannot be written, and then the report
 * fails too, after the page is there.
 */
import { statSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { DataError } from '../../devices/errors.ts';
import type { DataResult, EvaluationResult, ReportResult } from '../../study/results.ts';
import type { Session } from '../../study/session.ts';
import type { StudySettings } from '../../study/settings.ts';
import { isDone, type Outcome, readOutcome, type Stage } from '../../study/stage.node.ts';
import { GARMENT_STAGES, STAGE_FILES, type StudyOptions, studyInputs } from '../../study/stages.node.ts';
import { readStudyConfig } from '../../study/study.node.ts';
import { VERSION } from '../../study/version.node.ts';
import { writeFileAtomically, writeJsonAtomically } from '../../train/atomic-file.node.ts';
import { htmlReport, type Section } from '../html.ts';
import { CHAPTERS, type Chapter, type Material } from './chapters.ts';
import { figuresOf } from './figure-source.node.ts';
import { leftOutChapter, missingChapter, type RunRecord, studyReport } from './report.ts';

/** The folder of the report's own stage, and its page, in the folder of a study. */
const FOLDER = 'report';
const PAGE = 'report.html';

/** The stage of a study that writes its page; `before` are the stages that the page is made of. */
export function reportStage(before: readonly Stage[], options: StudyOptions, session: Session): Stage {
  const { settings, title, seed, command, out } = options;
  return {
    name: FOLDER,
    uses: before.map(({ name }) => name),
    inputs: () => ({ ...studyInputs(options, session), command, settings, title }),
    result: 'report.json',
    products: ['report.json', `../${PAGE}`],
    run: ({ out: folder, outcomes }) => {
      const device = session.device.info.description;
      return writeReport(folder, join(out, PAGE), outcomes, { settings, title, seed, command, device });
    },
  };
}

/**
 * Writes the page of the study in a folder again, from what is there.
 * @throws DataError where there is no study, or a chapter cannot be written
 */
export async function rewriteReport(out: string): Promise<ReportResult> {
  const config = await readStudyConfig(out);
  const outcomes = new Map<string, Outcome>();
  for (const [stage, file] of Object.entries(STAGE_FILES)) outcomes.set(stage, await readOutcome(out, stage, file));
  return writeReport(join(out, FOLDER), join(out, PAGE), outcomes, { ...config, device: config.description });
}

/** What the page says about the run besides its results. */
interface ReportedRun {
  readonly settings: StudySettings;
  readonly title?: string;
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
async function writeReport(
  folder: string,
  page: string,
  outcomes: ReadonlyMap<string, Outcome>,
  run: ReportedRun,
): Promise<ReportResult> {
  const missing: Record<string, string> = {};
  const broken: string[] = [];
  const material: Material = {
    settings: run.settings,
    result: <T>(stage: string) => (isDone(outcomes.get(stage)) ? (outcomes.get(stage)!.result as T) : undefined),
    figures: stage => figuresOf(join(dirname(folder), stage)),
  };
  const data = material.result<DataResult>('data');
  const sections = CHAPTERS.flatMap((chapter): readonly Section[] => {
    if (data?.other && chapter.leftOut !== undefined) return [leftOutChapter(chapter.title, chapter.leftOut)];
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
  const { settings, command, seed, device } = run;
  const system = `${process.platform} ${process.arch}`;
  const data = outcomes.get('data')?.result as DataResult | undefined;
  const isStudied = ({ stage }: Outcome): boolean => !data?.other || !GARMENT_STAGES.some(name => name === stage);
  const studied = [...outcomes.values()].filter(isStudied);
  return {
    settings: settings.name,
    title: run.title,
    other: data?.other,
    command,
    seed,
    device,
    limit: settings.limit,
    versions: { weft: VERSION, Node: process.version, V8: process.versions.v8, system },
    machine: machineDescription(),
    isSample: data?.isSample ?? false,
    stages: studied.map(({ stage, state, seconds, message }) => ({
      stage,
      // Whether this command did it or an earlier one is nothing to a reader.
      state: state === 'unchanged' ? 'done' : state,
      seconds,
      message,
    })),
  };
}

function machineDescription(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  return `${processors.length} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB memory`;
}
