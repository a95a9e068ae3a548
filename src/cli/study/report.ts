/**
 * The last stage: one page from what the others left. It reads results and figures and computes nothing, so a report can
 * be had again in a second. A chapter whose stage failed is named; so is one that cannot be written, and then the stage
 * fails too, after the page is there.
 */
import { readFileSync, statSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { DataError } from '../../devices/errors.ts';
import type { ExploreResult } from '../../explore/index.ts';
import { buildModel, type ModelSpec } from '../../nn/index.ts';
import { htmlReport, type Section } from '../../report/index.node.ts';
import type { FigureSource } from '../../report/study/chapter.ts';
import { type DataResult, dataSection } from '../../report/study/data.ts';
import {
  calibrationSection,
  type EvaluationResult,
  evaluationSection,
  mistakesSection,
} from '../../report/study/evaluation.ts';
import { type ExplainResult, explainSection } from '../../report/study/explain.ts';
import { exploreSection } from '../../report/study/explore.ts';
import { insideSection } from '../../report/study/inside.ts';
import { photosSection } from '../../report/study/photos.ts';
import { missingChapter, type RunRecord, studyReport } from '../../report/study/report.ts';
import { robustnessSection } from '../../report/study/robustness.ts';
import { type TrainedNetwork, trainingSection } from '../../report/study/training.ts';
import { tuningSection } from '../../report/study/tuning.ts';
import { writeFileAtomically, writeJsonAtomically } from '../../train/atomic-file.node.ts';
import type { Recipe, TuneResult } from '../../train/index.ts';
import type { PhotosResult } from '../../train/photos.ts';
import type { RobustnessResult } from '../../train/robustness.ts';
import type { Session } from '../session.ts';
import type { TrainingRunResult } from '../training-run.ts';
import { type StudyOptions, VERSION } from './settings.ts';
import { isDone, type Outcome } from './stage.ts';

/** A part of the report that one stage's result makes. */
interface Chapter {
  readonly stage: string;
  /** Its heading where it is missing. */
  readonly title: string;
  readonly sections: (result: any, read: FigureSource) => readonly Section[];
}

const CHAPTERS: readonly Chapter[] = [
  { stage: 'data', title: 'Data', sections: (result: DataResult, read) => [dataSection(result, read)] },
  { stage: 'explore', title: 'Exploration', sections: (result: ExploreResult, read) => [exploreSection(result, read)] },
  { stage: 'train', title: 'Training', sections: () => [] },
  {
    stage: 'evaluate',
    title: 'Evaluation',
    sections: (result: EvaluationResult, read) => [
      evaluationSection(result, read),
      calibrationSection(result, read),
      mistakesSection(result, read),
      insideSection(result.inside, read),
    ],
  },
  { stage: 'tune', title: 'Tuning', sections: (result: TuneResult, read) => [tuningSection(result, read)] },
  {
    stage: 'explain',
    title: 'Explanations',
    sections: (result: ExplainResult, read) => [explainSection(result, read)],
  },
  {
    stage: 'robustness',
    title: 'Robustness',
    sections: (result: RobustnessResult, read) => [robustnessSection(result, read)],
  },
  { stage: 'photos', title: 'Photographs', sections: (result: PhotosResult, read) => [photosSection(result, read)] },
];

export interface ReportResult {
  readonly report: string;
  readonly bytes: number;
  readonly chapters: readonly string[];
  /** Chapters that are only named, with the reason. */
  readonly missing: Readonly<Record<string, string>>;
}

/**
 * Writes the page and report.json.
 * @throws DataError when a chapter could not be written although its stage is done
 */
export async function writeReport(
  folder: string,
  page: string,
  outcomes: ReadonlyMap<string, Outcome>,
  options: StudyOptions,
  { device }: Session,
): Promise<ReportResult> {
  const run = dirname(folder);
  const missing: Record<string, string> = {};
  const broken: string[] = [];
  const figureOf =
    (stage: string): FigureSource =>
    file =>
      readFigure(join(run, stage, 'figures', file));
  const sections: Section[] = [];
  const attempt = (title: string, write: () => readonly Section[]): void => {
    try {
      sections.push(...write());
    } catch (error) {
      const reason = `It could not be written: ${(error as Error).message}`;
      broken.push(title);
      missing[title] = reason;
      sections.push(missingChapter(title, reason));
    }
  };
  for (const { stage, title, sections: write } of CHAPTERS) {
    if (stage === 'train') {
      attempt(title, () => training());
      continue;
    }
    const outcome = outcomes.get(stage);
    if (!outcome) continue;
    if (isDone(outcome)) attempt(title, () => write(outcome.result, figureOf(stage)));
    else {
      missing[title] = reasonOf(outcome);
      sections.push(missingChapter(title, reasonOf(outcome)));
    }
  }

  const evaluation = outcomes.get('evaluate')?.result as EvaluationResult | undefined;
  const data = outcomes.get('data')?.result as DataResult | undefined;
  const record: RunRecord = {
    profile: options.profile.name,
    command: options.command,
    seed: options.seed,
    device: device.info.description,
    versions: {
      weft: VERSION,
      Node: process.version,
      V8: process.versions.v8,
      system: `${process.platform} ${process.arch}`,
    },
    machine: machineDescription(),
    isSample: data?.isSample ?? false,
    limit: options.profile.limit,
    stages: [...outcomes.values()].map(({ stage, state, seconds, message }) => ({
      stage,
      // Whether this command did it or an earlier one is nothing to a reader.
      state: state === 'unchanged' ? 'done' : state,
      seconds,
      message,
    })),
  };
  const html = htmlReport(studyReport(record, sections, evaluation));
  await writeFileAtomically(page, html);
  const result: ReportResult = {
    report: page,
    bytes: statSync(page).size,
    chapters: sections.map(({ title }) => title),
    missing,
  };
  await writeJsonAtomically(join(folder, 'report.json'), result);
  if (broken.length > 0) {
    throw new DataError(`${page} lacks ${broken.join(', ')}: ${missing[broken[0]].replace(/\.$/, '')}.`);
  }
  return result;

  function training(): Section[] {
    const plans = { 'train-cnn': options.profile.cnn, 'train-mini-resnet': options.profile.miniResnet };
    const trained: TrainedNetwork[] = [];
    const lacking: string[] = [];
    for (const [stage, { model, recipe }] of Object.entries(plans)) {
      const outcome = outcomes.get(stage);
      if (outcome && isDone(outcome)) {
        trained.push(describeTraining(outcome.result as TrainingRunResult, model, recipe, figureOf(stage)));
      } else if (outcome) {
        missing[`Training of ${model.name}`] = reasonOf(outcome);
        lacking.push(`${model.name} is missing. ${reasonOf(outcome)}`);
      }
    }
    if (trained.length === 0) return [missingChapter('Training', lacking.join(' '))];
    const section = trainingSection(trained);
    const remarks = lacking.map(text => ({ kind: 'text', text }) as const);
    return [{ ...section, blocks: [...remarks, ...section.blocks] }];
  }
}

function describeTraining(
  result: TrainingRunResult,
  model: ModelSpec,
  recipe: Recipe,
  read: FigureSource,
): TrainedNetwork {
  const { parameters, trainImages, validationImages, validationAccuracy, bestEpoch, history } = result;
  return {
    ...{ model, recipe, read, summary: buildModel(model).summary() },
    ...{ parameters, trainImages, validationImages, validationAccuracy, bestEpoch, history },
  };
}

function reasonOf({ stage, state, message = '' }: Outcome): string {
  return state === 'failed' ? `The stage ${stage} failed: ${message}` : `The stage ${stage} was not run: ${message}`;
}

function readFigure(path: string): ReturnType<FigureSource> {
  return path.endsWith('.svg') ? { svg: readFileSync(path, 'utf8') } : { png: new Uint8Array(readFileSync(path)) };
}

function machineDescription(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  return `${processors.length} x ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB memory`;
}
