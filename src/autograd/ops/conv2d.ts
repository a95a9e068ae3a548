/**
 * Convolution and its two gradients as three operations that are closed under differentiation: each one is linear in its
 * two operands, and its gradients are the other two. That is all second derivatives need.
 */
import { everyOf, knownOptions, oneOf, refuse } from '../../devices/checks.ts';
import { ShapeError } from '../../devices/errors.ts';
import { formatShape, type Shape, sameShape } from '../../devices/shape.ts';
import { retain } from '../../devices/storage.ts';
import {
  type Conv2dGeometry,
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dWeightGradientParams,
  conv2d as conv2dKernel,
  conv2dInputGradient as inputGradientKernel,
  outputExtent,
  conv2dWeightGradient as weightGradientKernel,
} from '../../kernels/conv2d/index.ts';
import type { FusedActivation } from '../../kernels/matmul/index.ts';
import { windowStep } from '../../kernels/window.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { scopedConvolution } from '../convolution.ts';
import { apply, kernelOp, type Op, runKernel } from '../op.ts';
import { EVERYWHERE, type OpRows, type PerAxis, type Sample, type View } from '../row.ts';
import { biasGradient } from './broadcast.ts';
import { add, relu, reluGradientFromOutput } from './elementwise.ts';
import { checkPadding, checkPair, type Padding, type Pair, resolvePadding, resolveStrides, toPair } from './window.ts';

const sizeOf2d = (x: Tensor): [number, number] => [x.shape[1], x.shape[2]];
const kernelSizeOf = (w: Tensor): [number, number] => [w.shape[0], w.shape[1]];

/** The geometry for the gradients of a convolution: one that was direct stays direct. */
const geometryOf = ({ strides, padding, dilations, groups, convolution }: Conv2dGeometry): Conv2dGeometry => ({
  strides,
  padding,
  dilations,
  groups,
  convolution: convolution ?? scopedConvolution(),
});

const conv2dOp: Op<Conv2dParams> = kernelOp('conv2d', conv2dKernel, {
  gradient({ inputs: [x, w], params, upstream, needs, into, recorded }) {
    const geometry = geometryOf(params);
    const forWeights = { ...geometry, kernelSize: kernelSizeOf(w) };
    let dw: Tensor | undefined;
    if (needs[1] && into[1] && !recorded) {
      runKernel(weightGradientKernel, [x, upstream], forWeights, [into[1]]);
      dw = new Tensor(retain(into[1]), w.shape);
    } else if (needs[1]) {
      dw = apply(weightGradientOp, [x, upstream], forWeights);
    }
    const dx = needs[0] ? apply(inputGradientOp, [upstream, w], { ...geometry, inputSize: sizeOf2d(x) }) : undefined;
    return [dx, dw];
  },
});

const inputGradientOp: Op<Conv2dInputGradientParams> = kernelOp('conv2dInputGradient', inputGradientKernel, {
  gradient({ inputs: [dy, w], params, upstream, needs }) {
    const geometry = geometryOf(params);
    return [
      needs[0] ? apply(conv2dOp, [upstream, w], { ...geometry, activation: 'none' }) : undefined,
      needs[1] ? apply(weightGradientOp, [upstream, dy], { ...geometry, kernelSize: kernelSizeOf(w) }) : undefined,
    ];
  },
});

const weightGradientOp: Op<Conv2dWeightGradientParams> = kernelOp('conv2dWeightGradient', weightGradientKernel, {
  gradient({ inputs: [x, dy], params, upstream, needs }) {
    const geometry = geometryOf(params);
    return [
      needs[0] ? apply(inputGradientOp, [dy, upstream], { ...geometry, inputSize: sizeOf2d(x) }) : undefined,
      needs[1] ? apply(conv2dOp, [x, upstream], { ...geometry, activation: 'none' }) : undefined,
    ];
  },
});

/** With bias and activation in the kernel's last step. */
const fusedConv2dOp: Op<Conv2dParams> = kernelOp('fusedConv2d', conv2dKernel, {
  gradient(context) {
    const { inputs, outputs, params, upstream, needs, into, recorded } = context;
    const dy = params.activation === 'relu' ? reluGradientFromOutput(outputs[0], upstream) : upstream;
    const [dx, dw] = conv2dOp.gradient({ ...context, upstream: dy });
    return [dx, dw, needs[2] ? biasGradient(dy, inputs[2], recorded ? undefined : into[2]) : undefined];
  },
  decompose([x, w, bias], params) {
    const y = apply(conv2dOp, [x, w], { ...geometryOf(params), activation: 'none' });
    const shifted = bias ? add(y, bias) : y;
    return params.activation === 'relu' ? relu(shifted) : shifted;
  },
});

