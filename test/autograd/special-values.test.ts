/**
 * Gradients at masked logits, huge ones, impossible labels, NaN and infinities: what is computed by fused kernels, and what
 * by finer operations when the gradient is recorded, must agree and be right, on every device.
 */
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { DataError, DTypeError, ShapeError, UsageError } from '../../src/devices/errors.ts';
import * as w from '../../src/index.ts';
import type { UnaryOp } from '../../src/kernels/elementwise/index.ts';
import { unaryTable } from '../../src/kernels/elementwise/unary.table.ts';
import { openTestDevices } from '../support/devices.ts';
import { settle } from '../support/garbage.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

const matrix = (...rows: number[][]) => w.tensor(Float32Array.from(rows.flat()), [rows.length, rows[0].length]);
const labels = (...values: number[]) => w.tensor(Int32Array.from(values), [values.length]);
const values = async (x: w.Tensor): Promise<number[]> => Array.from(await x.data());

/** Equal as float32, up to rounding; NaN equals NaN. */
function expectNear(got: readonly number[], wanted: readonly number[], tolerance = 3e-7): void {
  expect(got.length).toBe(wanted.length);
  got.forEach((value, i) => {
    const aim = Math.fround(wanted[i]);
    if (Number.isFinite(aim)) expect(Math.abs(value - aim)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(aim)));
    else expect(Math.fround(value)).toBe(aim);
  });
}

/** The gradient by fused kernels and by recorded operations. */
async function bothGradients(f: () => w.Tensor, x: w.Tensor): Promise<[number[], number[]]> {
  return [await values(w.grad(f, [x])[0]), await values(w.grad(f, [x], { createGraph: true })[0])];
}

interface LossCase {
  readonly logits: number[];
  /** A label, or a distribution. */
  readonly target: number | number[];
  readonly smoothing?: number;
  readonly loss: number;
  readonly gradient: number[];
}

const e = Math.E;
const p = 1 / (1 + e); // of the logit 0 beside 1
const softmaxOf = (x: number[]): number[] => {
  const exponentials = x.map(value => Math.exp(value - Math.max(...x)));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map(value => value / sum);
};

/** By the formulas loss = -sum t log p and gradient = p sum t - t, with 0 log 0 = 0. */
const LOSSES: Record<string, LossCase> = {
  'a masked class': { logits: [-inf, 0, 1], target: 1, loss: Math.log(1 + e), gradient: [0, p - 1, 1 - p] },
  'a masked label': { logits: [-inf, 0, 1], target: 0, loss: inf, gradient: [-1, p, 1 - p] },
  'all classes but the label masked': { logits: [-inf, 5, -inf], target: 1, loss: 0, gradient: [0, 0, 0] },
  'every class masked': { logits: [-inf, -inf], target: 1, loss: nan, gradient: [nan, nan] },
  'an infinite logit': { logits: [inf, 0], target: 0, loss: nan, gradient: [nan, nan] },
  'a NaN logit': { logits: [nan, 0, 1], target: 1, loss: nan, gradient: [nan, nan, nan] },
  'logits of 3e38': { logits: [3e38, -3e38, 0], target: 0, loss: 0, gradient: [0, 0, 0] },
  'a label at -3e38': { logits: [3e38, -3e38, 0], target: 1, loss: inf, gradient: [1, -1, 0] },
  'smoothing over a masked class': {
    logits: [-inf, 0, 1],
    target: 1,
    smoothing: 0.3,
    loss: inf,
    gradient: [-0.1, p - 0.8, 1 - p - 0.1],
  },
  'nothing but smoothing, a masked label': {
    logits: [-inf, 0, 1],
    target: 0,
    smoothing: 1,
    loss: inf,
    gradient: [-1 / 3, p - 1 / 3, 2 / 3 - p],
  },
  'smoothing over logits of 1e38': {
    logits: [1e38, -1e38, 0],
    target: 0,
    smoothing: 0.3,
    loss: 0.1 * 3e38,
    gradient: [0.2, -0.1, -0.1],
  },
  'smoothing over logits of 3e38': {
    logits: [3e38, -3e38],
    target: 0,
    smoothing: 0.01,
    loss: 0.005 * 6e38,
    gradient: [0.005, -0.005],
  },
  'no target on a masked class': {
    logits: [-inf, 0, 1],
    target: [0, 1, 0],
    loss: Math.log(1 + e),
    gradient: [0, p - 1, 1 - p],
  },
  'some target on a masked class': {
    logits: [-inf, 0, 1],
    target: [0.25, 0.75, 0],
    loss: inf,
    gradient: [-0.25, p - 0.75, 1 - p],
  },
  'little target on a logit of -3e38': {
    logits: [3e38, -3e38],
    target: [0.999, 0.001],
    loss: Math.fround(0.001) * 6e38,
    gradient: [0.001, -0.001],
  },
  'no target at all, a NaN logit': { logits: [nan, 0], target: [0, 0], loss: nan, gradient: [nan, nan] },
  'ordinary logits, targets that add up to 2': {
    logits: [1, 2, 3],
    target: [0.5, 0, 1.5],
    loss: -softmaxOf([1, 2, 3]).reduce((sum, q, j) => sum + [0.5, 0, 1.5][j] * Math.log(q), 0),
    gradient: softmaxOf([1, 2, 3]).map((q, j) => 2 * q - [0.5, 0, 1.5][j]),
  },
};

