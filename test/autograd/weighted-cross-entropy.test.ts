/**
 * Cross-entropy with a weight for each class: the numbers are those of PyTorch 1.13.1 in float64,
 *
 *     F.cross_entropy(x, targets, weight=w, label_smoothing=smoothing, reduction=reduction)
 *
 * with the gradient of its sum by x.
 */
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { DTypeError, ShapeError } from '../../src/devices/errors.ts';
import * as w from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';

const LOGITS = [0.5, -1.25, 2.0, 1.5, 0.25, -0.75, -2.0, 0.0, 3.0, 0.125, 0.5, -0.5];
const LABELS = [2, 0, 1, 1];
const PROBABILITIES = [0, 0, 1, 0.5, 0.5, 0, 0.25, 0.25, 0.5, 0, 1, 0];
const WEIGHT = [0.25, 2.0, 1.5];

interface Expected {
  readonly mean: number;
  readonly sum: number;
  readonly none: readonly number[];
  /** Of the mean. */
  readonly gradient: readonly number[];
}

const OF_LABELS: Readonly<Record<number, Expected>> = {
  0: {
    mean: 1.388223911523,
    sum: 7.982287491258,
    none: [0.348932974653, 0.082668152352, 6.109970470754, 1.440715893499],
    gradient: [
      ...[0.046127004, 0.0080156714, -0.0541426754, -0.0122417243, 0.0089494176, 0.0032923067],
      ...[0.0022182473, -0.3314353334, 0.3292170861, 0.1163199586, -0.1785815458, 0.0622615872],
    ],
  },
  0.1: {
    mean: 1.403683500979,
    sum: 8.071180130628,
    none: [0.572284091742, 0.311568746626, 5.747513244768, 1.439814047493],
    gradient: [
      ...[0.0439089453, -0.003712126, -0.0401968192, 0.0031514411, 0.0009349817, -0.0040864227],
      ...[0.0006857876, -0.3088615808, 0.3081757932, 0.1105086848, -0.1617398103, 0.0512311255],
    ],
  },
};

const OF_PROBABILITIES: Readonly<Record<number, Expected>> = {
  0: {
    mean: 1.324080918792,
    sum: 5.296323675168,
    none: [0.348932974653, 1.622006685583, 1.884668121433, 1.440715893499],
    gradient: [
      ...[0.0663075683, 0.0115225276, -0.0778300959, 0.1708113459, -0.1921084551, 0.0212971092],
      ...[-0.0135323956, -0.109537629, 0.1230700246, 0.1672099405, -0.2567109721, 0.0895010316],
    ],
  },
  0.1: {
    mean: 1.413453174037,
    sum: 5.653812696147,
    none: [0.572284091742, 1.696973426534, 1.944741130378, 1.439814047493],
    gradient: [
      ...[0.0631191088, -0.0053361812, -0.0577829276, 0.1740981387, -0.1831318824, 0.0090337437],
      ...[-0.0140631938, -0.113777926, 0.1278411197, 0.1588562344, -0.2325009773, 0.0736447429],
    ],
  },
};

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`weighted cross-entropy on ${name}`, () => {
    beforeEach(() => w.setDevice(device!));
    afterAll(() => device?.destroy());

    const near = async (found: w.Tensor, expected: readonly number[]): Promise<void> => {
      const values = Array.from(await found.data());
      expect(values).toHaveLength(expected.length);
      for (const [i, value] of expected.entries()) expect(values[i], `element ${i}`).toBeCloseTo(value, 5);
    };

    test.each([
      ['labels', 0, OF_LABELS[0]],
      ['labels, smoothed', 0.1, OF_LABELS[0.1]],
      ['probabilities', 0, OF_PROBABILITIES[0]],
      ['probabilities, smoothed', 0.1, OF_PROBABILITIES[0.1]],
    ])('%s', async (what, smoothing, expected) => {
      const x = w.tensor(Float32Array.from(LOGITS), [4, 3]);
      const targets = what.startsWith('labels')
        ? w.tensor(Int32Array.from(LABELS))
        : w.tensor(Float32Array.from(PROBABILITIES), [4, 3]);
      const weight = w.tensor(Float32Array.from(WEIGHT));
      const loss = (reduction?: 'mean' | 'sum' | 'none') =>
        w.crossEntropy(x, targets, { smoothing, weight, reduction });
      await near(loss(), [expected.mean]);
      await near(loss('sum'), [expected.sum]);
      await near(loss('none'), expected.none);
      await near(w.grad(() => loss(), [x])[0], expected.gradient);
      await near(w.grad(() => loss(), [x], { createGraph: true })[0], expected.gradient);
    });

    test('equal weights change nothing but rounding, whatever their size', async () => {
      const x = w.tensor(Float32Array.from(LOGITS), [4, 3]);
      const labels = w.tensor(Uint8Array.from(LABELS));
      const weight = w.tensor(Float32Array.of(7, 7, 7));
      await near(w.crossEntropy(x, labels, { smoothing: 0.1, weight }), [
        await w.crossEntropy(x, labels, { smoothing: 0.1 }).item(),
      ]);
    });

    test('weights of another number or kind are refused', () => {
      const x = w.tensor(Float32Array.from(LOGITS), [4, 3]);
      const labels = w.tensor(Int32Array.from(LABELS));
      const loss = (weight: w.Tensor) => () => w.crossEntropy(x, labels, { weight });
      expect(loss(w.tensor(Float32Array.of(1, 2)))).toThrow(ShapeError);
      expect(loss(w.tensor(Float32Array.of(1, 2)))).toThrow(
        'weight [2] must be [3], since the logits are of 3 classes',
      );
      expect(loss(w.tensor(Int32Array.of(1, 2, 3)))).toThrow(DTypeError);
    });
  });
}
