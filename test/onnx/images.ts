/**
 * Operators on images. ONNX lays images out as [N, C, spatial...] and filters as [K, C / groups, spatial...]; they are
 * turned into ours by transposes at the border. One-dimensional signals are images of height 1; volumes are not taken.
 */
import * as w from '../../src/index.ts';
import { type Call, type Operator, Unsupported } from './call.ts';

type Two = [number, number];
type Sides = [number, number, number, number];

/** Spatial attributes of one axis get a neutral neighbour. */
const pairOf = (values: readonly number[] | undefined, neutral: number): Two =>
  values === undefined ? [neutral, neutral] : values.length === 1 ? [neutral, values[0]] : [values[0], values[1]];

/** [N, C, W] or [N, C, H, W] to [N, H, W, C]. */
function imagesFrom(x: w.Tensor): w.Tensor {
  if (x.rank !== 3 && x.rank !== 4) throw new Unsupported(`images of rank ${x.rank}`);
  const [n, c, ...spatial] = x.shape;
  return w.transpose(x.rank === 3 ? w.reshape(x, [n, c, 1, ...spatial]) : x, [0, 2, 3, 1]);
}

/** [N, H, W, C] to [N, C, H, W], or [N, C, W] where `rank` is 3. */
function imagesTo(y: w.Tensor, rank: number): w.Tensor {
  const turned = w.transpose(y, [0, 3, 1, 2]);
  const [n, c, , width] = turned.shape;
  return rank === 3 ? w.reshape(turned, [n, c, width]) : turned;
}

/** [K, C / groups, kw] or [K, C / groups, kh, kw] to [kh, kw, C / groups, K]. */
function filtersFrom(f: w.Tensor): w.Tensor {
  const [k, c, ...spatial] = f.shape;
  return w.transpose(f.rank === 3 ? w.reshape(f, [k, c, 1, ...spatial]) : f, [2, 3, 1, 0]);
}

/** Padding as [top, bottom, left, right]; `auto_pad` puts an odd pixel at the end (upper) or the start (lower). */
function sidesOf(call: Call, size: Two, kernel: Two, strides: Two, dilations: Two): Sides {
  const auto = call.text('auto_pad', 'NOTSET');
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const along = (axis: 0 | 1): Two => {
      const windows = Math.ceil(size[axis] / strides[axis]);
      const total = Math.max(0, (windows - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1 - size[axis]);
      const less = Math.floor(total / 2);
      return auto === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
    };
    return [...along(0), ...along(1)];
  }
  const pads = call.list('pads');
  if (auto === 'VALID' || pads === undefined) return [0, 0, 0, 0];
  return pads.length === 2 ? [0, 0, pads[0], pads[1]] : [pads[0], pads[2], pads[1], pads[3]];
}

const convolution: Operator = call => {
  const given = call.float(0);
  const x = imagesFrom(given);
  const f = filtersFrom(call.float(1));
  const stride = pairOf(call.list('strides'), 1);
  const dilation = pairOf(call.list('dilations'), 1);
  const padding = sidesOf(call, [x.shape[1], x.shape[2]], [f.shape[0], f.shape[1]], stride, dilation);
  const bias = call.has(2) ? call.float(2) : undefined;
  const y = w.conv2d(x, f, { stride, dilation, padding, groups: call.scalar('group', 1), bias });
  return imagesTo(y, given.rank);
};

/** Size and padding of a transposed convolution: output_shape settles the padding, padding settles the size. */
function transposedGeometry(call: Call, input: Two, kernel: Two, strides: Two, dilations: Two): [Two, Sides] {
  const outputPadding = pairOf(call.list('output_padding'), 0);
  const auto = call.text('auto_pad', 'NOTSET');
  const isSame = auto === 'SAME_UPPER' || auto === 'SAME_LOWER';
  const full = (axis: 0 | 1): number =>
    strides[axis] * (input[axis] - 1) + outputPadding[axis] + dilations[axis] * (kernel[axis] - 1) + 1;
  const shape = call.list('output_shape');
  if (shape === undefined && !isSame) {
    const sides = sidesOf(call, input, kernel, strides, dilations);
    return [[full(0) - sides[0] - sides[1], full(1) - sides[2] - sides[3]], sides];
  }
  const size: Two = shape ? pairOf(shape, 1) : [input[0] * strides[0], input[1] * strides[1]];
  const along = (axis: 0 | 1): Two => {
    // A wish for more pixels than the filters reach is met by rows of zeros at the end: padding 0.
    const total = Math.max(0, full(axis) - size[axis]);
    const less = Math.floor(total / 2);
    return auto === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
  };
  return [size, [...along(0), ...along(1)]];
}

