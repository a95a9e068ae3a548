/**
 * The players of each image: the parts whose presence or absence an explanation measures (superpixels, pixels, or the
 * caller's own partition).
 */
import { ShapeError } from '../devices/errors.ts';
import { tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { FloatArray } from './attribution.ts';
import { checkPlayers, type Players, pixelPlayers } from './coalitions.ts';
import { checkImages, imageRows } from './evaluation.ts';
import { DEFAULT_SEGMENTS, type Segmentation, segmentImages } from './segmentation/index.ts';

/**
 * SLIC superpixels, a grid, single pixels (single values where the input is no image), or the caller's own partition, for
 * all images or one each.
 */
export type PlayerChoice = Segmentation | 'pixels' | Players | readonly Players[];

export interface ChosenPlayers {
  /** What is present or absent. Default: SLIC superpixels of images [N, H, W, C], every value of any other input. */
  readonly segments?: PlayerChoice;
  /** About how many segments SLIC and the grid make. Default 50. */
  readonly segmentCount?: number;
}

/**
 * The players of each image of `x` [N, ...].
 * @throws ShapeError, UsageError when a partition does not fit the images
 */
export async function choosePlayers(x: Tensor, { segments, segmentCount }: ChosenPlayers): Promise<readonly Players[]> {
  checkImages(x);
  const images = x.shape[0];
  const choice = segments ?? (x.rank === 4 ? 'slic' : 'pixels');
  if (typeof choice === 'string' && choice !== 'pixels') {
    const values = (await x.data()) as FloatArray;
    return segmentImages({ values, shape: x.shape }, choice, segmentCount ?? DEFAULT_SEGMENTS);
  }
  const each = choice === 'pixels' ? pixelPlayers(x) : choice;
  const chosen: readonly Players[] = 'labels' in each ? Array.from({ length: images }, () => each) : each;
  if (chosen.length !== images) {
    throw new ShapeError(
      `There are ${chosen.length} partitions for ${images} images; give one for each, or one for all.`,
    );
  }
  for (const one of new Set(chosen)) checkPlayers(one, x.shape);
  return chosen;
}

/** Explains images one by one. */
export async function explainEach<T>(
  x: Tensor,
  choice: ChosenPlayers,
  explain: (image: Tensor, players: Players, index: number) => Promise<T>,
): Promise<T[]> {
  const players = await choosePlayers(x, choice);
  const results: T[] = [];
  for (let index = 0; index < x.shape[0]; index++) {
    const image = tidy(() => imageRows(x, index, 1));
    try {
      results.push(await explain(image, players[index], index));
    } finally {
      image.dispose();
    }
  }
  return results;
}
