/** Models that follow from the images: every size, number of channels and classes gives logits; too small ones, a sentence. */
import { expect, test } from 'vitest';
import { buildModel, type ImageTask, MODEL_NAMES, type ModelSpec, modelForImages } from '../../src/nn/index.ts';

const task = (imageShape: readonly [number, number, number], classes: number): ImageTask => ({
  imageShape,
  classes,
  mean: new Array(imageShape[2]).fill(0.5),
  std: new Array(imageShape[2]).fill(0.25),
});
const spec = (name: string, options = {}): ModelSpec => ({ name, options }) as ModelSpec;

const SIZES: readonly (readonly [height: number, width: number, channels: number, classes: number])[] = [
  [28, 28, 1, 47],
  [32, 32, 3, 10],
  [64, 64, 1, 2],
  [12, 17, 3, 3],
];

test.each(['cnn', 'mini-resnet', 'resnet20', 'lenet5'].flatMap(name => SIZES.map(sizes => ({ name, sizes }))))(
  '$name for $sizes',
  ({ name, sizes: [height, width, channels, classes] }) => {
    const built = buildModel(modelForImages(spec(name), task([height, width, channels], classes)));
    expect(built.summary([height, width, channels]).layers.at(-1)!.outputShape).toEqual([classes]);
  },
);

test("a channel of one value is not divided by zero, and the model's own options stay", () => {
  const found = modelForImages(spec('cnn', { widths: [4] }), { ...task([8, 8, 2], 3), std: [0, 0.5] });
  expect(found.options).toMatchObject({ widths: [4], std: [1, 0.5], imageShape: [8, 8, 2], classes: 3 });
});

test("Fashion-MNIST's size gives the models as they are by default", () => {
  for (const name of MODEL_NAMES) {
    const parameters = (model: ModelSpec) => buildModel(model).summary().parameters;
    expect(parameters(modelForImages(spec(name), task([28, 28, 1], 10)))).toBe(parameters(spec(name)));
  }
});

test.each([
  ['cnn', {}, 'cnn: 2 blocks halve images of [3, 3] pixels to nothing.'],
  [
    'mini-resnet',
    {},
    'mini-resnet: strides of 4 in all (stem small, 3 stages) leave nothing of images of [3, 3] pixels.',
  ],
  ['mini-resnet', { stem: 'imagenet', widths: [4], blocks: [1] }, /strides of 4 in all \(stem imagenet, 1 stages\)/],
  ['resnet20', {}, 'resnet20: strides of 4 in all (stem small, 3 stages) leave nothing of images of [3, 3] pixels.'],
  ['lenet5', {}, 'lenet5: two poolings with a 5 x 5 filter between them leave nothing of images of [3, 3] pixels.'],
  ['mcnn15', {}, /mcnn15: three poolings must leave 3 x 3 pixels; images of \[3, 3\] pixels do not fit/],
] as const)('%s says that images are too small', (name, options, message) => {
  expect(() => buildModel(modelForImages(spec(name, options), task([3, 3, 1], 2)))).toThrow(message);
});
