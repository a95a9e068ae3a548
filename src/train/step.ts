/**
 * One training step in two halves: what the device does (forward, loss, backward, tests for non-finite values, optimizer),
 * which `enqueue` and `update` put in its queue and a capture can record, and what the host wants to know about it (loss,
 * hits, health), which is read back later, so the device never idles for a number on a progress line.
 */
import { backward } from '../autograd/backward.ts';
import { sum } from '../autograd/ops/broadcast.ts';
import { equal } from '../autograd/ops/conditions.ts';
import { add, mul, sub } from '../autograd/ops/elementwise.ts';
import { oneHot } from '../autograd/ops/layout.ts';
import { argMax } from '../autograd/ops/reduce.ts';
import { crossEntropy } from '../autograd/ops/softmax.ts';
import { noGrad } from '../autograd/tape.ts';
import { NonFiniteError } from '../devices/errors.ts';
import type { ExponentialMovingAverage, Module, Optimizer } from '../nn/index.ts';
import { dispose, tidy } from '../tensor/lifetime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { TrainingBatch } from './augmentation.ts';
import { HealthCheck } from './health.ts';

export interface StepResult {
  readonly loss: number;
  /** How many images of the batch were classified right (mixtures: as the class that has the greater share). */
  readonly hits: number;
}

export interface StepOptions {
  readonly smoothing: number;
  /** What each class counts, float32 [C]; default the same. */
  readonly weight?: Tensor;
  readonly ema?: ExponentialMovingAverage;
  /** Called between the backward pass and the optimizer, when the gradients of the step lie in the model's arena. */
  readonly onGradients?: (step: number) => void;
}

/** What a step leaves on the device for the host to read. */
export interface StepOutputs {
  readonly loss: Tensor;
  readonly hits: Tensor;
}

export class TrainingStep {
  readonly model: Module;
  readonly optimizer: Optimizer;
  readonly options: StepOptions;
  readonly #health: HealthCheck;

  constructor(model: Module, optimizer: Optimizer, options: StepOptions) {
    this.model = model;
    this.optimizer = optimizer;
    this.options = options;
    this.#health = new HealthCheck(model);
  }

  /**
   * Enqueues a step.
   * @param step its number, for messages
   * @returns resolves when the device has done it; rejects with NonFiniteError naming step and layer
   */
  run(batch: TrainingBatch, step: number): Promise<StepResult> {
    const outputs = this.enqueue(batch);
    this.options.onGradients?.(step);
    const result = this.read(outputs, step);
    dispose(outputs.loss, outputs.hits);
    this.optimizer.prepare();
    this.update();
    return result;
  }

  /** Enqueues forward and backward pass and the tests for non-finite values. The caller disposes the outputs. */
  enqueue({ images, labels, mixed }: TrainingBatch): StepOutputs {
    const outputs = tidy(() => {
      const logits = this.model.call(images);
      const targets = mixed ? softTargets(labels, mixed, logits.shape[1]) : labels;
      const { smoothing, weight } = this.options;
      const loss = crossEntropy(logits, targets, { smoothing, weight });
      backward(loss);
      return { loss, hits: noGrad(() => sum(equal(argMax(logits), labels))) };
    });
    this.#health.enqueue();
    return outputs;
  }

  /** Enqueues the optimizer's kernels and the average's; the optimizer has been prepared. */
  update(): void {
    this.optimizer.update();
    // What another optimizer's parameters have collected, or nobody's, must not add up from step to step.
    this.model.arena.zeroGrad();
    this.options.ema?.update();
  }

  /** Reads what the step enqueued last has left, as it is at this place in the queue. */
  async read({ loss, hits }: StepOutputs, step: number): Promise<StepResult> {
    const [lossValue, hitCount, bad] = await Promise.all([loss.item(), hits.item(), this.#health.read()]);
    if (bad !== undefined || !Number.isFinite(lossValue)) {
      const culprit = bad ?? `loss (${lossValue})`;
      throw new NonFiniteError(
        `Step ${step}: the ${culprit} is not finite; lower the learning rate, or check the data and initial weights.`,
      );
    }
    return { loss: lossValue, hits: hitCount };
  }

  dispose(): void {
    this.#health.dispose();
  }
}

/** Probabilities [N, classes] of images that are part one class and part another. */
function softTargets(labels: Tensor, mixed: NonNullable<TrainingBatch['mixed']>, classes: number): Tensor {
  return noGrad(() =>
    add(mul(oneHot(labels, classes), mixed.share), mul(oneHot(mixed.labels, classes), sub(1, mixed.share))),
  );
}