const transposedConvolution: Operator = call => {
  const given = call.float(0);
  const y = imagesFrom(given);
  const f = filtersFrom(call.float(1));
  const stride = pairOf(call.list('strides'), 1);
  const dilation = pairOf(call.list('dilations'), 1);
  const [size, padding] = transposedGeometry(
    call,
    [y.shape[1], y.shape[2]],
    [f.shape[0], f.shape[1]],
    stride,
    dilation,
  );
  const x = w.conv2dTranspose(y, f, size, { stride, dilation, padding, groups: call.scalar('group', 1) });
  return imagesTo(call.has(2) ? w.add(x, call.float(2)) : x, given.rank);
};

function poolOptions(call: Call, x: w.Tensor) {
  const kernel = pairOf(call.list('kernel_shape'), 1);
  const stride = pairOf(call.list('strides'), 1);
  const dilations = pairOf(call.list('dilations'), 1);
  if (dilations.some(dilation => dilation !== 1)) throw new Unsupported('pooling with dilation');
  const padding = sidesOf(call, [x.shape[1], x.shape[2]], kernel, stride, dilations);
  return { kernel, stride, padding, ceilMode: call.scalar('ceil_mode', 0) !== 0 };
}

const maxPool: Operator = call => {
  if (call.outputCount > 1) throw new Unsupported('positions of maxima as an output');
  const given = call.float(0);
  const x = imagesFrom(given);
  return imagesTo(w.maxPool2d(x, poolOptions(call, x)), given.rank);
};

const averagePool: Operator = call => {
  const given = call.float(0);
  const x = imagesFrom(given);
  const countPadding = call.scalar('count_include_pad', 0) !== 0;
  return imagesTo(w.avgPool2d(x, { ...poolOptions(call, x), countPadding }), given.rank);
};

const globalAverage: Operator = call => {
  const means = w.globalAveragePool(imagesFrom(call.float(0)));
  return w.reshape(means, [...means.shape, 1, 1]);
};

/**
 * ONNX's momentum is the share of the old statistic, ours that of the batch. Its running variance takes the variance over
 * the n values of a channel, ours (as PyTorch's) over n - 1, so that the batch's share differs by (n - 1) / n.
 */
const batchNormalization: Operator = call => {
  const given = call.float(0);
  if (call.opset < 14 && call.outputCount > 1) throw new Unsupported('training outputs of old operator sets');
  const x = imagesFrom(given);
  const training = call.scalar('training_mode', 0) !== 0;
  const [oldMean, oldVariance] = [call.float(3), call.float(4)];
  // Training updates its statistics in place; the operands stay as they are.
  const [runningMean, runningVariance] = [w.add(oldMean, 0), w.add(oldVariance, 0)];
  const kept = call.scalar('momentum', 0.9);
  const y = w.batchNorm(x, call.float(1), call.float(2), {
    training,
    runningMean,
    runningVariance,
    momentum: 1 - kept,
    epsilon: call.scalar('epsilon', 1e-5),
  });
  if (!training) return imagesTo(y, given.rank);
  const n = x.size / x.shape[3];
  const batchShare = w.sub(runningVariance, w.mul(oldVariance, kept));
  const variance = w.add(w.mul(oldVariance, kept), w.mul(batchShare, (n - 1) / n));
  return [imagesTo(y, given.rank), runningMean, variance];
};

export const IMAGES: Record<string, Operator> = {
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  GlobalAveragePool: globalAverage,
  GlobalMaxPool: call => w.max(call.float(0), [2, 3], true),
  MaxPool: maxPool,
};
