/**
 * How a study gets its figures without knowing how to draw: every stage hands what it found to a drawing, which keeps files
 * in the stage's folder and says how they are called. `weft/report` has one that draws everything (`studyDrawing`).
 */
import type { Dataset } from '../data/dataset.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import type { PhotoStage, PreparedPhoto } from '../data/photo.ts';
import type { Attribution, Judgement } from '../explain/index.ts';
import type { ExploreResult, Pca } from '../explore/index.ts';
import type { Evaluation, History, Mistake, ReliabilityBin } from '../train/index.ts';
import type {
  ConfusedPair,
  EvaluateResult,
  ExplainedImage,
  ExplainResult,
  NetworkEvaluation,
  PhotosResult,
  RobustnessModel,
  RobustnessResult,
  ShownLayer,
  TuneResult,
} from './results.ts';

/** The folder of a stage, as far as a drawing writes into it. */
export interface DrawingFolder {
  readonly path: string;
  /** Keeps `figures/FILE` (SVG as text, PNG as bytes). Gives FILE. */
  figure(file: string, contents: string | Uint8Array): Promise<string>;
  /** Keeps a page of the stage's own, `report.html`. Gives its path. */
  page(html: string): Promise<string>;
}

/** Values in an array of the given shape, row-major. */
export interface ShapedValues {
  readonly values: ArrayLike<number>;
  readonly shape: readonly number[];
}

/** One network on the test images, to be drawn. */
export interface EvaluatedNetwork {
  readonly network: string;
  readonly model: string;
  readonly set: ImageSet;
  readonly evaluation: Evaluation;
  readonly reliability: readonly ReliabilityBin[];
  /** The same with the temperature; absent where none was fitted. */
  readonly calibrated?: readonly ReliabilityBin[];
  /** The surest first. */
  readonly mistakes: readonly Mistake[];
  readonly pairs: readonly ConfusedPair[];
}

/** Checkpoints evaluated by themselves (`weft evaluate`), to be drawn. */
export interface EvaluatedCheckpoint {
  readonly result: EvaluateResult;
  readonly reliability: readonly ReliabilityBin[];
  readonly calibrated?: readonly ReliabilityBin[];
  /** Pictures of the surest mistakes, the surest first: their places in `set`. */
  readonly mistakes: readonly number[];
  readonly set: ImageSet;
}

/** What there is to see inside a network. */
export interface NetworkView {
  readonly network: string;
  /** Weights of the first convolution, [height, width, channels, filters]. */
  readonly filters: ShapedValues;
  /** Activations of one image at several depths, [height, width, channels]. */
  readonly layers: readonly (Pick<ShownLayer, 'path' | 'shown'> & ShapedValues)[];
}

/** Images explained by several methods, to be drawn. */
export interface ExplainedImages {
  readonly title: string;
  readonly classNames: readonly string[];
  readonly rows: readonly ExplainedImage[];
  /** [rows, H, W, C] in [0, 1] */
  readonly pictures: ShapedValues;
  readonly attributions: readonly Attribution[];
  readonly isSample: boolean;
  /** Pictures from files among the rows, whose preparation is shown. */
  readonly photos: readonly { readonly source: string; readonly photo: PreparedPhoto }[];
}

/** What else a drawing of corrupted images takes. */
export interface RobustnessDrawing extends Pick<RobustnessResult, 'seed' | 'severities'> {
  /** How many classes there are: what guessing gives. */
  readonly classes: number;
}

/** Draws what stages find. Every method keeps its files before it resolves. */
export interface StudyDrawing {
  /** The first training images of every class. Gives the file. */
  data(train: ImageSet, classNames: readonly string[], folder: DrawingFolder): Promise<string>;
  exploration(
    result: ExploreResult,
    data: Pick<Dataset, 'train' | 'test'>,
    pca: Pca,
    folder: DrawingFolder,
  ): Promise<void>;
  training(history: History, evaluation: Evaluation, folder: DrawingFolder): Promise<void>;
  /** Gives the files, and that of every pair of classes. */
  network(
    evaluated: EvaluatedNetwork,
    folder: DrawingFolder,
  ): Promise<{ readonly figures: NonNullable<NetworkEvaluation['figures']>; readonly pairs: readonly string[] }>;
  checkpoint(evaluated: EvaluatedCheckpoint, folder: DrawingFolder): Promise<void>;
  /** One image, enlarged. Gives the file. */
  example(set: ImageSet, index: number, folder: DrawingFolder): Promise<string>;
  /** One image as a file of its own, named after its part and place. Gives the file. */
  image(set: ImageSet, name: string, index: number, folder: DrawingFolder): Promise<string>;
  /** Gives the files of the filters and of every layer. */
  inside(
    view: NetworkView,
    folder: DrawingFolder,
  ): Promise<{ readonly filters: string; readonly layers: readonly string[] }>;
  tuning(result: TuneResult, folder: DrawingFolder): Promise<void>;
  explanations(
    explained: ExplainedImages,
    folder: DrawingFolder,
  ): Promise<{ readonly sheets: ExplainResult['sheets']; readonly page: string }>;
  /** Gives the files: charts of what was measured. */
  judgement(judgement: Judgement, folder: DrawingFolder): Promise<readonly string[]>;
  robustness(
    set: ImageSet,
    models: readonly RobustnessModel[],
    options: RobustnessDrawing,
    folder: DrawingFolder,
  ): Promise<NonNullable<RobustnessResult['figures']>>;
  /** How one photograph, the `place`-th from 1, was prepared. Gives the file. */
  photo(stages: readonly PhotoStage[], place: number, folder: DrawingFolder): Promise<string>;
  /** The page on photographs, of the figures that are there already. */
  photos(result: PhotosResult, folder: DrawingFolder): Promise<void>;
}