/** At finite points and where derivatives are 0 or infinite or NaN. */
const POINTS = [nan, inf, -inf, 0, -0, 3e38, -3e38, 100, -100, 2.5, -2.5];

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`special values on ${name}`, () => {
    beforeEach(() => w.setDevice(device!));
    afterAll(() => device?.destroy());

    test.each(Object.entries(LOSSES))(
      'crossEntropy with %s',
      async (_, { logits, target, smoothing, loss, gradient }) => {
        // A row of no interest before and after: it must not be touched.
        const filler = logits.map((_, j) => j);
        const x = matrix(filler, logits, filler);
        const y =
          typeof target === 'number'
            ? labels(0, target, 0)
            : matrix(...[filler, target, filler].map((row, i) => (i === 1 ? row : row.map((_, j) => Number(j === 0)))));
        const losses = () => w.crossEntropy(x, y, { smoothing, reduction: 'none' });
        const ordinary = Math.log(filler.reduce((sum, z) => sum + Math.exp(z), 0));
        const each = await values(losses());
        expectNear([each[1]], [loss], 1e-6);
        if (!smoothing) expectNear([each[0], each[2]], [ordinary, ordinary]);
        const [plain, recorded] = await bothGradients(() => w.sum(losses()), x);
        const classes = logits.length;
        expectNear(plain.slice(classes, 2 * classes), gradient);
        expectNear(recorded.slice(classes, 2 * classes), gradient);
        expectNear(recorded.slice(0, classes), plain.slice(0, classes));
        expectNear(recorded.slice(2 * classes), plain.slice(2 * classes));
      },
    );

    test('second derivatives of crossEntropy beside a masked class', async () => {
      // d/dx sum g^2 with g = softmax - target: 2 H g with H = diag(p) - p p^T, of the two classes that count.
      const x = matrix([-inf, 0, 1]);
      for (const target of [labels(1), matrix([0, 1, 0])]) {
        const squares = () => {
          const [g] = w.grad(() => w.crossEntropy(x, target), [x], { createGraph: true });
          return w.sum(w.square(g));
        };
        const slope = 4 * p * (1 - p) * (p - 1);
        expectNear(await values(w.grad(squares, [x])[0]), [0, slope, -slope], 2e-6);
      }
    });

    test('derivatives by targets are -log p, 0 where both target and probability are 0', async () => {
      const x = matrix([-inf, 0, 1]);
      const y = matrix([0, 1, 0]);
      const [plain, recorded] = await bothGradients(() => w.crossEntropy(x, y), y);
      expectNear(plain, [0, Math.log(1 + e), Math.log(1 + e) - 1]);
      expectNear(recorded, plain);
    });

    test.each([0, 0.1, 1])('impossible labels: NaN in their rows, smoothing %d', async smoothing => {
      const x = matrix([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]);
      const y = labels(3, 1, -1, 2 ** 31 - 1);
      const [plain, recorded] = await bothGradients(() => w.crossEntropy(x, y, { smoothing, reduction: 'sum' }), x);
      for (const gradient of [plain, recorded]) {
        gradient.forEach((value, i) => {
          expect(Number.isNaN(value), `element ${i}`).toBe(Math.floor(i / 3) !== 1);
        });
      }
      expectNear(recorded.slice(3, 6), plain.slice(3, 6));
    });

    test.each([0, 0.1])(
      'impossible labels with weights of classes: NaN in their rows, smoothing %d',
      async smoothing => {
        const x = matrix([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]);
        const options = { smoothing, weight: w.tensor(Float32Array.of(1, 2, 0.5)), reduction: 'sum' } as const;
        const [plain, recorded] = await bothGradients(
          () => w.crossEntropy(x, labels(3, 1, -1, 2 ** 31 - 1), options),
          x,
        );
        for (const gradient of [plain, recorded]) {
          gradient.forEach((value, i) => {
            expect(Number.isNaN(value), `element ${i}`).toBe(Math.floor(i / 3) !== 1);
          });
        }
        const loss = w.crossEntropy(x, labels(0, 3, 1, 1), options);
        await expect(loss.item()).rejects.toThrow('label 3 (row 1)');
      },
    );

    test('a loss of impossible labels names one when it is read', async () => {
      const x = matrix([1, 2, 3], [1, 2, 3]);
      const loss = (y: w.Tensor, reduction?: 'mean' | 'sum' | 'none') => w.crossEntropy(x, y, { reduction }).data();
      for (const reduction of [undefined, 'sum', 'none'] as const) {
        const failure = loss(labels(2, 3), reduction);
        await expect(failure).rejects.toThrow(DataError);
        await expect(failure).rejects.toThrow('label 3 (row 1) must be a whole number of at least 0 and at most 2');
      }
      await expect(loss(labels(-100, 0))).rejects.toThrow('label -100 (row 0)');
      await expect(loss(w.tensor(Uint8Array.of(0, 200)))).rejects.toThrow('label 200 (row 1)');
      // NaN of another origin is a value.
      const broken = w.crossEntropy(matrix([nan, 1, 2], [1, 2, 3]), labels(0, 1));
      expect(await broken.item()).toBeNaN();
    });

    test('labels outlive their tensor, and go with the loss', async () => {
      const x = matrix([1, 2, 3]);
      await settle();
      const before = device!.memory().liveBytes;
      const loss = w.tidy(() => w.crossEntropy(x, labels(7)));
      await expect(loss.item()).rejects.toThrow('label 7 (row 0)');
      loss.dispose();
      expect(device!.memory().liveBytes).toBe(before);
    });

    test('bytes are labels too', async () => {
      const x = matrix([1, 2, 3], [3, 2, 1]);
      const [bytes, integers] = [w.tensor(Uint8Array.of(1, 2)), labels(1, 2)];
      expect(await values(w.crossEntropy(x, bytes))).toEqual(await values(w.crossEntropy(x, integers)));
    });

    test('what cannot mean anything is refused alike for labels and distributions', () => {
      const x = matrix([1, 2, 3]);
      for (const y of [labels(0), matrix([1, 0, 0])]) {
        for (const smoothing of [1.5, -0.1, nan, '0.1' as unknown as number]) {
          expect(() => w.crossEntropy(x, y, { smoothing })).toThrow(UsageError);
        }
        expect(() => w.crossEntropy(x, y, { smoothing: 1.5 })).toThrow('at least 0 and at most 1, not 1.5');
        expect(() => w.crossEntropy(x, y, { reduction: 'avg' as 'mean' })).toThrow('one of mean, sum, none, not "avg"');
      }
      expect(() => w.crossEntropy(x, w.tensor(Uint32Array.of(0)))).toThrow(DTypeError);
      expect(() => w.crossEntropy(x, w.tensor(Uint32Array.of(0)))).toThrow('(float32), not uint32');
      expect(() => w.crossEntropy(x, labels(0, 1))).toThrow(ShapeError);
      expect(() => w.crossEntropy(x, matrix([1, 0]))).toThrow(ShapeError);
    });

    test.each(Object.keys(unaryTable) as UnaryOp[])('%s: fused and recorded derivatives agree', async op => {
      const x = w.tensor(Float32Array.from(POINTS));
      const [plain, recorded] = await bothGradients(() => w.sum(w.unary(op, x)), x);
      // Where digits cancel the two differ by rounding: gelu, silu and tanh far out.
      expectNear(recorded, plain, 1e-5);
    });

    test('maximum and minimum: the derivative is whole where an operand is NaN, and half at ties', async () => {
      for (const f of [w.maximum, w.minimum]) {
        const a = w.tensor([nan, 1, 2, 5]);
        const b = w.tensor([1, nan, 2, 4]);
        const [da, db] = w.grad(() => w.sum(f(a, b)), [a, b]);
        const wins = f === w.maximum ? 1 : 0;
        expect(await values(da)).toEqual([1, 1, 0.5, wins]);
        expect(await values(db)).toEqual([1, 1, 0.5, 1 - wins]);
      }
    });
  });
}
