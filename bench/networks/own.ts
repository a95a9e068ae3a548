/** The two networks on our own device: training steps and inference as users run them, and a whole epoch. */
import { epochBatches, shuffledIndices } from '../../src/data/batches.ts';
import { DeviceDataset } from '../../src/data/device-dataset.ts';
import { loadFashionMnist } from '../../src/data/index.node.ts';
import type { Capture, Device } from '../../src/devices/device.ts';
import { type Module, type Optimizer, SGD } from '../../src/nn/index.ts';
import { dispose as disposeTensors } from '../../src/tensor/lifetime.ts';
import { LIGHT_AUGMENTATION } from '../../src/train/recipes.ts';
import { type StepOutputs, type StepResult, TrainingStep } from '../../src/train/step.ts';
import type { Contender } from '../contender.ts';
import { timed } from '../harness.ts';
import type { NetworkName, NetworkOperation } from '../operations.ts';
import type { Weights } from './architectures.ts';
import { inference } from './inference.ts';
import { freshModel, type Prepared, prepare, SEED } from './prepared.ts';

export const LEARNING_RATE = 0.01;

const nesterov = (model: Module): Optimizer =>
  new SGD(model, { learningRate: LEARNING_RATE, momentum: 0.9, nesterov: true });

/** The parameters and statistics of a freshly initialised model. */
export async function weightsOf(network: NetworkName, device: Device): Promise<Weights> {
  const model = freshModel(network, device);
  try {
    const weights = new Map<string, { shape: readonly number[]; values: Float32Array }>();
    for (const [name, { shape, value }] of [...model.namedParameters(), ...model.namedBuffers()]) {
      weights.set(name, { shape, values: Float32Array.from(await value.data()) });
    }
    return weights;
  } finally {
    model.dispose();
  }
}

export interface TrainingSetup extends Prepared {
  /** Enqueues one step. */
  step(): Promise<StepResult>;
}

/**
 * A model with its optimizer and one batch, ready to take training steps on it.
 * @param capture record a step and replay it, as `fit` does
 */
export function trainingSetup(network: NetworkName, batch: number, device: Device, capture = false): TrainingSetup {
  const prepared = prepare(network, batch, device);
  const { model, images, labels } = prepared;
  const optimizer = nesterov(model);
  const step = new TrainingStep(model, optimizer, { smoothing: 0 });
  let count = 0;
  let recording: Capture | undefined;
  let outputs: StepOutputs | undefined;
  return {
    ...prepared,
    step() {
      if (!capture) return step.run({ images, labels }, count++);
      optimizer.prepare();
      if (recording) recording.replay();
      else {
        recording = device.capture(() => {
          outputs = step.enqueue({ images, labels });
          step.update();
        });
      }
      return step.read(outputs!, count++);
    },
    dispose() {
      disposeTensors(outputs?.loss, outputs?.hits);
      recording?.dispose();
      step.dispose();
      optimizer.dispose();
      prepared.dispose();
    },
  };
}

/** A training step as `fit` takes it, or inference as a user first writes it. */
export function ownNetwork({ kind, network, batch }: NetworkOperation, device: Device): Contender {
  if (kind === 'train') {
    const setup = trainingSetup(network, batch, device, true);
    let last: Promise<StepResult> | undefined;
    return timed(
      {
        async once() {
          last = setup.step();
          await device.pace(2);
        },
        async finish() {
          await last;
          await device.sync();
        },
      },
      { dispose: () => setup.dispose() },
    );
  }
  return inference(prepare(network, batch, device));
}

export interface EpochResult {
  /** Finding, reading and decompressing the data, and sending it to the device. */
  readonly loadingSeconds: number;
  readonly stepMilliseconds: number;
  readonly stepsRun: number;
  readonly stepsPerEpoch: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
  readonly data: 'Fashion-MNIST' | 'sample data';
}

const EPOCH_IMAGES = 60_000;

/**
 * One epoch of the CNN on 60,000 images: load, then gather, augment and train batches of 128.
 * @param steps how many to run; the time of the rest is extrapolated. Absent: all.
 */
export async function measureEpoch(network: NetworkName, device: Device, steps?: number): Promise<EpochResult> {
  const batchSize = 128;
  const started = performance.now();
  const { train, isSample } = await loadFashionMnist({ offline: true, onProgress() {} });
  const data = new DeviceDataset(train, device);
  await device.sync();
  const loadingSeconds = (performance.now() - started) / 1e3;
  const model = freshModel(network, device);
  const optimizer = nesterov(model);
  const step = new TrainingStep(model, optimizer, { smoothing: 0.1 });
  const stepsPerEpoch = Math.floor(EPOCH_IMAGES / batchSize);
  try {
    const batches = epochBatches(shuffledIndices(train.count, SEED, 0), batchSize, true);
    const one = async (number: number): Promise<void> => {
      const indices = batches[number % batches.length];
      const batch = data.augmentedBatch(indices, LIGHT_AUGMENTATION, { seed: SEED, epoch: 0, step: number });
      const result = step.run(batch, number);
      batch.images.dispose();
      batch.labels.dispose();
      await device.pace(2);
      await result;
    };
    const stepsRun = Math.min(steps ?? stepsPerEpoch, stepsPerEpoch);
    for (let number = 0; number < 3; number++) await one(number);
    const clock = performance.now();
    for (let number = 0; number < stepsRun; number++) await one(number);
    const stepMilliseconds = (performance.now() - clock) / stepsRun;
    return {
      loadingSeconds,
      stepMilliseconds,
      stepsRun,
      stepsPerEpoch,
      seconds: loadingSeconds + (stepMilliseconds * stepsPerEpoch) / 1e3,
      imagesPerSecond: (1e3 * batchSize) / stepMilliseconds,
      data: isSample ? 'sample data' : 'Fashion-MNIST',
    };
  } finally {
    step.dispose();
    optimizer.dispose();
    model.dispose();
    data.dispose();
  }
}
