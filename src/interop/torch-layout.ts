/**
 * The border between PyTorch's (and ONNX's) layouts and ours. There, images are NCHW, convolution weights OIHW, linear
 * weights [out, in]; here they are NHWC, HWIO and [in, out], so that a filter bank is a matrix as it lies. Arrays are
 * rewritten once, on the host, when they cross; nothing inside knows the other layout.
 *
 * One case is not a mere transpose: a linear layer after Flatten. PyTorch flattens an image in C, H, W order, we in
 * H, W, C, so the layer's input rows change places too.
 */
import { ShapeError } from '../devices/errors.ts';
import { formatShape, type Shape, sizeOf, stridesOf } from '../devices/shape.ts';

export type HostArray = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint32Array | Uint8Array;

/** A shaped array in host memory, row-major. */
export interface HostTensor<T extends HostArray = HostArray> {
  shape: Shape;
  data: T;
}

/**
 * Copies an array with its axes in another order: axis `i` of the result is axis `axes[i]` of the source.
 *
 * @throws ShapeError when `axes` is not a permutation of the source's axes
 */
export function permuteAxes<T extends HostArray>(source: HostTensor<T>, axes: readonly number[]): HostTensor<T> {
  const rank = source.shape.length;
  if (axes.length !== rank || [...axes].sort((a, b) => a - b).some((axis, position) => axis !== position)) {
    throw new ShapeError(`Axes ${formatShape(axes)} do not reorder an array of shape ${formatShape(source.shape)}.`);
  }
  if (sizeOf(source.shape) !== source.data.length) {
    throw new ShapeError(`The shape ${formatShape(source.shape)} does not hold ${source.data.length} values.`);
  }
  const shape = axes.map(axis => source.shape[axis]);
  const sourceStrides = stridesOf(source.shape);
  const strides = axes.map(axis => sourceStrides[axis]);
  const data = source.data.slice() as T;
  const index = new Array<number>(rank).fill(0);
  let from = 0;
  for (let to = 0; to < data.length; to++) {
    data[to] = source.data[from];
    for (let axis = rank - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return { shape, data };
}

function checkRank(tensor: HostTensor, rank: number, layout: string): void {
  if (tensor.shape.length !== rank) {
    throw new ShapeError(`${layout} needs ${rank} axes; the array has shape ${formatShape(tensor.shape)}.`);
  }
}

/** Convolution weights `[out, in / groups, kh, kw]` to `[kh, kw, in / groups, out]`. */
export function oihwToHwio<T extends HostArray>(weights: HostTensor<T>): HostTensor<T> {
  checkRank(weights, 4, 'OIHW');
  return permuteAxes(weights, [2, 3, 1, 0]);
}

/** Convolution weights `[kh, kw, in / groups, out]` to `[out, in / groups, kh, kw]`. */
export function hwioToOihw<T extends HostArray>(weights: HostTensor<T>): HostTensor<T> {
  checkRank(weights, 4, 'HWIO');
  return permuteAxes(weights, [3, 2, 0, 1]);
}

/** Images `[N, C, H, W]` to `[N, H, W, C]`. */
export function nchwToNhwc<T extends HostArray>(images: HostTensor<T>): HostTensor<T> {
  checkRank(images, 4, 'NCHW');
  return permuteAxes(images, [0, 2, 3, 1]);
}

/** Images `[N, H, W, C]` to `[N, C, H, W]`. */
export function nhwcToNchw<T extends HostArray>(images: HostTensor<T>): HostTensor<T> {
  checkRank(images, 4, 'NHWC');
  return permuteAxes(images, [0, 3, 1, 2]);
}

/** Linear weights `[out, in]` to `[in, out]`, or back: a transpose is its own inverse. */
export function transposeLinear<T extends HostArray>(weights: HostTensor<T>): HostTensor<T> {
  checkRank(weights, 2, 'A linear weight');
  return permuteAxes(weights, [1, 0]);
}

/** Height, width and channels of the image that was flattened before a linear layer. */
export interface FlattenedImage {
  height: number;
  width: number;
  channels: number;
}

function checkFlattened(inputs: number, { height, width, channels }: FlattenedImage): void {
  if (inputs !== height * width * channels) {
    throw new ShapeError(
      `A linear layer of ${inputs} inputs cannot follow the flattening of ${height} x ${width} x ${channels} images.`,
    );
  }
}

/** PyTorch's linear weights after Flatten, `[out, C * H * W]`, to ours, `[H * W * C, out]`. */
export function flattenedLinearFromTorch<T extends HostArray>(
  weights: HostTensor<T>,
  image: FlattenedImage,
): HostTensor<T> {
  checkRank(weights, 2, 'A linear weight');
  const [outputs, inputs] = weights.shape;
  checkFlattened(inputs, image);
  const { height, width, channels } = image;
  const turned = permuteAxes({ shape: [outputs, channels, height, width], data: weights.data }, [2, 3, 1, 0]);
  return { shape: [inputs, outputs], data: turned.data };
}

/** Our linear weights after Flatten, `[H * W * C, out]`, to PyTorch's, `[out, C * H * W]`. */
export function flattenedLinearToTorch<T extends HostArray>(
  weights: HostTensor<T>,
  image: FlattenedImage,
): HostTensor<T> {
  checkRank(weights, 2, 'A linear weight');
  const [inputs, outputs] = weights.shape;
  checkFlattened(inputs, image);
  const { height, width, channels } = image;
  const turned = permuteAxes({ shape: [height, width, channels, outputs], data: weights.data }, [3, 2, 0, 1]);
  return { shape: [outputs, inputs], data: turned.data };
}
