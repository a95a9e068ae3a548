/**
 * Parameter randomisation: does an explanation depend on what the network has learned? From the top layer down, weights
 * are replaced by fresh ones (batch-norm scales by 1, shifts by 0, and their statistics measured anew, because stale ones
 * would drive every unit to one side); the maps of the ruined network are compared with those of the trained one. A map
 * that still looks the same is a picture of the image, not of the network: guided backpropagation and edge detectors are.
 *
 * J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim: Sanity checks for saliency maps. NeurIPS 2018.
 */
import { UsageError } from '../../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../../kernels/random/philox.ts';
import type { Module } from '../../nn/index.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { spearman } from '../../train/ranks.ts';
import { DEFAULT_BATCH, type FloatArray, type Target } from '../attribution.ts';
import { estimateBatchStatistics } from './batch-statistics.ts';
import { type Explainer, garmentPixels, type HostImages, hostImages, mapsOnPixels } from './images.ts';
import { withRestoredModel } from './model-state.ts';

export interface RandomisationOptions {
  readonly target?: Target;
  /** Images [M, ...] that batch-norm statistics are measured on. Default: the images judged. */
  readonly calibration?: Tensor;
  /** Compare after every layer, or (the default) only when all are random. */
  readonly stages?: 'every' | 'last';
  readonly seed?: number;
  readonly batchSize?: number;
  /** Called before each method's maps at each stage. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface RandomisationStage {
  /** The lowest layer that is random; those above it are too. */
  readonly layer: string;
  /** Spearman correlation of the signed maps over garment pixels, per image; NaN where a map is constant. */
  readonly signed: Float64Array;
  /** The usual variant, of magnitudes over all pixels. It misleads: shared zeros off the garment count as agreement. */
  readonly absolute: Float64Array;
}

const STREAM = 'randomise:';

/** A layer of the cascade: a module with weights, and the norms (scales and shifts only) that follow it. */
interface CascadeLayer {
  readonly path: string;
  readonly modules: readonly Module[];
}

/** The layers of a model from the top (output) down. */
export function cascade(model: Module): CascadeLayer[] {
  const layers: { path: string; modules: Module[] }[] = [];
  for (const module of model.modules()) {
    const own = ownParameters(module);
    if (own.length === 0) continue;
    const hasWeights = own.some(({ shape }) => shape.length >= 2);
    if (hasWeights || layers.length === 0) layers.push({ path: module.path, modules: [module] });
    else layers[layers.length - 1].modules.push(module);
  }
  return layers.reverse();
}

const ownParameters = (module: Module) =>
  module.namedParameters().flatMap(([name, parameter]) => (name.includes('.') ? [] : [parameter]));

/**
 * How much of each method's maps survives when the model forgets. The model itself is randomised and restored bit for bit.
 *
 * @param x images [N, H, W, C]
 * @param methods explainers of this very model
 * @returns for each method its stages, from the top layer down; the last one, all layers random, is the verdict
 */
export async function parameterRandomisation(
  model: Module,
  x: Tensor,
  methods: readonly Explainer[],
  options: RandomisationOptions = {},
): Promise<RandomisationStage[][]> {
  const { target = 'predicted', calibration = x, stages = 'last', seed = 0, batchSize = DEFAULT_BATCH } = options;
  const layers = cascade(model);
  if (layers.length === 0) throw new UsageError('This model has no parameters that could be randomised.');
  const host = await hostImages(x);
  const garments = Array.from({ length: host.count }, (_, image) => garmentPixels(host, image));
  const total = methods.length * (1 + (stages === 'every' ? layers.length : 1));
  let done = 0;
  const mapsOf = async (method: Explainer, classes: Target) => {
    options.onProgress?.(done++, total);
    const { values, shape, target } = await method(x, classes);
    return { maps: mapsOnPixels({ values, shape }, host), target };
  };
  const trained: Awaited<ReturnType<typeof mapsOf>>[] = [];
  for (const method of methods) trained.push(await mapsOf(method, target));
  const results: RandomisationStage[][] = methods.map(() => []);
  await withRestoredModel(model, async () => {
    for (const [place, layer] of layers.entries()) {
      for (const module of layer.modules) randomise(module, model, seed);
      if (stages === 'last' && place < layers.length - 1) continue;
      await estimateBatchStatistics(model, calibration, batchSize);
      for (const [m, method] of methods.entries()) {
        const { maps } = await mapsOf(method, trained[m].target);
        results[m].push({ layer: layer.path, ...similarities(trained[m].maps, maps, host, garments) });
      }
    }
  });
  return results;
}

/** Fresh values, as at the start of a training, from a stream of their own. */
function randomise(module: Module, model: Module, seed: number): void {
  for (const { name, shape, value, initializer } of ownParameters(module)) {
    const fresh = new Float32Array(value.size);
    initializer(fresh, shape, new PhiloxStream(seed, streamNamed(STREAM + name)));
    model.arena.write(name, fresh);
  }
}

function similarities(
  before: FloatArray,
  after: FloatArray,
  { count, height, width }: HostImages,
  garments: readonly Uint32Array[],
): Pick<RandomisationStage, 'signed' | 'absolute'> {
  const pixels = height * width;
  const signed = new Float64Array(count);
  const absolute = new Float64Array(count);
  for (let image = 0; image < count; image++) {
    const [a, b] = [before, after].map(maps => maps.subarray(image * pixels, (image + 1) * pixels));
    signed[image] = correlationOver(a, b, garments[image]);
    absolute[image] = spearman(a.map(Math.abs), b.map(Math.abs));
  }
  return { signed, absolute };
}

/** Spearman's correlation of two maps over some pixels; NaN where there are fewer than two, or a map is constant there. */
export function correlationOver(a: ArrayLike<number>, b: ArrayLike<number>, pixels: Uint32Array): number {
  if (pixels.length < 2) return Number.NaN;
  return spearman(
    Float64Array.from(pixels, pixel => a[pixel]),
    Float64Array.from(pixels, pixel => b[pixel]),
  );
}
