/**
 * The frame of the study's report: what was run, on what, with which versions and how long it took; the chapters in order,
 * those that are missing by name; and at the end what may be concluded and what may not.
 */
import type { EvaluationResult, OtherData } from '../../study/results.ts';
import type { Block, Report, Section } from '../html.ts';
import { duration, interval, percent, whole } from './chapter.ts';

/** A line of the table of stages. */
export interface StageRecord {
  readonly stage: string;
  readonly state: string;
  readonly seconds: number;
  readonly message?: string;
}

/** What a reader needs to do it again. */
export interface RunRecord {
  /** What the settings are called. */
  readonly settings: string;
  /** Of the page; the default follows from the data. */
  readonly title?: string;
  /** The data, where it is not Fashion-MNIST. */
  readonly other?: OtherData;
  readonly command: string;
  readonly seed: number;
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: string;
  readonly isSample: boolean;
  readonly limit?: number;
  readonly stages: readonly StageRecord[];
}

/** A chapter that should be here and is not. */
export function missingChapter(title: string, reason: string): Section {
  return { title, blocks: [{ kind: 'text', text: `This chapter is missing. ${reason}` }] };
}

/** A chapter that data of this kind has no use for. */
export function leftOutChapter(title: string, reason: string): Section {
  return { title, blocks: [{ kind: 'text', text: `This chapter is left out: ${reason}` }] };
}

function overview(
  { settings, other, command, seed, device, versions, machine, stages }: RunRecord,
  evaluation?: EvaluationResult,
): Section {
  const total = stages.reduce((sum, { seconds }) => sum + seconds, 0);
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `What does a convolutional network learn from ${other ? `the images of ${other.name}` : 'small pictures of garments'}, how well, and how far can it be believed? This ` +
        'page is the whole answer of one run, made by one command: every number in it was computed by it, with kernels written ' +
        'by hand and no machine-learning framework.',
    },
    {
      kind: 'facts',
      facts: [
        ...(evaluation?.networks ?? []).map(({ model, accuracy, ci95 }) => ({
          name: `${model}, test accuracy`,
          value: percent(accuracy),
          detail: `95 % interval ${interval(ci95)}`,
        })),
        { name: 'Work', value: duration(total), detail: `settings ${settings}` },
      ],
    },
    { kind: 'code', text: command },
    {
      kind: 'table',
      caption: 'Made with',
      columns: ['what', 'which'],
      rows: [
        ['device', device],
        ['machine', machine],
        ['seed of everything random', String(seed)],
        ...Object.entries(versions),
      ],
    },
    {
      kind: 'table',
      caption:
        'The stages of this run, each in a folder of its name beside this page. All but the audit are commands of their own, too.',
      columns: ['stage', 'state', 'time', 'remark'],
      rows: stages.map(({ stage, state, seconds, message }) => [stage, state, duration(seconds), message ?? '']),
    },
  ];
  return { title: 'What was run', blocks };
}

function conclusions(
  { isSample, settings, other, seed }: RunRecord,
  evaluation: EvaluationResult | undefined,
): Section {
  const paragraphs: string[] = [];
  if (evaluation) {
    for (const { model, accuracy, ci95, perClass, temperature } of evaluation.networks) {
      const worst = perClass.slice().sort((a, b) => a.f1 - b.f1)[0];
      paragraphs.push(
        `${model} has ${percent(accuracy)} of the test images right (95 % interval ${interval(ci95)}); ${worst.name} gives it most ` +
          `trouble (F1 ${percent(worst.f1, 1)}).` +
          (temperature === null
            ? ''
            : ` Its confidence is best read after division of the scores by ${temperature.toFixed(2)}.`),
      );
    }
  }
  paragraphs.push(
    'What not to conclude: that one network is better than another because its figure is higher (see the comparison, and that this ' +
      `is one training with seed ${seed}); that figures of these pictures hold for ${other ? 'others (see the chapter on corruptions' : 'photographs (see the chapters on corruptions and photographs'}); ` +
      'that a picture of an explanation shows why a network decided (see the scores beside it); that an option which ' +
      'did well in the small search does well at any size.',
  );
  if (settings === 'smoke') {
    paragraphs.push(
      'This was a smoke run: few images, tiny networks. Its figures show that the program works and nothing else.',
    );
  } else if (settings === 'quick') {
    paragraphs.push(
      'This was a quick run: a handful of epochs. Both networks would gain a point or two with the full recipes (weft run --settings full).',
    );
  }
  if (isSample) paragraphs.push('Sample data was used; no figure here compares with those of the full data set.');
  return { title: 'What to conclude, and what not', blocks: [{ kind: 'text', text: paragraphs.join('\n\n') }] };
}

const limitWords = (limit: number, other: OtherData | undefined): string =>
  other
    ? `At most ${whole(limit)} images of each set were used.`
    : `Only the first ${whole(limit)} images of each set were used.`;

/** Puts the report together. */
export function studyReport(
  run: RunRecord,
  chapters: readonly Section[],
  evaluation: EvaluationResult | undefined,
): Report {
  const missing = run.stages.filter(({ state }) => state === 'failed' || state === 'not run');
  const notices = [
    ...(run.isSample
      ? ['SAMPLE DATA: the small data set of this package; figures do not compare with the full set.']
      : []),
    ...(run.limit === undefined ? [] : [limitWords(run.limit, run.other)]),
    ...(missing.length > 0 ? [`Missing: ${missing.map(({ stage }) => stage).join(', ')}.`] : []),
  ];
  return {
    title: run.title ?? `${run.other?.name ?? 'Fashion-MNIST'}: what convolutional networks learn`,
    subtitle: `A run of weft: settings ${run.settings}, seed ${run.seed}, ${run.device}`,
    ...(notices.length > 0 && { notice: notices.join(' ') }),
    sections: [overview(run, evaluation), ...chapters, conclusions(run, evaluation)],
  };
}
