/** The stage `explore`: the data before training; see `explore/exploration.ts` for what is computed. */
import { join } from 'node:path';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { Dataset } from '../data/index.node.ts';
import {
  compareMaps,
  type DrawnMap,
  type ExplorationOptions,
  type ExploreResult,
  exploreImages,
  fitPca,
  type MapImages,
  type MapSpace,
  type Points,
  transformPca,
} from '../explore/index.ts';
import { serializeNpy } from '../interop/npy.ts';
import type { Module } from '../nn/index.ts';
import { ensureWritable, writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { loadModel } from '../train/checkpoint.node.ts';
import { confusionMatrix, penultimateFeatures, predictedClasses, predictLogits } from '../train/index.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import { checkSameData } from './run-data.node.ts';
import { Interrupted, type Session } from './session.ts';

export interface ExploreOptions
  extends DataOptions,
    Pick<
      ExplorationOptions,
      | 'seed'
      | 'components'
      | 'mapImages'
      | 'neighbourImages'
      | 'perplexity'
      | 'exaggerationSteps'
      | 'steps'
      | 'lateExaggeration'
      | 'learningRate'
    > {
  /** Also draws UMAP maps, and compares what maps are worth. */
  readonly compareMaps?: boolean;
  /** A network whose penultimate features are mapped and compared beside the pixels. */
  readonly checkpoint?: string;
  readonly out: string;
}

/**
 * Explores the data and writes explore.json, figures/ and the coordinates of the map (map-train, map-test, as .csv and .npy)
 * into `options.out`.
 * @throws UsageError for options that do not fit the data; Interrupted when the session's signal stopped it
 */
export async function exploreStudy(options: ExploreOptions, session: Session): Promise<ExploreResult> {
  const data = await obtainDataset(options, session.progress, session.signal);
  const { checkpoint } = options;
  const network = checkpoint === undefined ? undefined : await loadModel(checkpoint, session.device);
  try {
    if (network) checkSameData(network.info, checkpoint!, data);
    return await explored(options, data, session, network?.model);
  } finally {
    network?.model.dispose();
  }
}

async function explored(
  options: ExploreOptions,
  data: Dataset,
  session: Session,
  model?: Module,
): Promise<ExploreResult> {
  const { device, progress, signal, drawing } = session;
  await ensureWritable(options.out);
  const orInterrupted = (error: unknown): never => {
    if (signal.aborted) throw new Interrupted('Stopped; the same command starts again.');
    throw error;
  };
  const { images, ...done } = await exploreImages(data, {
    ...options,
    device,
    signal,
    onProgress: what => progress.show(`explore: ${what}`),
  }).catch(orInterrupted);
  const { pca, map } = done;
  const began = performance.now();
  const compared =
    options.compareMaps || model
      ? await compareAll(data, done, images, options, session, model).catch(orInterrupted)
      : undefined;
  const result: ExploreResult = compared
    ? {
        ...done.result,
        comparison: compared.comparison,
        seconds: { ...done.result.seconds, comparison: Math.round(performance.now() - began) / 1000 },
      }
    : done.result;
  progress.show('explore: figures');
  await drawing?.exploration(result, data, pca, drawingFolder(options.out));
  const places = Array.from({ length: map.placed.count }, (_, index) => index);
  await writeMap(options.out, 'map-train', map.embedding, map.report.indices, map.report.labels);
  await writeMap(options.out, 'map-test', map.placed, places, data.test.labels);
  for (const [row, { space, method }] of (compared?.comparison.maps ?? []).entries()) {
    const name = `map-${space}-${method.toLowerCase()}`;
    await writeMap(options.out, name, compared!.maps[row], map.report.indices, map.report.labels);
  }
  await writeJsonAtomically(join(options.out, 'explore.json'), result);
  return result;
}

/** Compares maps of the pixels and, given a network, of its features, with what it confuses among the test images. */
async function compareAll(
  data: Dataset,
  { result, map }: { result: ExploreResult; map: DrawnMap },
  { indices, labels, points, classes }: MapImages,
  { seed, checkpoint }: ExploreOptions,
  { device, progress, signal }: Session,
  model?: Module,
): Promise<Awaited<ReturnType<typeof compareMaps>>> {
  const spaces: MapSpace[] = [{ name: 'pixels', points, tsne: map.embedding }];
  let confusion: readonly (readonly number[])[] | undefined;
  if (model) {
    progress.show(`explore: features of ${checkpoint}`);
    const train = new DeviceDataset(data.train, device);
    const test = new DeviceDataset(data.test, device);
    try {
      const features = await penultimateFeatures(model, train, { indices, signal });
      const components = Math.min(50, features.dimensions, features.count);
      const pca = await fitPca(features, { components, device, signal });
      spaces.push({ name: 'features', points: await transformPca(pca, features, device) });
      const predicted = predictedClasses(await predictLogits(model, test, { signal }), classes);
      confusion = confusionMatrix(predicted, data.test.labels, classes);
    } finally {
      train.dispose();
      test.dispose();
    }
  }
  return compareMaps(spaces, {
    ...{ device, labels, classes, seed, signal, confusion },
    perplexity: result.map.perplexity,
    onProgress: what => progress.show(`explore: ${what}`),
  });
}

/** Coordinates of images on a map: with image and label as CSV, alone as npy (float32 `[images, 2]`). */
async function writeMap(
  out: string,
  name: string,
  { values, count }: Points,
  images: ArrayLike<number>,
  labels: ArrayLike<number>,
): Promise<void> {
  const coordinates = Float32Array.from(values);
  const lines = Array.from(
    { length: count },
    (_, i) => `${images[i]},${labels[i]},${coordinates[2 * i]},${coordinates[2 * i + 1]}`,
  );
  await writeFileAtomically(join(out, `${name}.csv`), ['image,label,x,y', ...lines, ''].join('\n'));
  await writeFileAtomically(join(out, `${name}.npy`), serializeNpy([count, 2], coordinates));
}
