/** How a photograph became what the network sees: every stage side by side, each as large as its place allows. */
import type { PhotoStage } from '../data/photo.ts';
import { areaResize } from '../data/photo-raster.ts';
import { UsageError } from '../devices/errors.ts';
import { imageSheet } from './image-sheet.ts';
import { enlarge, imagePicture, type Picture } from './picture.ts';

export interface PhotoStagesOptions {
  /** Edge of a stage's place in pixels, a multiple of the prepared image's 28. Default 84. */
  readonly edge?: number;
}

/** The stages in a row, from the picture as it came to the bytes that the network gets. */
export function photoStages(stages: readonly PhotoStage[], { edge = 84 }: PhotoStagesOptions = {}): Picture {
  if (!Number.isInteger(edge) || edge < 1) throw new UsageError(`A stage cannot be shown on ${edge} pixels.`);
  return imageSheet(
    stages.map(stage => fitted(stage, edge)),
    { columns: stages.length, gap: 4 },
  );
}

/** Large pictures by the mean over areas, small ones with their pixels as squares. */
function fitted({ values, width, height }: PhotoStage, edge: number): Picture {
  const longest = Math.max(width, height);
  if (longest <= edge) return enlarge(imagePicture(values, width, height), Math.floor(edge / longest));
  const fit = (length: number): number => Math.max(1, Math.round((length * edge) / longest));
  const [across, down] = [fit(width), fit(height)];
  const channels = values.length / (width * height);
  const scale = values instanceof Uint8Array ? 255 : 1;
  const shrunk = new Float64Array(across * down * channels);
  for (let c = 0; c < channels; c++) {
    const channel = Float32Array.from({ length: width * height }, (_, p) => values[p * channels + c] / scale);
    areaResize({ values: channel, width, height }, across, down).values.forEach((value, p) => {
      shrunk[p * channels + c] = value;
    });
  }
  return imagePicture(shrunk, across, down);
}
