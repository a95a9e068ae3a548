/** Guided Grad-CAM: where Grad-CAM looks, in the detail of guided backpropagation. */
import { ShapeError } from '../devices/errors.ts';
import { formatShape } from '../devices/shape.ts';
import { Module } from '../nn/index.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { FloatArray } from './attribution.ts';
import { type CamAttribution, type CamOptions, gradCam } from './cam.ts';
import { guidedBackprop } from './gradients.ts';
import type { Traceable } from './inner-layer.ts';
import { positiveMaps, resizeMaps } from './maps.ts';

export interface GuidedGradCamOptions extends CamOptions {
  /** Use the positive part of Grad-CAM, as the paper does. Default true. */
  readonly relu?: boolean;
}

/**
 * Guided backpropagation times Grad-CAM enlarged to the image (Selvaraju et al., 2017). It inherits the first factor's
 * weakness: see guidedBackprop.
 *
 * @param x images [N, H, W, C]
 * @returns [N, H, W, C]
 */
export async function guidedGradCam(
  f: Traceable,
  x: Tensor,
  options: GuidedGradCamOptions = {},
): Promise<CamAttribution> {
  if (x.rank !== 4) throw new ShapeError(`Guided Grad-CAM explains images [N, H, W, C], not ${formatShape(x.shape)}.`);
  const [, height, width, channels] = x.shape;
  const cam = await gradCam(f, x, options);
  const explainable = f instanceof Module ? f : (images: Tensor) => f.head(f.features(images));
  const { batchSize } = options;
  const guided = await guidedBackprop(explainable, x, { target: cam.target, batchSize });
  const maps = (options.relu ?? true) ? positiveMaps(cam) : cam;
  const { values: large } = resizeMaps(maps, [height, width]);
  const values = guided.values.map((value, i) => value * large[Math.floor(i / channels)]) as FloatArray;
  return { ...guided, method: 'guided-grad-cam', values, layer: cam.layer };
}
