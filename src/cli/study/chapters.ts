/** The chapters of the study's report in their order: which stages each is made of, and how its sections are. */
import type { ExploreResult } from '../../explore/index.ts';
import { buildModel } from '../../nn/index.ts';
import type { Section } from '../../report/index.node.ts';
import type { FigureSource } from '../../report/study/chapter.ts';
import { type DataResult, dataSection } from '../../report/study/data.ts';
import {
  calibrationSection,
  type EvaluationResult,
  evaluationSection,
  mistakesSection,
} from '../../report/study/evaluation.ts';
import { type ExplainResult, explainSection } from '../../report/study/explain.ts';
import { explanationsSection, type JudgeResult } from '../../report/study/explanations.ts';
import { exploreSection } from '../../report/study/explore.ts';
import { insideSection } from '../../report/study/inside.ts';
import { photosSection } from '../../report/study/photos.ts';
import { robustnessSection } from '../../report/study/robustness.ts';
import { type TrainedNetwork, trainingSection } from '../../report/study/training.ts';
import { tuningSection } from '../../report/study/tuning.ts';
import type { TuneResult } from '../../train/index.ts';
import type { PhotosResult } from '../../train/photos.ts';
import type { RobustnessResult } from '../../train/robustness.ts';
import type { TrainingRunResult } from '../training-run.ts';
import type { Profile } from './profiles.ts';

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
    const result = material.result<TrainingRunResult>(stage);
    if (!result) return [];
    const { parameters, trainImages, validationImages, validationAccuracy, bestEpoch, history } = result;
    return [
      {
        ...{ model, recipe, read: material.figures(stage), summary: buildModel(model).summary() },
        ...{ parameters, trainImages, validationImages, validationAccuracy, bestEpoch, history },
      },
    ];
  });
  return [trainingSection(trained)];
}
