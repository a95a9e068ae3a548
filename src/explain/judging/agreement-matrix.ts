/** Which methods see the same: the mean rank correlation of every pair's maps over the garments. */
import { UsageError } from '../../devices/errors.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { garmentPixels, hostImages, type JudgedMaps, mapsOnPixels } from './images.ts';
import { correlationOver } from './parameter-randomisation.ts';

/**
 * Mean Spearman correlation of each pair of methods over the pixels above zero of each image. Images on which a map is
 * constant are left out of that map's means; NaN where none is left.
 *
 * @param x images [N, H, W, C]
 * @param methods maps of the same images, any size
 * @returns symmetric, ones on the diagonal
 */
export async function agreementMatrix(x: Tensor, methods: readonly JudgedMaps[]): Promise<number[][]> {
  if (methods.length === 0) throw new UsageError('An agreement matrix needs the maps of at least one method.');
  const host = await hostImages(x);
  const pixels = host.height * host.width;
  const maps = methods.map(method => mapsOnPixels(method, host));
  const garments = Array.from({ length: host.count }, (_, image) => garmentPixels(host, image));
  const matrix = methods.map((_, i) => methods.map((_, j) => (i === j ? 1 : Number.NaN)));
  for (let i = 0; i < methods.length; i++) {
    for (let j = 0; j < i; j++) {
      const found = garments
        .map((garment, image) => {
          const [a, b] = [maps[i], maps[j]].map(of => of.subarray(image * pixels, (image + 1) * pixels));
          return correlationOver(a, b, garment);
        })
        .filter(value => !Number.isNaN(value));
      matrix[i][j] = matrix[j][i] = found.reduce((sum, value) => sum + value, 0) / found.length;
    }
  }
  return matrix;
}
