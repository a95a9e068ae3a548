/** The stage `explore`: the data before training; see `explore/exploration.ts` for what is computed. */
import { join } from 'node:path';
import { type ExplorationOptions, type ExploreResult, exploreImages } from '../explore/index.ts';
import { ensureWritable, writeJsonAtomically } from '../train/atomic-file.node.ts';
import { type DataOptions, obtainDataset } from './data.node.ts';
import { drawingFolder } from './drawing-folder.node.ts';
import { Interrupted, type Session } from './session.ts';

export interface ExploreOptions
  extends DataOptions,
    Pick<ExplorationOptions, 'seed' | 'components' | 'mapImages' | 'neighbourImages' | 'exaggerationSteps' | 'steps'> {
  readonly out: string;
}

/**
 * Explores the data and writes explore.json and figures/ into `options.out`.
 * @throws UsageError for options that do not fit the data; Interrupted when the session's signal stopped it
 */
export async function exploreStudy(options: ExploreOptions, session: Session): Promise<ExploreResult> {
  const { device, progress, signal, drawing } = session;
  const data = await obtainDataset(options, progress, signal);
  await ensureWritable(options.out);
  const { result, pca } = await exploreImages(data, {
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
  await writeJsonAtomically(join(options.out, 'explore.json'), result);
  return result;
}
