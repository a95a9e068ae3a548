/**
 * What the stages of a study leave: the plain JSON of every stage's result file. The functions beside this file fill it, the
 * report reads it, and neither knows the other. Figures are named by their files under a stage's `figures/`; a study that
 * was given no drawing (see `drawing.ts`) names none.
 */
import type { CorruptionName } from '../data/corruption.ts';
import type { DatasetFormat } from '../data/dataset.ts';
import type { DataSource } from '../data/fashion-mnist.ts';
import type { Judgement } from '../explain/index.ts';
import type {
  BootstrapInterval,
  CorruptionTable,
  Dimension,
  EpochRecord,
  Evaluation,
  Halving,
  McNemar,
  Mistake,
  OptionEffect,
  PhotoAccuracy,
  PhotoPrediction,
  ReliabilityBin,
  Trial,
  ViewName,
} from '../train/index.ts';
import type { AboutData } from './about-data.ts';
import type { AuditResult, AuditRow } from './audit-result.ts';

/** One set of images, in numbers. */
export interface SetDescription {
  readonly images: number;
  /** [height, width] */
  readonly size: readonly [number, number];
  readonly perClass: readonly number[];
  /** Of the pixels in [0, 1]. */
  readonly pixels: { readonly mean: number; readonly std: number };
}

export type { AboutData, AuditResult, AuditRow };

/** What is told of data other than Fashion-MNIST. */
export interface OtherData {
  /** Of its folder or file. */
  readonly name: string;
  readonly format: DatasetFormat;
  readonly channels: number;
  /** Of the training pixels in [0, 1], one for each channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** What was done to the stored values, one sentence each. */
  readonly preparation: readonly string[];
  /** What is odd, one sentence for each kind. */
  readonly warnings: readonly string[];
}

/** `data.json`. */
export interface DataResult {
  readonly source: DataSource;
  readonly isSample: boolean;
  /** SHA-256 of all images and labels that were used, in order. */
  readonly checksum: string;
  readonly classes: readonly string[];
  readonly train: SetDescription;
  readonly test: SetDescription;
  /** Sheet of training images, a row per class. */
  readonly figure?: string;
  /** Absent for Fashion-MNIST. */
  readonly other?: OtherData;
}

/** `metrics.json` of a training run. */
export interface RunResult {
  readonly device: string;
  readonly adapter: string;
  readonly model: string;
  readonly seed: number;
  readonly sampleData: boolean;
  /** Images that were trained on. */
  readonly trainImages: number;
  /** Training images that were to be left out (`--drop`), those held out among them included; absent for none. */
  readonly droppedImages?: number;
  readonly validationImages: number;
  readonly testImages: number;
  readonly epochs: number;
  /** Number of the epoch whose parameters were kept. */
  readonly bestEpoch: number;
  readonly parameters: number;
  /** Absent where the test images were left alone. */
  readonly testAccuracy?: number;
  readonly testLoss?: number;
  /** Of the epoch that was kept; absent where nothing was held out. */
  readonly validationAccuracy?: number;
  readonly imagesPerSecond: number;
  /** From a standing start, compiling and evaluation included; a resumed run adds what its epochs had taken before. */
  readonly seconds: number;
  readonly checkpoint: string;
  readonly evaluatedOn: 'test' | 'validation';
  readonly evaluation: Evaluation;
  /** One record per epoch. */
  readonly history: readonly EpochRecord[];
}

/** Two classes that are taken for each other, with pictures. */
export interface ConfusedPair {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
  /** Test images, the surest first, as on the sheet. */
  readonly images: readonly number[];
  readonly figure?: string;
}

/** What one network does on the test images. */
export interface NetworkEvaluation extends Evaluation {
  /** How the stage that trained it is called. */
  readonly network: string;
  readonly model: string;
  readonly checkpoint: string;
  readonly parameters: number;
  readonly imagesPerSecond: number;
  readonly reliability: readonly ReliabilityBin[];
  /** Fitted on held-out training images; null where none are left. */
  readonly temperature: number | null;
  readonly calibrated?: Pick<Evaluation, 'nll' | 'brier' | 'ece'>;
  readonly confusedPairs: readonly ConfusedPair[];
  readonly mistakes: readonly Mistake[];
  /** Files under figures/. */
  readonly figures?: {
    readonly confusion: string;
    readonly perClass: string;
    readonly reliability: string;
    readonly reliabilityCalibrated?: string;
    readonly mistakes?: string;
  };
}

