/** The temperature of a study is fitted on images held out; where there is none, or none is the best, that is said. */
import { expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { heldOutTemperature } from '../../src/study/held-out-temperature.ts';

const COUNT = 40;
const device = new ReferenceDevice();
const labels = Uint8Array.from({ length: COUNT }, (_, i) => i % 2);
const train = { count: COUNT, height: 1, width: 1, channels: 1, images: new Uint8Array(COUNT), labels };
const memberOf = (validation: number) => ({
  name: 'mine.safetensors',
  info: {
    model: { name: 'cnn' },
    device: 'reference',
    adapter: 'none',
    seed: 0,
    options: { validation, trainImages: COUNT, sampleData: false },
  },
});

/** Fits with logits [1, 0] or [0, 1]; the share of right images is what `isRight` makes it. */
async function fit(validation: number, isRight: (k: number) => boolean, isRequired?: boolean) {
  const notes: string[] = [];
  const temperature = await heldOutTemperature({
    members: [memberOf(validation) as any],
    train,
    isSample: false,
    isRequired,
    session: { device, progress: { show() {}, note: text => void notes.push(text) } },
    predict: async (_, indices) =>
      Float64Array.from([...indices].flatMap((index, k) => (isRight(k) === (labels[index] === 0) ? [1, 0] : [0, 1]))),
  });
  return { temperature, notes };
}

test('the best temperature, without a word', async () => {
  const { temperature, notes } = await fit(10, k => k !== 0);
  // Nine of ten right: e^(1/T) = 9.
  expect(temperature).toBeCloseTo(1 / Math.log(9), 8);
  expect(notes).toEqual([]);
});

test.each([
  ['every image right', (): boolean => true, 'Every label has the greatest logit of its image: the colder the better.'],
  ['every image wrong', (): boolean => false, 'The logits say less of the labels than chance: the hotter the better.'],
] as const)('%s: the limit, with the reason', async (_, isRight, reason) => {
  const { temperature, notes } = await fit(10, isRight);
  expect(notes).toEqual([`mine.safetensors: no temperature is the best, ${temperature} is the limit. ${reason}`]);
});

test('no image held out: null with a note, or an error where a temperature is required', async () => {
  const { temperature, notes } = await fit(0, () => true);
  expect(temperature).toBeNull();
  expect(notes).toEqual([
    'No temperature is fitted: mine.safetensors was trained on all training images; none is left that it has not seen.',
  ]);
  await expect(fit(0, () => true, true)).rejects.toThrow('mine.safetensors was trained on all training images');
});
