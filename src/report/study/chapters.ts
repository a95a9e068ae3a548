/** The chapters of the study's report in their order: which stages each is made of, and how its sections are. */
import type { ExploreResult } from '../../explore/index.ts';
import { buildModel } from '../../nn/index.ts';
import type { Profile } from '../../study/profiles.ts';
import type {
  DataResult,
  EvaluationResult,
  ExplainResult,
  JudgeResult,
  PhotosResult,
  RobustnessResult,
  RunResult,
  TuneResult,
} from '../../study/results.ts';
import type { Section } from '../html.ts';
import type { FigureSource } from './chapter.ts';
import { dataSection } from './data.ts';
import { calibrationSection, evaluationSection, mistakesSection } from './evaluation.ts';
import { explainSection } from './explain.ts';
import { explanationsSection } from './explanations.ts';
import { exploreSection } from './explore.ts';
import { insideSection } from './inside.ts';
import { photosSection } from './photos.ts';
import { robustnessSection } from './robustness.ts';
import { type TrainedNetwork, trainingSection } from './training.ts';
import { tuningSection } from './tuning.ts';

/** What a chapter is made of. */
export interface Material {
  readonly profile: Profile;
  /** A stage's result; undefined where it is not done. */
  result<T>(stage: string): T | undefined;
  /** A stage's figures. */
  figures(stage: string): FigureSource;
}

export interface Chapter {
  /** Its heading where it is missing. */
  readonly title: string;
  /** It is written where one of these is done. */
  readonly stages: readonly string[];
  readonly sections: (material: Material) => readonly Section[];
}

/** A chapter of one stage. */
function chapter<T>(
  stage: string,
  title: string,
  write: (result: T, read: FigureSource) => Section | readonly Section[],
): Chapter {
  return {
    title,
    stages: [stage],
    sections: material => [write(material.result<T>(stage)!, material.figures(stage))].flat() as Section[],
  };
}

export const CHAPTERS: readonly Chapter[] = [
  chapter<DataResult>('data', 'Data', dataSection),
  chapter<ExploreResult>('explore', 'Exploration', exploreSection),
  { title: 'Training', stages: ['train-cnn', 'train-mini-resnet'], sections: trainingChapter },
  chapter<EvaluationResult>('evaluate', 'Evaluation', (result, read) => [
    evaluationSection(result, read),
    calibrationSection(result, read),
    mistakesSection(result, read),
    insideSection(result.inside, read),
  ]),
  chapter<TuneResult>('tune', 'Tuning', tuningSection),
  chapter<ExplainResult>('explain', 'Explanations', explainSection),
  chapter<JudgeResult>('judge', 'How far explanations can be trusted', explanationsSection),
  chapter<RobustnessResult>('robustness', 'Robustness', robustnessSection),
  chapter<PhotosResult>('photos', 'Photographs', photosSection),
];

function trainingChapter(material: Material): Section[] {
  const { cnn, miniResnet } = material.profile;
  const networks = [
    ['train-cnn', cnn],
    ['train-mini-resnet', miniResnet],
  ] as const;
  const trained = networks.flatMap(([stage, { model, recipe }]): TrainedNetwork[] => {
    const result = material.result<RunResult>(stage);
    if (!result) return [];
    const { parameters, trainImages, validationImages, validationAccuracy, bestEpoch, history } = result;
    return [
      {
        model,
        recipe,
        read: material.figures(stage),
        summary: buildModel(model).summary(),
        parameters,
        trainImages,
        validationImages,
        validationAccuracy,
        bestEpoch,
        history,
      },
    ];
  });
  return [trainingSection(trained)];
}
