/** What the stage `audit` leaves. */
import type { DuplicateReport, ImageRef, NearDuplicates } from '../explore/index.ts';
import type { AboutData } from './about-data.ts';

/** A row of a sheet of pictures: an image, what is told of it, and the images beside it. */
export interface AuditRow {
  /** What the row is about, e.g. `train 12`. */
  readonly name: string;
  /** Each with its own words. */
  readonly images: readonly (ImageRef & { readonly caption: string; readonly figure?: string })[];
  readonly remark: string;
}

/** `audit.json`: what is wrong in the data, or may be. */
export interface AuditResult extends AboutData {
  readonly device: string;
  readonly seed: number;
  readonly sampleData: boolean;
  readonly classNames: readonly string[];
  readonly trainImages: number;
  readonly testImages: number;
  /** Images that repeat another byte for byte, pairs of mirror images, and pairs that nearly agree. */
  readonly exact: Pick<DuplicateReport, 'withinTrain' | 'withinTest' | 'testInTrain' | 'conflicting'>;
  readonly mirrored: number;
  readonly near: Pick<NearDuplicates, 'threshold' | 'withinTrain' | 'withinTest' | 'testInTrain' | 'conflicting'>;
  /** Images whose pixels are all the same. */
  readonly blank: number;
  /** Training images that lie wholly among another class, of those compared. */
  readonly byNeighbours: { readonly compared: number; readonly count: number };
  /** Training images whose label networks doubt that were trained on the other folds, and how often those are right. */
  readonly byPredictions: {
    readonly folds: number;
    readonly epochs: number;
    readonly parameters: number;
    readonly accuracy: number;
    readonly count: number;
    /** Of the foremost by neighbours, those that the predictions doubt too. */
    readonly both: number;
    /** Places of all of them, the most doubtful first. */
    readonly indices: readonly number[];
  };
  /** Rows of the sheets; empty where there is nothing of the kind. */
  readonly sheets: Readonly<
    Record<'exact' | 'mirrored' | 'near' | 'blank' | 'neighbours' | 'predictions', readonly AuditRow[]>
  >;
}
