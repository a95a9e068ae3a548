/** The stage `explore`: the data before training; see `explore/exploration.ts` for what is computed. */
import { join } from 'node:path';
import { type ExplorationOptions, type ExploreResult, exploreImages, type Points } from '../explore/index.ts';
import { serializeNpy } from '../interop/npy.ts';
import { ensureWritable, writeFileAtomically, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
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
  readonly out: string;
}

/**
 * Explores the data and writes explore.json, figures/ and the coordinates of the map (map-train, map-test, as .csv and .npy)
 * into `options.out`.
 * @throws UsageError for options that do not fit the data; Interrupted when the session's signal stopped it
 */
export async function exploreStudy(options: ExploreOptions, session: Session): Promise<ExploreResult> {
  const { device, progress, signal, drawing } = session;
  const data = await obtainDataset(options, progress, signal);
  await ensureWritable(options.out);
  const { result, pca, map } = await exploreImages(data, {
    ...options,
    device,
    signal,
    onProgress: what => progress.show(`explore: ${what}`),
  }).catch(error => {
    if (signal.aborted) throw new Interrupted('Stopped; the same command starts again.');
    throw error;
  });
  progress.show('explore: figures');
  await drawing?.exploration(result, data, pca, drawingFolder(options.out));
  const places = Array.from({ length: map.placed.count }, (_, index) => index);
  await writeMap(options.out, 'map-train', map.embedding, map.report.indices, map.report.labels);
  await writeMap(options.out, 'map-test', map.placed, places, data.test.labels);
  await writeJsonAtomically(join(options.out, 'explore.json'), result);
  return result;
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
