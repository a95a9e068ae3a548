/** A few images of a set as one tensor, without keeping the set on the device. */
import { noGrad } from '../autograd/index.ts';
import { DeviceDataset } from '../data/device-dataset.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import type { Device } from '../devices/device.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The images at `indices`, [N, H, W, C] in [0, 1]. The caller disposes them. */
export function imagesOf(set: ImageSet, indices: ArrayLike<number>, device: Device): Tensor {
  const all = new DeviceDataset(set, device);
  try {
    return noGrad(() => {
      const { images, labels } = all.batch(indices);
      labels.dispose();
      return images;
    });
  } finally {
    all.dispose();
  }
}