/** Two networks on the same images. */
export interface NetworkComparison {
  readonly first: string;
  readonly second: string;
  readonly test: McNemar;
  /** Accuracy of the second less that of the first. */
  readonly difference: BootstrapInterval;
}

/** `evaluation.json`: the networks of a study on its test images. */
export interface EvaluationResult extends AboutData {
  readonly device: string;
  readonly seed: number;
  readonly sampleData: boolean;
  readonly classNames: readonly string[];
  readonly testImages: number;
  readonly networks: readonly NetworkEvaluation[];
  readonly comparison?: NetworkComparison;
  readonly inside: InsideResult;
}

/** A layer whose activations are shown. */
export interface ShownLayer {
  readonly path: string;
  /** [height, width, channels] */
  readonly shape: readonly number[];
  /** How many channels the picture shows, from the first. */
  readonly shown: number;
  /** Share of all its activations that are zero or less. */
  readonly silent: number;
  readonly figure?: string;
}

/** What there is to see inside a network. */
export interface NetworkInside {
  readonly network: string;
  readonly model: string;
  readonly filters: {
    readonly path: string;
    readonly size: readonly [number, number];
    readonly count: number;
    /** Of the images; absent for 1. */
    readonly channels?: number;
    readonly figure?: string;
  };
  readonly layers: readonly ShownLayer[];
}

/** The networks of a study from inside, with one image shown to them. */
export interface InsideResult {
  /** The test image that is shown. */
  readonly image: number;
  readonly label: string;
  readonly figure?: string;
  readonly networks: readonly NetworkInside[];
}

/** `tune.json`: a whole search. */
export interface TuneResult extends AboutData {
  readonly model: string;
  /** Channels of the model's stages. */
  readonly widths: readonly number[];
  readonly device: string;
  readonly adapter: string;
  readonly seed: number;
  readonly sampleData: boolean;
  readonly trainImages: number;
  /** Images of the training set that trials were judged on. */
  readonly heldOutImages: number;
  readonly space: readonly Dimension[];
  readonly halving: Halving;
  /** What a budget counts one of. */
  readonly unit: string;
  readonly trials: readonly Trial[];
  readonly effects: readonly OptionEffect[];
  /** Number of the trial that did best with the greatest budget; null where all failed. */
  readonly best: number | null;
  readonly seconds: number;
}

/** How well LIME's linear models fit, image by image. */
export interface LimeFit {
  readonly r2: readonly number[];
  readonly probability: readonly number[];
  readonly localPrediction: readonly number[];
  /** Share of altered images taken for another class. */
  readonly changed: readonly number[];
}

/** One method on all the images. */
export interface ExplainedMethod {
  readonly method: string;
  readonly layer?: string;
  readonly seconds: number;
  /** Raw values as .npy. */
  readonly file: string;
  readonly shape: readonly number[];
  /** Relative additivity errors, for the methods that should add up. */
  readonly additivity?: { readonly median: number; readonly largest: number; readonly brokenBy?: string };
  /** How well the linear models fit, for LIME. */
  readonly fit?: LimeFit;
}

/** One image explained for one class. */
export interface ExplainedImage {
  /** Which image: `test 17`, or the name of a file. */
  readonly source: string;
  readonly index: number | null;
  readonly label: number | null;
  readonly predicted: number;
  /** The class explained. */
  readonly target: number;
  readonly probabilities: readonly number[];
}

/** `explain.json`. */
export interface ExplainResult extends AboutData {
  readonly device: string;
  readonly adapter: string;
  readonly model: string;
  readonly checkpoint: string;
  readonly seed: number;
  readonly sampleData: boolean;
  /** Training images that SHAP compares with. */
  readonly background: number;
  /** What was asked for instead of the methods' defaults. */
  readonly segmentCount?: number;
  readonly steps?: number;
  readonly samples?: number;
  readonly classNames: readonly string[];
  readonly images: readonly ExplainedImage[];
  readonly methods: readonly ExplainedMethod[];
  /** Files under figures/, each with so many of the images, in order. */
  readonly sheets: readonly { readonly figure: string; readonly rows: number }[];
  /** The sheets and captions as a page of their own. */
  readonly page?: string;
}

