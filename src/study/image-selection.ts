/**
 * Which images a piece of work is about: some of the data set by their places, the mistakes a model makes with the most
 * confidence, pictures from files, or several of these in order.
 */
export type ImagePart =
  | { readonly kind: 'set'; readonly split: 'train' | 'test'; readonly indices: readonly number[] }
  | {
      readonly kind: 'mistakes';
      readonly count: number;
      /** A model that makes none is no error. */
      readonly ifAny?: boolean;
    }
  | { readonly kind: 'file'; readonly path: string };

export type ImageSelection = readonly ImagePart[];

/** The first images of a part of the data set. */
export function firstOf(split: 'train' | 'test', count: number): ImageSelection {
  return [{ kind: 'set', split, indices: Array.from({ length: count }, (_, index) => index) }];
}

/** Images of a part of the data set, evenly from the first on. */
export function evenlyOf(split: 'train' | 'test', count: number, all: number): ImageSelection {
  const indices = Array.from({ length: count }, (_, place) => Math.floor((place * all) / count));
  return [{ kind: 'set', split, indices }];
}
