/**
 * Images by index and augmentation are exact: a seed gives the same pictures on every device. Resampling is close: its
 * coordinates carry a few roundings of float32, times the width of the image and the contrast of its pixels.
 */
import {
  type AugmentParams,
  affineImages,
  augmentImages,
  gatherImages,
  gatherLabels,
  resizeBilinear,
  resizeBilinearGradient,
} from '../../src/kernels/image/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import type { ConformanceCase } from './cases.ts';

const SEED = 20263;
const stream = new PhiloxStream(SEED);
const exact = { kind: 'exact' } as const;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const bytes = (...shape: number[]) => ({
  spec: { shape, dtype: 'uint8' } as const,
  values: Uint8Array.from({ length: sizeOf(shape) }, () => stream.below(256)),
});
const list = (values: Iterable<number>) => {
  const array = Int32Array.from(values);
  return { spec: { shape: [array.length], dtype: 'int32' } as const, values: array };
};
const drawn = (batch: number, count: number) => list(Array.from({ length: batch }, () => stream.below(count)));
const state = (epoch: number) => ({
  spec: { shape: [4], dtype: 'uint32' } as const,
  values: Uint32Array.of(stream.nextUint32(), stream.nextUint32(), stream.below(1000), epoch),
});

const everyByte = {
  spec: { shape: [1, 16, 16, 1], dtype: 'uint8' } as const,
  values: Uint8Array.from(Array(256).keys()),
};

function gathered(title: string, images: ReturnType<typeof bytes>, indices: ReturnType<typeof list>): ConformanceCase {
  return {
    title: `[${images.spec.shape}] by [${indices.spec.shape}] ${title}`,
    kernel: gatherImages,
    params: {},
    inputs: [images, indices],
    tolerance: exact,
  };
}

const labels = bytes(103);
// More than 65,535 workgroups of 64 values.
const many = list(Int32Array.from({ length: 65_536 * 64 + 3 }, (_, i) => (i * 7919) % 3));
const gather: ConformanceCase[] = [
  gathered('every byte', everyByte as unknown as ReturnType<typeof bytes>, list([0])),
  gathered('', bytes(20, 28, 28, 1), drawn(9, 20)),
  gathered('', bytes(7, 5, 3, 3), drawn(11, 7)),
  gathered('single pixels', bytes(50, 1, 1, 1), drawn(33, 50)),
  gathered('not there', bytes(4, 3, 3, 1), list([0, -1, 3, 4, 2 ** 31 - 1, 2])),
  gathered('not there', bytes(4, 4, 4, 1), list([-(2 ** 31), 1, 4])),
  gathered('no indices', bytes(4, 4, 4, 1), list([])),
  gathered('no images', bytes(0, 2, 3, 1), list([0, 1])),
  gathered('huge', bytes(3, 64, 64, 4), drawn(1025, 3)),
  gathered('huge', bytes(3, 1, 1, 1), many),
  { title: '103', kernel: gatherLabels, params: {}, inputs: [labels, drawn(57, 103)], tolerance: exact },
  {
    title: 'not there',
    kernel: gatherLabels,
    params: {},
    inputs: [labels, list([102, 103, -1, 0, 101])],
    tolerance: exact,
  },
  {
    title: 'huge',
    kernel: gatherLabels,
    params: {},
    inputs: [labels, many],
    tolerance: exact,
  },
];

const erase = { probability: 0.7, minArea: 0.02, maxArea: 0.33, minAspect: 0.3, maxAspect: 3.3, fill: 'zero' } as const;
const noise = { ...erase, probability: 1, fill: 'random' } as const;

function augmented(shape: readonly [number, number, number, number], batch: number, params: AugmentParams, epoch = 0) {
  const fill = params.erase ? `${params.erase.fill} p ${params.erase.probability}` : 'none';
  return {
    title: `[${shape}] batch ${batch} crop ${params.crop} flip ${params.flip} epoch ${epoch} erase ${fill} (seed ${SEED})`,
    kernel: augmentImages,
    params,
    inputs: [bytes(...shape), drawn(batch, shape[0]), state(epoch)],
    tolerance: exact,
  } satisfies ConformanceCase;
}

const whole: AugmentParams = { crop: 0, flip: 'none', erase: null };
const notThere = augmented([5, 6, 6, 1], 4, { crop: 1, flip: 'random', erase });
const augment: ConformanceCase[] = [
  augmented([5, 7, 9, 1], 3, whole),
  augmented([20, 28, 28, 1], 40, { crop: 2, flip: 'none', erase: null }),
  augmented([20, 28, 28, 1], 40, { crop: 4, flip: 'random', erase }),
  augmented([20, 28, 28, 1], 40, { crop: 2, flip: 'alternating', erase }, 6),
  augmented([20, 28, 28, 1], 40, { crop: 2, flip: 'alternating', erase: noise }, 7),
  augmented([9, 13, 11, 1], 17, { crop: 10, flip: 'random', erase: noise }),
  augmented([9, 6, 5, 3], 17, { crop: 3, flip: 'random', erase: { ...noise, probability: 0.5 } }),
  augmented([9, 8, 8, 4], 5, { crop: 1, flip: 'alternating', erase: { ...erase, maxArea: 1, maxAspect: 20 } }, 1),
  augmented([3, 3, 2, 1], 12, { crop: 1, flip: 'random', erase: { ...erase, probability: 0 } }),
  augmented([3, 1, 1, 1], 5, { crop: 0, flip: 'random', erase: { ...erase, probability: 1 } }),
  augmented([3, 4, 4, 1], 0, { crop: 1, flip: 'random', erase: null }),
  { ...notThere, title: `not there: ${notThere.title}`, inputs: [notThere.inputs[0], list([0, 5, -1, 4]), state(2)] },
  // More than 65,535 workgroups of 64 values.
  augmented([3, 3, 3, 1], 470_000, { crop: 1, flip: 'random', erase: null }),
];

