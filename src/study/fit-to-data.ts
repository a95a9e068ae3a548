/** What follows from the data: the form of a model, and whether its training mirrors images. */
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../devices/errors.ts';
import { type ModelSpec, modelForImages } from '../nn/index.ts';
import type { Recipe } from '../train/index.ts';

/** Which images a training mirrors: none, each with a probability of one half, or all in every other epoch. */
export type Flip = NonNullable<Recipe['augmentation']>['flip'];

export const FLIPS: readonly Flip[] = ['none', 'random', 'alternating'];

/**
 * The model for the images and classes of a data set.
 * @throws UsageError for a single class, and for images too small for the model
 */
export function modelOn(spec: ModelSpec, { kind, train, classNames, mean, std, provenance }: Dataset): ModelSpec {
  if (kind === 'fashion-mnist') return spec;
  const classes = classNames.length;
  if (classes < 2) throw new UsageError(`${provenance.path} has one class; there is nothing to tell apart.`);
  return modelForImages(spec, { imageShape: [train.height, train.width, train.channels], classes, mean, std });
}

/**
 * The recipe for a data set: of Fashion-MNIST as it is; images of other data are mirrored only where `flip` asks for it, since
 * a mirrored image need not show the same.
 */
export function recipeOn(recipe: Recipe, { kind }: Pick<Dataset, 'kind'>, flip?: Flip): Recipe {
  const { augmentation } = recipe;
  const wanted = flip ?? (kind === 'fashion-mnist' ? augmentation?.flip : 'none');
  if (!augmentation || wanted === undefined || wanted === augmentation.flip) return recipe;
  return { ...recipe, augmentation: { ...augmentation, flip: wanted } };
}