/** `judge.json`. */
export interface JudgeResult extends Judgement, AboutData {
  readonly device: string;
  readonly model: string;
  readonly checkpoint: string;
  readonly sampleData: boolean;
  /** Images that methods with a background compare with. */
  readonly background: number;
  readonly seconds: number;
  /** Files in the figures folder, for what was measured. */
  readonly figures: readonly string[];
}

/** One checkpoint on corrupted images. */
export interface RobustnessModel extends CorruptionTable {
  readonly model: string;
  readonly checkpoint: string;
}

/** `robustness.json`: one checkpoint or several on the same corrupted images. */
export interface RobustnessResult extends AboutData {
  readonly device: string;
  readonly seed: number;
  readonly sampleData: boolean;
  readonly images: number;
  readonly severities: readonly number[];
  readonly models: readonly RobustnessModel[];
  /** Files in `figures/`. */
  readonly figures?: {
    /** One image, a row per corruption, clean and every severity side by side. */
    readonly sheet: string;
    /** The rows of the sheet, each a file of its own. */
    readonly strips: readonly { readonly corruption: CorruptionName; readonly file: string }[];
    /** The table of each model as a chart, in the order of `models`. */
    readonly tables: readonly string[];
  };
}

/** `photos.json`. */
export interface PhotosResult {
  readonly device: string;
  readonly model: string;
  readonly checkpoint: string;
  /** The pictures are those that come with this package. */
  readonly ownPictures: boolean;
  readonly resize: 'area' | 'subsample';
  readonly levels: boolean;
  readonly photos: readonly PhotoPrediction[];
  /** Files that could not be decoded, with the reason. */
  readonly unreadable: readonly { readonly name: string; readonly reason: string }[];
  /** Photographs known to show none of the ten classes. */
  readonly outside: number;
  /** Null where no photograph has a label. */
  readonly accuracy: PhotoAccuracy | null;
  /** Files in `figures/`, one per photograph: its stages from the picture to the bytes. */
  readonly stages: readonly string[];
}

/** What a checkpoint of a data set other than Fashion-MNIST says about pictures: `predictions.json`. */
export interface PicturesResult {
  readonly device: string;
  readonly model: string;
  readonly checkpoint: string;
  readonly classNames: readonly string[];
  /** [height, width, channels] that every picture was brought to. */
  readonly imageShape: readonly [number, number, number];
  /** Likeliest classes first; `label` is the picture's folder where that is a class, otherwise null, and so is `right`. */
  readonly pictures: readonly Pick<PhotoPrediction, 'file' | 'name' | 'top' | 'label' | 'right'>[];
  /** Files that could not be decoded, with the reason. */
  readonly unreadable: PhotosResult['unreadable'];
  /** Null where no picture has a label. */
  readonly accuracy: {
    readonly images: number;
    readonly right: number;
    readonly accuracy: number;
    readonly ci95: readonly [number, number];
  } | null;
}

/** How far the confidence of a network can be believed. */
export type Calibration = Pick<Evaluation, 'nll' | 'brier' | 'ece'>;

/** What `weft evaluate` finds about a checkpoint, or several averaged. */
export interface EvaluateResult extends Evaluation {
  readonly model: string;
  readonly checkpoint: string;
  readonly on: 'test' | 'validation';
  readonly sampleData: boolean;
  readonly tta: readonly ViewName[];
  /** Fitted on held-out images; null where none are left or none was asked for. All other figures are without it. */
  readonly temperature: number | null;
  /** The same with the temperature. */
  readonly calibrated?: Calibration;
  readonly comparison?: McNemar & { readonly checkpoint: string; readonly accuracy: number };
}

/** `report.json`: the page that was written. */
export interface ReportResult {
  readonly report: string;
  readonly bytes: number;
  readonly chapters: readonly string[];
  /** Chapters that are only named, or lack something, with the reason. */
  readonly missing: Readonly<Record<string, string>>;
}
