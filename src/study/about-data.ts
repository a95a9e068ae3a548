/** What a result says about the data it was found on. */
import type { DatasetKind } from '../data/dataset.ts';

/** What a result says about its data. */
export interface AboutData {
  /** Absent for Fashion-MNIST. */
  readonly dataKind?: Exclude<DatasetKind, 'fashion-mnist'>;
}