export interface Conv2dOptions {
  readonly stride?: Pair;
  readonly padding?: Padding;
  readonly dilation?: Pair;
  readonly groups?: number;
  /** Shape [K], one value per output channel. */
  readonly bias?: Tensor;
  readonly activation?: FusedActivation;
}

type WindowOptions = Omit<Conv2dOptions, 'bias' | 'activation'>;

/** The options that say how filters move, checked; padding is still to be resolved for an image. */
function windowOf(what: string, { stride = 1, padding = 'valid', dilation = 1, groups = 1 }: WindowOptions) {
  return {
    strides: toPair(checkPair(what, 'stride', stride)),
    padding: checkPadding(what, padding),
    dilations: toPair(checkPair(what, 'dilation', dilation)),
    groups: windowStep(what, 'groups', groups),
    convolution: scopedConvolution(),
  };
}

/** The options of `windowOf` for images of `size` and filters of `kernel` pixels. The dilation of one tap means nothing. */
function geometryFor(
  { padding, ...window }: ReturnType<typeof windowOf>,
  size: readonly [number, number],
  kernel: readonly [number, number],
): Conv2dGeometry {
  const dilations = window.dilations.map((dilation, axis) => (kernel[axis] === 1 ? 1 : dilation)) as [number, number];
  const sides = resolvePadding(padding, size, kernel, window.strides, dilations);
  return { ...window, strides: resolveStrides(window.strides, size, sides), padding: sides, dilations };
}

function checkRanks(what: string, images: Tensor, w: Tensor): void {
  if (images.rank !== 4 || w.rank !== 4)
    throw new ShapeError(`${what}: images and filters must have rank 4, not ${images.rank} and ${w.rank}.`);
}

const WINDOW_OPTIONS = ['stride', 'padding', 'dilation', 'groups'];

/**
 * Cross-correlation of images [N, H, W, C] with filters [kh, kw, C / groups, K].
 * @throws UsageError for an option that cannot mean anything, ShapeError naming both shapes when they do not fit
 * @example conv2d(x, w, { stride: 2, padding: 1, bias, activation: 'relu' })
 */
export function conv2d(x: Tensor, w: Tensor, options: Conv2dOptions = {}): Tensor {
  knownOptions('conv2d', options, [...WINDOW_OPTIONS, 'bias', 'activation']);
  const { bias, activation = 'none' } = options;
  const window = windowOf('conv2d', options);
  oneOf('conv2d', 'activation', activation, ['none', 'relu']);
  if (bias !== undefined && !(bias instanceof Tensor)) refuse('conv2d', 'bias', bias, 'a tensor [K]');
  checkRanks('conv2d', x, w);
  const params: Conv2dParams = { ...geometryFor(window, sizeOf2d(x), kernelSizeOf(w)), activation };
  if (!bias && activation === 'none') return apply(conv2dOp, [x, w], params);
  return apply(fusedConv2dOp, bias ? [x, w, bias] : [x, w], params);
}

/**
 * The transposed convolution: images [N, H, W, K] spread by filters [kh, kw, C / groups, K] to `outputSize`, [height, width].
 * @throws UsageError for an option, or an output size, that cannot mean anything; ShapeError when shapes do not fit
 */
export function conv2dTranspose(
  y: Tensor,
  w: Tensor,
  outputSize: readonly [number, number],
  options: WindowOptions = {},
): Tensor {
  const what = 'conv2dTranspose';
  knownOptions(what, options, WINDOW_OPTIONS);
  const window = windowOf(what, options);
  checkRanks(what, y, w);
  if (!Array.isArray(outputSize) || outputSize.length !== 2)
    refuse(what, 'outputSize', outputSize, 'an array of two whole numbers, [height, width]');
  everyOf(what, 'outputSize', outputSize, windowStep);
  const geometry = geometryFor(window, outputSize, kernelSizeOf(w));
  const { strides, dilations, padding } = geometry;
  const comesFrom = [0, 1].map(axis => {
    const [before, after] = padding.slice(2 * axis);
    return outputExtent(outputSize[axis], w.shape[axis], strides[axis], before, after, dilations[axis]);
  });
  if (!sameShape(comesFrom, sizeOf2d(y))) {
    const wanted = `a size from which this convolution makes images of ${formatShape(sizeOf2d(y))} pixels`;
    refuse(what, 'outputSize', outputSize, wanted);
  }
  return apply(inputGradientOp, [y, w], { ...geometry, inputSize: [outputSize[0], outputSize[1]] });
}

