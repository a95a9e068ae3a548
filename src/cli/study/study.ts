/**
 * The stages of the study: what each reads, what decides its result, and which folder and file hold it. Every stage calls
 * the function behind a command of its own.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_CORRUPTIONS } from '../../data/corruption.ts';
import { CLASS_NAMES } from '../../data/index.node.ts';
import { GARMENT_DIRECTORY } from '../../data/photo-folder.node.ts';
import { RECIPES } from '../../train/index.ts';
import { dataChecksum, dataStudy } from '../data.ts';
import { explainStudy } from '../explain.ts';
import { exploreStudy } from '../explore.ts';
import type { ImageSelection } from '../image-selection.ts';
import { judgeStudy } from '../judge.ts';
import { predictStudy } from '../predict.ts';
import { robustnessStudy } from '../robustness.ts';
import { obtainData, type Session } from '../session.ts';
import { lastCheckpoint, type TrainingRunResult, trainingRun } from '../training-run.ts';
import { tuneStudy } from '../tune.ts';
import { evaluationStudy } from './evaluation.ts';
import type { NetworkPlan, Profile } from './profiles.ts';
import { writeReport } from './report.ts';
import { type StudyOptions, VERSION } from './settings.ts';
import { isDone, type Outcome, type Stage } from './stage.ts';
import { productSums } from './stamp.ts';

/** The stages that a report is made of, and the file with each one's result. */
export const STAGE_FILES = {
  data: 'data.json',
  explore: 'explore.json',
  'train-cnn': 'metrics.json',
  'train-mini-resnet': 'metrics.json',
  evaluate: 'evaluation.json',
  tune: 'tune.json',
  explain: 'explain.json',
  judge: 'judge.json',
  robustness: 'robustness.json',
  photos: 'photos.json',
} as const;

const NETWORKS = ['train-cnn', 'train-mini-resnet'] as const;

/** Images held out of training: as many as the profile says, of small sets a tenth. */
const heldOut = (trainImages: number, { validation }: Profile): number =>
  Math.min(validation, Math.max(10, Math.floor(trainImages / 10)));

