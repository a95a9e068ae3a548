/**
 * Classes of very different size: weights of classes in the loss, and epochs that see every class equally often. Two classes
 * 10:1 that overlap: whoever only counts hits neglects the small one, and both ways find it again.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset } from '../../src/data/device-dataset.ts';
import type { ImageSet } from '../../src/data/fashion-mnist.ts';
import { balancedIndices, classCounts } from '../../src/data/index.ts';
import { UsageError } from '../../src/devices/errors.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import { liveTensorCount } from '../../src/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import {
  balancedClassWeights,
  buildTrainee,
  evaluateLogits,
  type FitOptions,
  fit,
  fitOptions,
  predictLogits,
  RECIPES,
  type Recipe,
} from '../../src/train/index.ts';
import { settle } from '../support/garbage.ts';

const device = await openWasmDevice();
afterAll(() => device.destroy());

const SIDE = 12;
const SPEC = {
  name: 'cnn',
  options: { widths: [2, 4], depth: 1, hidden: 8, classes: 2, imageShape: [SIDE, SIDE, 1], mean: [0.5], std: [0.2] },
} as const;
const RECIPE: Recipe = { ...RECIPES.cnn, epochs: 12, batchSize: 22, augmentation: null, learningRate: 0.02 };

/** Images of one grey each, a little noise on it: those of class 1 are brighter by 1.5 standard deviations. */
function greys(counts: readonly [number, number], seed: number): DeviceDataset {
  const random = new PhiloxStream(seed);
  const count = counts[0] + counts[1];
  const labels = Uint8Array.from({ length: count }, (_, i) => Number(i >= counts[0]));
  const images = new Uint8Array(count * SIDE * SIDE);
  labels.forEach((label, i) => {
    const grey = 110 + 20 * (random.normal() + 1.5 * label);
    for (let p = 0; p < SIDE * SIDE; p++) images[i * SIDE * SIDE + p] = Math.round(grey + 4 * random.uniform());
  });
  const set: ImageSet = { images, labels, count, height: SIDE, width: SIDE, channels: 1 };
  return new DeviceDataset(set, device);
}

const train = greys([1000, 100], 1);
const held = greys([400, 400], 2);

async function recalls(change: Partial<Recipe>): Promise<{ rare: number; common: number; macroF1: number }> {
  const recipe = { ...RECIPE, ...change };
  const { model, optimizer, dispose } = buildTrainee(SPEC, recipe, device, 0);
  try {
    await fit(model, train, optimizer, { ...fitOptions(recipe), seed: 0 });
    const labels = await held.labels.data();
    const { perClass, macro } = evaluateLogits(await predictLogits(model, held), labels, ['common', 'rare']);
    return { rare: perClass[1].recall, common: perClass[0].recall, macroF1: macro.f1 };
  } finally {
    dispose();
  }
}

describe('two classes 10:1', () => {
  test('weights and balanced sampling raise the recall of the rare class, and macro F1', async () => {
    // An image is told apart by one number: with 10:1 the best that counts hits finds 22 % of the rare ones, with 1:1 77 %.
    const plain = await recalls({});
    const weighted = await recalls({ classWeights: 'balanced' });
    const listed = await recalls({ classWeights: [0.55, 5.5] });
    const sampled = await recalls({ sampling: 'balanced' });
    const shares = { plain, weighted, sampled };
    console.log(`Recall of the rare class: ${JSON.stringify(shares, ['plain', 'weighted', 'sampled', 'rare'])}`);
    expect(plain.rare).toBeLessThan(0.3);
    expect(plain.common).toBeGreaterThan(0.95);
    for (const balanced of [weighted, listed, sampled]) {
      expect(balanced.rare).toBeGreaterThan(plain.rare + 0.3);
      expect(balanced.common).toBeGreaterThan(0.4);
      expect(balanced.macroF1).toBeGreaterThan(plain.macroF1 + 0.1);
    }
    expect(listed).toEqual(weighted);
  });

  test.each([
    ['weights', { classWeights: 'balanced' }],
    ['sampling', { sampling: 'balanced' }],
    ['weights of mixtures', { classWeights: [1, 3], mixup: 0.4 }],
  ] as [string, Partial<Recipe>][])(
    '%s: a run that is cut off goes on with the same bits, recorded or not',
    async (_, change) => {
      const recipe = { ...RECIPE, epochs: 2, ...change };
      const options: FitOptions = { ...fitOptions(recipe), seed: 5 };
      const losses = async (more: Partial<FitOptions> = {}) => {
        const { model, optimizer, dispose } = buildTrainee(SPEC, recipe, device, 5);
        try {
          return (await fit(model, train, optimizer, { ...options, ...more })).history.losses;
        } finally {
          dispose();
        }
      };
      const whole = await losses();
      expect(whole).toHaveLength(100);
      expect(await losses({ capture: false })).toEqual(whole);
      const { model, optimizer, dispose } = buildTrainee(SPEC, recipe, device, 5);
      const stop = new AbortController();
      let resume: FitOptions['resume'];
      const cut = await fit(model, train, optimizer, {
        ...options,
        signal: stop.signal,
        onProgress: ({ epoch, batch }) => {
          if (epoch === 1 && batch === 10) stop.abort();
        },
        onCheckpoint: async ({ position, history }) => {
          resume = { position, history };
        },
      });
      expect(cut.interrupted).toBe(true);
      expect(resume!.position.epoch).toBe(1);
      const { history } = await fit(model, train, optimizer, { ...options, resume });
      expect(history.losses).toEqual(whole);
      dispose();
    },
  );

  test('nothing is left on the device', async () => {
    await settle();
    const before = liveTensorCount();
    await recalls({ epochs: 1, classWeights: 'balanced' });
    expect(liveTensorCount()).toBe(before);
  });
});

