/**
 * The stages of the study: what each reads, what decides its result, and which folder and file hold it. Every stage calls
 * the function behind a command of its own. The page that is made of them all is no part of this: whoever runs a study may
 * add stages of their own at the end (see `study.node.ts`).
 */
import { relative } from 'node:path';
import { DEFAULT_CORRUPTIONS } from '../data/corruption.ts';
import type { Dataset, DatasetOptions } from '../data/index.node.ts';
import { findPhotos, GARMENT_DIRECTORY } from '../data/photo-folder.node.ts';
import type { ExploreResult } from '../explore/index.ts';
import { RECIPES } from '../train/index.ts';
import { auditStudy } from './audit.node.ts';
import { type DataOptions, dataChecksum, dataStudy, obtainDataset } from './data.node.ts';
import { evaluationStudy } from './evaluation.node.ts';
import { explainStudy } from './explain.node.ts';
import { exploreStudy } from './explore.node.ts';
import { modelOn, recipeOn } from './fit-to-data.ts';
import type { ImageSelection } from './image-selection.ts';
import { judgeStudy } from './judge.node.ts';
import { predictStudy } from './predict.node.ts';
import type { RunResult } from './results.ts';
import { robustnessStudy } from './robustness.node.ts';
import { Run } from './run.node.ts';
import { RunFolder } from './run-folder.node.ts';
import type { Session } from './session.ts';
import { type NetworkPlan, type StudySettings, settingsFor } from './settings.ts';
import { isDone, type Outcome, type Stage, type StageWork } from './stage.node.ts';
import { productSums } from './stamp.node.ts';
import { tuneStudy } from './tune.node.ts';
import { VERSION } from './version.node.ts';

/** What a study is asked to do. */
export interface StudyOptions {
  readonly settings: StudySettings;
  readonly seed: number;
  /** Where the data is, if named. */
  readonly data?: string;
  /** How the files there are read. */
  readonly reading?: DatasetOptions;
  /** Of the page. Default: the name of the data and what this is about. */
  readonly title?: string;
  /** A folder of pictures from elsewhere; default: those of this package. */
  readonly photos?: string;
  /** The study's folder. */
  readonly out: string;
  /** The command that gives this study again. */
  readonly command: string;
}

/** The stages that a report is made of, and the file with each one's result. */
export const STAGE_FILES = {
  data: 'data.json',
  explore: 'explore.json',
  audit: 'audit.json',
  'train-cnn': 'metrics.json',
  'train-mini-resnet': 'metrics.json',
  evaluate: 'evaluation.json',
  tune: 'tune.json',
  explain: 'explain.json',
  judge: 'judge.json',
  robustness: 'robustness.json',
  photos: 'photos.json',
} as const;

type StageName = keyof typeof STAGE_FILES;

/** The stages that train, and the networks' names in the study. */
const NETWORKS = { 'train-cnn': 'cnn', 'train-mini-resnet': 'mini-resnet' } as const;
const TRAININGS = Object.keys(NETWORKS) as (keyof typeof NETWORKS)[];

/** Stages that are about photographs of garments; data of another kind is studied without them. */
export const GARMENT_STAGES: readonly StageName[] = ['photos'];

/** What every stage of a study knows. */
interface Study {
  readonly options: StudyOptions;
  readonly session: Session;
  readonly from: DataOptions;
  /** What every result depends on. */
  readonly base: object;
  /** The data, and the settings as far as it goes. */
  fitted(): Promise<{ readonly data: Dataset; readonly settings: StudySettings }>;
}

/** What every result of a study depends on, besides what its stage reads. */
export function studyInputs({ seed }: StudyOptions, { device }: Session): object {
  return { version: VERSION, seed, device: `${device.kind}: ${device.info.adapter}` };
}

/**
 * The study's stages in order.
 * @param kind of the data, as far as it is known: without a word it is Fashion-MNIST's
 */