/** The study's stages in order. */
export function studyStages(options: StudyOptions, session: Session): Stage[] {
  const { profile, seed, out } = options;
  const { device } = session;
  const from = { data: options.data, limit: profile.limit };
  const shared = { ...from, device: device.kind, seed };
  /** What every result depends on. */
  const base = { version: VERSION, seed, device: `${device.kind}: ${device.info.adapter}` };

  const training = (name: (typeof NETWORKS)[number], { model, recipe }: NetworkPlan): Stage => ({
    name,
    needs: ['data'],
    inputs: () => ({ ...base, model, recipe, validation: profile.validation }),
    result: STAGE_FILES[name],
    products: ['metrics.json', 'config.json', 'checkpoints/model.safetensors', 'figures'],
    passesOn: ['checkpoints/model.safetensors'],
    run: async ({ out: folder, goesOn }) => {
      const data = await obtainData(from, session.progress);
      return trainingRun(
        data,
        {
          ...{ model, recipe, seed, out: folder, test: false },
          validation: heldOut(data.train.count, profile),
          checkpointEvery: profile.checkpointEvery,
          resume: goesOn && existsSync(lastCheckpoint(folder)),
        },
        session,
      );
    },
  });

  const stages: Stage[] = [
    {
      name: 'data',
      inputs: async () => ({ version: VERSION, checksum: dataChecksum(await obtainData(from, session.progress)) }),
      result: STAGE_FILES.data,
      run: ({ out: folder }) => dataStudy({ ...from, out: folder }, session),
    },
    {
      name: 'explore',
      needs: ['data'],
      inputs: () => ({ ...base, ...profile.explore }),
      result: STAGE_FILES.explore,
      run: ({ out: folder }) => exploreStudy({ ...from, ...profile.explore, seed, out: folder }, session),
    },
    training('train-cnn', profile.cnn),
    training('train-mini-resnet', profile.miniResnet),
    {
      name: 'evaluate',
      needs: ['data', NETWORKS],
      uses: NETWORKS,
      inputs: () => base,
      result: STAGE_FILES.evaluate,
      run: ({ out: folder, outcomes }) => {
        const networks = trained(outcomes).map(name => ({
          network: name.replace('train-', ''),
          checkpoint: checkpointOf(outcomes, name),
        }));
        return evaluationStudy({ ...from, seed, networks, out: folder }, session);
      },
    },
    {
      name: 'tune',
      needs: ['data'],
      inputs: () => ({ ...base, ...profile.tune, recipe: RECIPES['mini-resnet'] }),
      result: STAGE_FILES.tune,
      run: ({ out: folder }) =>
        tuneStudy({ ...from, ...profile.tune, model: 'mini-resnet', seed, out: folder }, session),
    },
    {
      name: 'explain',
      needs: ['data', 'train-cnn'],
      inputs: () => ({ ...base, ...profile.explain }),
      result: STAGE_FILES.explain,
      run: async ({ out: folder, outcomes }) =>
        explainStudy(
          {
            ...{ ...shared, ...profile.explain, out: folder, target: 'both' },
            checkpoint: checkpointOf(outcomes, 'train-cnn'),
            images: await explainedImages(profile.explain.mistakes),
          },
          session,
        ),
    },
    {
      name: 'judge',
      needs: ['data', 'train-cnn'],
      inputs: () => ({ ...base, ...profile.judge }),
      result: STAGE_FILES.judge,
      run: ({ out: folder, outcomes }) =>
        judgeStudy(
          { ...shared, ...profile.judge, out: folder, checkpoint: checkpointOf(outcomes, 'train-cnn') },
          session,
        ),
    },
    {
      name: 'robustness',
      needs: ['data', NETWORKS],
      uses: NETWORKS,
      inputs: () => ({ ...base, corruptions: DEFAULT_CORRUPTIONS, ...profile.robustness }),
      result: STAGE_FILES.robustness,
      run: ({ out: folder, outcomes }) =>
        robustnessStudy(
          {
            ...{ ...shared, out: folder, corruptions: DEFAULT_CORRUPTIONS, severities: profile.robustness.severities },
            checkpoint: trained(outcomes).map(name => checkpointOf(outcomes, name)),
            limit: Math.min(
              profile.robustness.limit ?? Number.POSITIVE_INFINITY,
              from.limit ?? Number.POSITIVE_INFINITY,
            ),
          },
          session,
        ),
    },
    {
      name: 'photos',
      needs: ['train-cnn'],
      inputs: async () => ({ ...base, photos: await photoSums(options.photos) }),
      result: STAGE_FILES.photos,
      run: ({ out: folder, outcomes }) =>
        predictStudy(
          {
            ...{ ...shared, out: folder, labels: 'auto', limit: undefined },
            checkpoint: checkpointOf(outcomes, 'train-cnn'),
            images: options.photos === undefined ? [] : [options.photos],
          },
          session,
        ),
    },
  ];
  return [...stages, reportStage(stages)];

  /** The first test image of every class, and the surest mistakes. */
  async function explainedImages(mistakes: number): Promise<ImageSelection> {
    const { test } = await obtainData(from, session.progress);
    const firsts = CLASS_NAMES.map((_, label) => test.labels.indexOf(label)).filter(index => index >= 0);
    return [
      { kind: 'set', split: 'test', indices: firsts },
      { kind: 'mistakes', count: mistakes },
    ];
  }

  function reportStage(before: readonly Stage[]): Stage {
    return {
      name: 'report',
      uses: before.map(({ name }) => name),
      inputs: () => ({ ...base, command: options.command, profile }),
      result: 'report.json',
      products: ['report.json', '../report.html'],
      run: ({ out: folder, outcomes }) =>
        writeReport(folder, join(out, 'report.html'), outcomes, {
          ...{ profile, seed, command: options.command, device: device.info.description },
        }),
    };
  }
}

/** The training stages that are done. */
const trained = (outcomes: ReadonlyMap<string, Outcome>): string[] =>
  NETWORKS.filter(name => isDone(outcomes.get(name)));

/** What the pictures are: names and checksums of all files. */
async function photoSums(folder: string = GARMENT_DIRECTORY): Promise<Record<string, string>> {
  return productSums(folder, ['.']);
}

/** The checkpoint that a training stage left. */
export function checkpointOf(outcomes: ReadonlyMap<string, Outcome>, name: string): string {
  return (outcomes.get(name)!.result as TrainingRunResult).checkpoint;
}