/** Height and width of dilated filters. */
const extentOf = ([height, width]: readonly number[], { dilations }: Conv2dGeometry): PerAxis => [
  (height - 1) * dilations[0] + 1,
  (width - 1) * dilations[1] + 1,
];
const reachOfConv2d = (params: Conv2dGeometry, [, w]: readonly Shape[]): View => ({
  window: extentOf(w, params),
  strides: params.strides,
  before: [params.padding[0], params.padding[2]],
});

const images: Sample = { shape: [2, 5, 6, 2] };
const filters: Sample = { shape: [3, 3, 2, 3] };

export const conv2dRows = {
  conv2d: {
    about: 'Cross-correlation of images [N, H, W, C] with filters [kh, kw, C / groups, K].',
    op: conv2dOp,
    functions: [conv2d],
    kernels: [conv2dKernel, inputGradientKernel, weightGradientKernel],
    linearity: 'bilinear',
    reach: reachOfConv2d,
    isContraction: true,
    examples: [{ inputs: [images, filters], run: (x: Tensor, w: Tensor) => conv2d(x, w, { padding: 'same' }) }],
    onnx: 'Conv',
  },
  fusedConv2d: {
    about: 'A convolution with bias and activation in its last step.',
    op: fusedConv2dOp,
    functions: [conv2d],
    kernels: [conv2dKernel, inputGradientKernel, weightGradientKernel],
    linearity: 'bilinear',
    reach: reachOfConv2d,
    isContraction: true,
    examples: [
      {
        inputs: [images, filters, { shape: [3] }],
        run: (x: Tensor, w: Tensor, bias: Tensor) => conv2d(x, w, { bias }),
      },
      {
        title: 'relu, strides, dilation and groups',
        inputs: [{ shape: [2, 5, 6, 4] }, { shape: [3, 2, 2, 4] }, { shape: [4] }],
        run: (x: Tensor, w: Tensor, bias: Tensor) =>
          conv2d(x, w, {
            stride: [2, 1],
            padding: [0, 1, 2, 1],
            dilation: [1, 2],
            groups: 2,
            bias,
            activation: 'relu',
          }),
      },
    ],
    onnx: 'Conv',
  },
  conv2dInputGradient: {
    about: 'The gradient of a convolution with respect to its images: the transposed convolution.',
    op: inputGradientOp,
    functions: [conv2dTranspose],
    kernels: [inputGradientKernel, conv2dKernel, weightGradientKernel],
    linearity: 'bilinear',
    reach: (params: Conv2dGeometry, [, w]) => ({
      windowsOver: extentOf(w, params),
      strides: params.strides,
      before: [params.padding[0], params.padding[2]],
    }),
    isContraction: true,
    examples: [
      {
        inputs: [{ shape: [1, 3, 3, 2] }, { shape: [3, 3, 2, 2] }],
        run: (y: Tensor, w: Tensor) => conv2dTranspose(y, w, [5, 6], { stride: 2, padding: 1 }),
      },
    ],
    onnx: 'ConvTranspose',
  },
  conv2dWeightGradient: {
    about: 'The gradient of a convolution with respect to its filters, a sum over the images of the batch.',
    op: weightGradientOp,
    kernels: [weightGradientKernel, inputGradientKernel, conv2dKernel],
    linearity: 'bilinear',
    reach: EVERYWHERE,
    isContraction: true,
    examples: [
      {
        inputs: [images, { shape: [2, 5, 6, 3] }],
        run: (x: Tensor, dy: Tensor) =>
          apply(weightGradientOp, [x, dy], {
            strides: [1, 1],
            padding: [1, 1, 1, 1],
            dilations: [1, 1],
            groups: 1,
            kernelSize: [3, 3],
          }),
      },
    ],
  },
} satisfies OpRows;