export function studyStages(options: StudyOptions, session: Session, kind: Dataset['kind'] = 'fashion-mnist'): Stage[] {
  const { settings, data: folder, reading } = options;
  const from: DataOptions = { data: folder, reading, limit: settings.limit };
  const study: Study = {
    options,
    session,
    from,
    base: studyInputs(options, session),
    async fitted() {
      const data = await obtainDataset(from, session.progress, session.signal);
      return { data, settings: settingsFor(settings, data) };
    },
  };
  const stages = [
    dataStage(study),
    exploreStage(study),
    auditStage(study),
    trainingStage(study, 'train-cnn', settings.cnn),
    trainingStage(study, 'train-mini-resnet', settings.miniResnet),
    evaluateStage(study),
    tuneStage(study),
    explainStage(study),
    judgeStage(study),
    robustnessStage(study),
    photosStage(study),
  ];
  return kind === 'fashion-mnist' ? stages : stages.filter(({ name }) => !GARMENT_STAGES.includes(name as StageName));
}

/** A stage of the study; its result file follows from its name. */
function stage(
  name: StageName,
  about: Omit<Stage, 'name' | 'result' | 'run'>,
  run: (work: StageWork) => Promise<unknown>,
): Stage {
  return { name, result: STAGE_FILES[name], ...about, run };
}

function dataStage({ from, session, fitted }: Study): Stage {
  const inputs = async () => ({ version: VERSION, checksum: dataChecksum((await fitted()).data) });
  return stage('data', { inputs }, ({ out }) => dataStudy({ ...from, out }, session));
}

function exploreStage({ options: { seed }, from, base, session, fitted }: Study): Stage {
  const inputs = async () => ({ ...base, ...(await fitted()).settings.explore });
  return stage('explore', { needs: ['data'], inputs }, async ({ out }) =>
    exploreStudy({ ...from, ...(await fitted()).settings.explore, seed, out }, session),
  );
}

function auditStage({ options: { seed }, from, base, session, fitted }: Study): Stage {
  const about = {
    needs: ['data', 'explore'],
    inputs: async () => ({ ...base, ...(await fitted()).settings.audit, recipe: RECIPES.cnn }),
  };
  return stage('audit', about, async ({ out, outcomes }) => {
    const explored = outcomes.get('explore')!.result as ExploreResult;
    return auditStudy({ ...from, ...(await fitted()).settings.audit, explored, seed, out }, session);
  });
}

function trainingStage(
  { options: { settings, seed }, base, session, fitted }: Study,
  name: keyof typeof NETWORKS,
  { model, recipe, flip }: NetworkPlan,
): Stage {
  const about = {
    needs: ['data'],
    inputs: () => ({ ...base, model, recipe, flip, validation: settings.validation }),
    products: ['metrics.json', 'config.json', 'checkpoints/model.safetensors', 'figures'],
    passesOn: ['checkpoints/model.safetensors'],
  };
  return stage(name, about, async ({ out, goesOn }) => {
    const { data } = await fitted();
    const run = await Run.open(
      {
        model: modelOn(model, data),
        recipe: recipeOn(recipe, data, flip),
        seed,
        test: false,
        validation: heldOut(data.train.count, settings),
        loop: { checkpointEvery: settings.checkpointEvery },
        resume: goesOn && (await new RunFolder(out).isResumable()),
        // What else the folder holds is this stage's own, to be done again.
        force: true,
        out,
      },
      data,
      session,
    );
    return run.finish();
  });
}

/** Images held out of training: as many as the settings say, of small sets a tenth. */
const heldOut = (trainImages: number, { validation }: StudySettings): number =>
  Math.min(validation, Math.max(10, Math.floor(trainImages / 10)));

function evaluateStage({ options: { seed }, from, base, session }: Study): Stage {
  const about = { needs: ['data', TRAININGS], uses: TRAININGS, inputs: () => base };
  return stage('evaluate', about, ({ out, outcomes }) => {
    const networks = trained(outcomes).map(name => ({
      network: NETWORKS[name],
      checkpoint: checkpointOf(outcomes, name),
    }));
    return evaluationStudy({ ...from, seed, networks, out }, session);
  });
}