describe('balanced sampling', () => {
  test('gives each class the same share, and each image as often as any of its class', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 0, max: 9 }),
        (labels, epoch) => {
          const order = balancedIndices(labels, 3, epoch);
          expect(order).toHaveLength(labels.length);
          const seen = new Array<number>(labels.length).fill(0);
          for (const index of order) seen[index]++;
          const shares: number[] = [];
          for (const label of new Set(labels)) {
            const times = seen.filter((_, i) => labels[i] === label);
            expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(1);
            shares.push(times.reduce((sum, one) => sum + one, 0));
          }
          expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  test('follows from seed and epoch, and shows other images of a large class in other epochs', () => {
    const labels = Uint8Array.from({ length: 110 }, (_, i) => Number(i >= 100));
    expect(balancedIndices(labels, 1, 2)).toEqual(balancedIndices(labels, 1, 2));
    expect(balancedIndices(labels, 1, 3)).not.toEqual(balancedIndices(labels, 1, 2));
    expect(balancedIndices(labels, 2, 2)).not.toEqual(balancedIndices(labels, 1, 2));
    const met = new Set([0, 1, 2, 3, 4, 5].flatMap(epoch => [...balancedIndices(labels, 1, epoch)]));
    // Six epochs of 55 of 100: 99.2 % are expected.
    expect(met.size).toBeGreaterThan(105);
    // Classes are mixed within the epoch.
    const first = Uint8Array.from(balancedIndices(labels, 1, 0).subarray(0, 55), index => labels[index]);
    expect(classCounts(first, 2)[1]).toBeGreaterThan(15);
  });
});

test('balanced weights are those of scikit-learn; a class without images has 1', () => {
  // sklearn.utils.class_weight.compute_class_weight('balanced', classes=[0, 1, 3], y=[0]*6 + [1]*3 + [3])
  const weights = balancedClassWeights(Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 1, 1, 3), 4);
  [10 / 18, 10 / 9, 1, 10 / 3].forEach((weight, label) => {
    expect(weights[label]).toBeCloseTo(weight, 12);
  });
});

test('what cannot mean anything is refused before anything is touched', async () => {
  const { model, optimizer, dispose } = buildTrainee(SPEC, RECIPE, device, 0);
  const refusal = async (options: object): Promise<string> => {
    const failure = await fit(model, train, optimizer, { ...fitOptions(RECIPE), seed: 0, ...options }).catch(e => e);
    expect(failure).toBeInstanceOf(UsageError);
    return failure.message;
  };
  expect(await refusal({ classWeights: [1, 2, 3] })).toBe(
    'fit: classWeights must be "balanced" or one number for each of the 2 classes, not [1, 2, 3].',
  );
  expect(await refusal({ classWeights: [1, 0] })).toBe('fit: classWeights[1] must be a finite number above 0, not 0.');
  expect(await refusal({ classWeights: 'even' })).toContain('must be "balanced" or a list of numbers, not "even"');
  expect(await refusal({ sampling: 'even' })).toBe('fit: sampling must be one of shuffled, balanced, not "even".');
  expect(await refusal({ augmentation: { crop: 12, flip: 'none', erase: null } })).toBe(
    'fit: images of 12 x 12 pixels cannot be shifted by up to 12 (augmentation.crop); at most 11 fit.',
  );
  expect(await refusal({ mixup: 1, batchSize: 1 })).toContain('mix the images of a batch, and batchSize is 1');
  dispose();
});
