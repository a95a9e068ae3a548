/** The temperature by which a network's probabilities are calibrated, fitted on the images that its training held out. */
import { DeviceDataset } from '../data/device-dataset.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import { UsageError } from '../devices/errors.ts';
import { type CheckpointInfo, fitTemperature, heldOutImages, type Scores } from '../train/index.ts';
import type { Session } from './session.ts';

export interface HeldOutTemperatureOptions {
  /** The networks that are calibrated as one. */
  readonly members: readonly { readonly name: string; readonly info: CheckpointInfo }[];
  /** The images of the training set, of which some were held out. */
  readonly train: ImageSet;
  readonly isSample: boolean;
  /** Logits of the images at `indices`, [N, classes]. */
  predict(images: DeviceDataset, indices: Uint32Array): Promise<Scores>;
  readonly session: Pick<Session, 'device' | 'progress'>;
  /** To throw, rather than note, that no images were held out. */
  readonly isRequired?: boolean;
}

/**
 * The temperature, or null where no images were held out, which is noted. A temperature that is a limit because no finite one
 * is the best is noted with the reason.
 * @throws UsageError where no images were held out and a temperature is required
 */
export async function heldOutTemperature(options: HeldOutTemperatureOptions): Promise<number | null> {
  const { members, train, isSample, predict, session, isRequired = false } = options;
  let indices: Uint32Array;
  try {
    indices = heldOutImages(members, train.labels, isSample);
  } catch (error) {
    if (isRequired || !(error instanceof UsageError)) throw error;
    session.progress.note(`No temperature is fitted: ${error.message}`);
    return null;
  }
  const images = new DeviceDataset(train, session.device);
  try {
    const logits = await predict(images, indices);
    const { temperature, atLimit, reason } = fitTemperature(
      logits,
      Uint8Array.from(indices, index => train.labels[index]),
    );
    if (atLimit) {
      const names = members.map(({ name }) => name).join(', ');
      session.progress.note(`${names}: no temperature is the best, ${temperature} is the limit. ${reason}`);
    }
    return temperature;
  } finally {
    images.dispose();
  }
}