function tuneStage({ options: { seed }, from, base, session, fitted }: Study): Stage {
  const inputs = async () => ({ ...base, ...(await fitted()).settings.tune, recipe: RECIPES['mini-resnet'] });
  return stage('tune', { needs: ['data'], inputs }, async ({ out }) =>
    tuneStudy({ ...from, ...(await fitted()).settings.tune, model: 'mini-resnet', seed, out }, session),
  );
}

function explainStage({ options: { seed }, from, base, session, fitted }: Study): Stage {
  const about = {
    needs: ['data', 'train-cnn'],
    inputs: async () => ({ ...base, ...(await fitted()).settings.explain }),
  };
  return stage('explain', about, async ({ out, outcomes }) => {
    const { data, settings } = await fitted();
    const { methods, background, mistakes } = settings.explain;
    const images = explainedImages(data, mistakes);
    const checkpoint = checkpointOf(outcomes, 'train-cnn');
    return explainStudy({ ...from, methods, background, seed, out, target: 'both', checkpoint, images }, session);
  });
}

/** Classes of which an image is explained, at most: a row of a sheet for each. */
const MOST_EXPLAINED = 20;

/** The first test image of every class, and the surest mistakes. */
function explainedImages({ test, classNames }: Dataset, mistakes: number): ImageSelection {
  const firsts = classNames
    .map((_, label) => test.labels.indexOf(label))
    .filter(index => index >= 0)
    .slice(0, MOST_EXPLAINED);
  return [
    { kind: 'set', split: 'test', indices: firsts },
    { kind: 'mistakes', count: mistakes, ifAny: true },
  ];
}

function judgeStage({ options: { seed }, from, base, session, fitted }: Study): Stage {
  const about = {
    needs: ['data', 'train-cnn'],
    inputs: async () => ({ ...base, ...(await fitted()).settings.judge }),
  };
  return stage('judge', about, async ({ out, outcomes }) => {
    const checkpoint = checkpointOf(outcomes, 'train-cnn');
    const { settings } = await fitted();
    return judgeStudy({ ...from, ...settings.judge, seed, out, checkpoint }, session);
  });
}

function robustnessStage({ options: { settings, seed }, from, base, session }: Study): Stage {
  const corruptions = DEFAULT_CORRUPTIONS;
  const { limit = Number.POSITIVE_INFINITY, severities } = settings.robustness;
  const about = {
    needs: ['data', TRAININGS],
    uses: TRAININGS,
    inputs: () => ({ ...base, corruptions, ...settings.robustness }),
  };
  return stage('robustness', about, ({ out, outcomes }) => {
    const checkpoint = trained(outcomes).map(name => checkpointOf(outcomes, name));
    const images = Math.min(limit, from.limit ?? Number.POSITIVE_INFINITY);
    return robustnessStudy({ ...from, limit: images, corruptions, severities, seed, out, checkpoint }, session);
  });
}

function photosStage({ options: { photos }, base, session }: Study): Stage {
  // What the pictures are: names and checksums of all files.
  const inputs = async () => ({ ...base, photos: await photoSums(photos ?? GARMENT_DIRECTORY) });
  return stage('photos', { needs: ['train-cnn'], inputs }, ({ out, outcomes }) => {
    const checkpoint = checkpointOf(outcomes, 'train-cnn');
    return predictStudy({ out, labels: 'auto', checkpoint, images: photos === undefined ? [] : [photos] }, session);
  });
}

/** Checksums of the files in a folder, and of pictures that lie elsewhere and are linked to. */
async function photoSums(folder: string): Promise<Record<string, string>> {
  const sums = await productSums(folder, ['.']);
  const linked = (await findPhotos([folder])).map(({ path }) => path).filter(path => !(relative(folder, path) in sums));
  return { ...sums, ...(await productSums('', linked)) };
}

/** The training stages that are done. */
const trained = (outcomes: ReadonlyMap<string, Outcome>): typeof TRAININGS =>
  TRAININGS.filter(name => isDone(outcomes.get(name)));

/** The checkpoint that a training stage left. */
function checkpointOf(outcomes: ReadonlyMap<string, Outcome>, name: keyof typeof NETWORKS): string {
  return (outcomes.get(name)!.result as RunResult).checkpoint;
}
