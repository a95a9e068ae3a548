/**
 * Non-finite means stop, and only non-finite does. Images without any contrast (variance 0 in every batch norm) must
 * train; an infinity in any one parameter or statistic must be reported by name, in training with the step, and in
 * evaluation too, where float32 batch norm would turn an infinite variance into zeros and a loss that looks fine.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { DeviceDataset } from '../../src/data/device-dataset.ts';
import type { Device } from '../../src/devices/device.ts';
import { NonFiniteError } from '../../src/devices/errors.ts';
import { full, tensor } from '../../src/index.ts';
import { cnn, type Module, miniResNet, SGD } from '../../src/nn/index.ts';
import { predictLogits } from '../../src/train/evaluate.ts';
import { TrainingStep } from '../../src/train/step.ts';
import { openTestDevices } from '../support/devices.ts';

const MODELS: Record<string, () => Module> = {
  cnn: () => cnn({ widths: [4, 8], depth: 1, hidden: 8 }),
  'mini-resnet': () => miniResNet({ widths: [4, 8, 8] }),
};
const BATCH = 8;
const INFECTIONS = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];

/** A model in training on `device`, with batches of random pixels. */
class Bench {
  readonly model: Module;
  readonly optimizer: SGD;
  readonly step: TrainingStep;
  readonly data: DeviceDataset;

  constructor(build: () => Module, device: Device) {
    this.model = build().initialize({ device, seed: 1 });
    this.optimizer = new SGD(this.model, { learningRate: 0.05, momentum: 0.9 });
    this.step = new TrainingStep(this.model, this.optimizer, { smoothing: 0 });
    const images = Uint8Array.from({ length: BATCH * 28 * 28 }, (_, i) => (i * 2654435761) >>> 24);
    const labels = Uint8Array.from({ length: BATCH }, (_, i) => i % 10);
    this.data = new DeviceDataset({ images, labels, count: BATCH, height: 28, width: 28, channels: 1 }, device);
  }

  train(number: number) {
    return this.step.run(this.data.batch([0, 1]), number);
  }

  /** Puts a value into the middle of a parameter or statistic. */
  async infect(name: string, value: number): Promise<void> {
    const owned = [...this.model.arena.parameters, ...this.model.arena.buffers].find(array => array.name === name)!;
    const values = Float32Array.from(await owned.value.data());
    values[values.length >> 1] = value;
    this.model.arena.write(name, values);
  }

  dispose(): void {
    this.step.dispose();
    this.optimizer.dispose();
    this.data.dispose();
    this.model.dispose();
  }
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  const outcome = await work.then(
    () => undefined,
    (error: Error) => error,
  );
  if (!outcome) expect.fail('nothing was reported');
  return outcome;
}

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`non-finite values on ${name}`, () => {
    afterAll(() => device?.destroy());

    for (const [modelName, build] of Object.entries(MODELS)) {
      for (const pixel of [0, 1]) {
        test(`${modelName}: images of all ${pixel === 0 ? 'zeros' : 'ones'} train for 10 steps`, async () => {
          const bench = new Bench(build, device!);
          const images = full([BATCH, 28, 28, 1], pixel, { device });
          const labels = tensor(
            Int32Array.from({ length: BATCH }, (_, i) => i % 4),
            [BATCH],
            { device },
          );
          const losses: number[] = [];
          for (let step = 0; step < 10; step++) losses.push((await bench.step.run({ images, labels }, step)).loss);
          for (const loss of losses) expect(loss).toBeGreaterThan(0);
          // Nothing tells these images apart, but the four classes in use become likelier than the other six.
          expect(losses.at(-1)).toBeLessThan(losses[0]);
          for (const storage of [bench.model.arena.values, bench.model.arena.state, bench.model.arena.gradients]) {
            expect((await device!.read(storage)).every(Number.isFinite)).toBe(true);
          }
          bench.dispose();
        });
      }
    }

    for (const [modelName, build] of Object.entries(MODELS)) {
      test(`${modelName}: a value that is not finite is named, wherever it sits`, async () => {
        const bench = new Bench(build, device!);
        const { parameterEntries, bufferEntries } = bench.model.arena;
        const places = [
          ...parameterEntries.map(entry => ({ name: entry.name, kind: 'parameter' })),
          ...bufferEntries.map(entry => ({ name: entry.name, kind: 'statistic' })),
        ];
        bench.dispose();
        for (const [i, { name: place, kind }] of places.entries()) {
          const sick = new Bench(build, device!);
          await sick.infect(place, INFECTIONS[i % INFECTIONS.length]);
          const error = await failureOf(sick.train(17 + i));
          expect(error, place).toBeInstanceOf(NonFiniteError);
          expect(error.message).toContain(`Step ${17 + i}: `);
          expect(error.message).toContain(`${kind} ${place} is not finite`);
          sick.dispose();
        }
      });
    }

    const places = [
      ['parameter', 'conv2_1.weight'],
      ['parameter', 'dense.bias'],
      ['statistic', 'norm1_1.runningVariance'],
      ['statistic', 'norm2_1.runningMean'],
    ] as const;
    for (const [kind, place] of places) {
      for (const value of INFECTIONS) {
        test(`evaluation names the ${kind} ${place} when it is ${value}`, async () => {
          const bench = new Bench(MODELS.cnn, device!);
          await bench.train(0);
          expect(await predictLogits(bench.model, bench.data)).toHaveLength(BATCH * 10);
          await bench.infect(place, value);
          const error = await failureOf(predictLogits(bench.model, bench.data));
          expect(error).toBeInstanceOf(NonFiniteError);
          expect(error.message).toContain(`${kind} ${place} is not finite`);
          bench.dispose();
        });
      }
    }

    test('a loss that looks finite does not hide an infinite variance', async () => {
      const bench = new Bench(MODELS.cnn, device!);
      await bench.train(0);
      await bench.infect('norm2_1.runningVariance', Number.POSITIVE_INFINITY);
      bench.model.eval();
      const logits = await bench.model.call(bench.data.batch([0, 1, 2]).images).data();
      // x / sqrt(inf) = 0: this is what makes the test of the bits necessary.
      expect(logits.every(Number.isFinite)).toBe(true);
      bench.model.train();
      const error = await failureOf(bench.train(5));
      expect(error.message).toMatch(/^Step 5: the statistic norm2_1\.runningVariance is not finite/);
      bench.dispose();
    });

    test('steps enqueued before the first one is read: the message names the step it happened in', async () => {
      const bench = new Bench(MODELS.cnn, device!);
      const first = bench.train(1);
      bench.model.arena.write('logits.bias', new Float32Array(10).fill(Number.NaN));
      // Waited for at once: it may fail before the first one has been read.
      const failure = failureOf(bench.train(2));
      expect((await first).loss).toBeGreaterThan(0);
      expect((await failure).message).toMatch(/^Step 2: the parameter logits\.bias is not finite/);
      bench.dispose();
    });

    // The reference device computes in float64, where these products still fit.
    test.skipIf(device?.kind === 'reference')('a gradient that overflows is named too', async () => {
      const bench = new Bench(MODELS.cnn, device!);
      bench.model.arena.write('dense.bias', new Float32Array(8).fill(10));
      bench.model.arena.write('logits.weight', new Float32Array(80).fill(3e38));
      const error = await failureOf(bench.train(3));
      expect(error).toBeInstanceOf(NonFiniteError);
      expect(error.message).toMatch(/^Step 3: the gradient of [\w.]+ is not finite/);
      bench.dispose();
    });
  });
}