const floats = (...shape: number[]) => ({
  spec: { shape, dtype: 'float32' } as const,
  values: Float32Array.from({ length: sizeOf(shape) }, () => 2 * stream.uniform() - 1),
});

/** Rotations up to a quarter turn, scales from a half to two, shears and shifts: some pixels come from outside. */
function matrices(batch: number, height: number, width: number) {
  const spec = { shape: [batch, 6], dtype: 'float32' } as const;
  const values = Array.from({ length: batch }, (_, n) => {
    if (n === 0) return [1, 0, 0, 0, 1, 0];
    if (n === 1) return [1, 0, 1000, 0, 1, -1000];
    const angle = (stream.uniform() - 0.5) * Math.PI;
    const scale = 2 ** (2 * stream.uniform() - 1);
    const [a, b] = [scale * Math.cos(angle), scale * (stream.uniform() - Math.sin(angle))];
    const [d, e] = [scale * Math.sin(angle), scale * Math.cos(angle)];
    const [centreX, centreY] = [(width - 1) / 2, (height - 1) / 2];
    return [a, b, centreX - a * centreX - b * centreY, d, e, centreY - d * centreX - e * centreY];
  });
  return { spec, values: Float32Array.from(values.flat()) };
}

const affineShapes: [number, number, number, number][] = [
  [5, 28, 28, 1],
  [6, 9, 11, 3],
  [3, 1, 1, 1],
  [4, 7, 3, 5],
  [2, 5, 1, 8],
  [0, 4, 4, 1],
  [11, 640, 640, 1], // more than 65,535 workgroups of 64 values
];
const affine: ConformanceCase[] = affineShapes.map(([batch, height, width, channels]) => ({
  title: `[${[batch, height, width, channels]}] (seed ${SEED})`,
  kernel: affineImages,
  params: {},
  inputs: [floats(batch, height, width, channels), matrices(batch, height, width)],
  // Three roundings of a coordinate of at most 4 extents, times a slope of at most 2; and those of the blend itself.
  tolerance: { kind: 'close', absolute: 2e-6 + 24 * 6e-8 * Math.max(height, width, 12), relative: 0 },
}));

const resizes: [shape: [number, number, number, number], size: [number, number]][] = [
  [
    [3, 7, 7, 1],
    [28, 28],
  ],
  [
    [2, 28, 28, 1],
    [7, 9],
  ],
  [
    [2, 5, 6, 3],
    [11, 4],
  ],
  [
    [2, 4, 4, 8],
    [4, 4],
  ],
  [
    [1, 6, 3, 5],
    [13, 17],
  ],
  [
    [2, 1, 1, 1],
    [5, 3],
  ],
  [
    [2, 9, 1, 2],
    [1, 6],
  ],
  [
    [1, 31, 17, 1],
    [1, 1],
  ],
  [
    [0, 3, 3, 1],
    [5, 5],
  ],
];
const resize: ConformanceCase[] = resizes.flatMap(([shape, size]) =>
  [false, true].flatMap((alignCorners): ConformanceCase[] => {
    const [batch, height, width, channels] = shape;
    const title = `[${shape}] to [${size}]${alignCorners ? ' corners' : ''} (seed ${SEED})`;
    // Readers of an input pixel, at most: two grid steps each way.
    const terms = (2 * Math.ceil(size[0] / height) + 2) * (2 * Math.ceil(size[1] / width) + 2);
    return [
      {
        title,
        kernel: resizeBilinear,
        params: { size, alignCorners },
        inputs: [floats(...shape)],
        tolerance: { kind: 'close', absolute: 1e-6, relative: 1e-6 },
      },
      {
        title,
        kernel: resizeBilinearGradient,
        params: { inputSize: [height, width], alignCorners },
        inputs: [floats(batch, ...size, channels)],
        tolerance: { kind: 'contraction', c: 8, terms },
      },
    ];
  }),
);
// More than 65,535 workgroups of 64 values.
const hugeResize: ConformanceCase[] = [
  {
    title: '[2, 32, 32, 1] to [1500, 1500]',
    kernel: resizeBilinear,
    params: { size: [1500, 1500], alignCorners: false },
    inputs: [floats(2, 32, 32, 1)],
    tolerance: { kind: 'close', absolute: 1e-6, relative: 1e-6 },
  },
  {
    title: '[2, 1500, 1500, 1] to [40, 30]',
    kernel: resizeBilinearGradient,
    params: { inputSize: [1500, 1500], alignCorners: false },
    inputs: [floats(2, 40, 30, 1)],
    tolerance: { kind: 'contraction', c: 8, terms: 4 },
  },
];

export const cases: ConformanceCase[] = [...gather, ...augment, ...affine, ...resize, ...hugeResize];
