/** The chapters of the study's report in their order: which stages each is made of, and how its sections are. */
import type { ExploreResult } from '../../explore/index.ts';
import { buildModel, type ModelSpec, type ModelSummary, modelForImages } from '../../nn/index.ts';
import { recipeOn } from '../../study/fit-to-data.ts';
import type {
  AuditResult,
  DataResult,
  EvaluationResult,
  ExplainResult,
  JudgeResult,
  PhotosResult,
  RobustnessResult,
  RunResult,
  TuneResult,
} from '../../study/results.ts';
import type { StudySettings } from '../../study/settings.ts';
import type { Section } from '../html.ts';
import { auditSection } from './audit.ts';
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
  readonly settings: StudySettings;
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
  /** Why it is left out of data other than Fashion-MNIST; absent where it is not. */
  readonly leftOut?: string;
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
  chapter<AuditResult>('audit', 'What is wrong in the data', auditSection),
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
  {
    ...chapter<PhotosResult>('photos', 'Photographs', photosSection),
    leftOut:
      'its photographs and drawings show garments, and their preparation is that of Fashion-MNIST; weft predict shows pictures to a ' +
      'checkpoint of this study, prepared as its training images were.',
  },
];

/** The layers of a network as it was built for the data. */
function summaryOn(model: ModelSpec, data: DataResult | undefined): ModelSummary {
  if (!data?.other) return buildModel(model).summary();
  const { channels, mean, std } = data.other;
  const imageShape = [...data.train.size, channels] as const;
  return buildModel(modelForImages(model, { imageShape, classes: data.classes.length, mean, std })).summary(imageShape);
}

function trainingChapter(material: Material): Section[] {
  const { cnn, miniResnet } = material.settings;
  const data = material.result<DataResult>('data');
  const networks = [
    ['train-cnn', cnn],
    ['train-mini-resnet', miniResnet],
  ] as const;
  const trained = networks.flatMap(([stage, { model, recipe: given, flip }]): TrainedNetwork[] => {
    const recipe = recipeOn(given, { kind: data?.other ? 'other' : 'fashion-mnist' }, flip);
    const result = material.result<RunResult>(stage);
    if (!result) return [];
    const { parameters, trainImages, validationImages, validationAccuracy, bestEpoch, history } = result;
    return [
      {
        model,
        recipe,
        read: material.figures(stage),
        classes: data?.classes.length,
        isOther: data?.other !== undefined,
        summary: summaryOn(model, data),
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
