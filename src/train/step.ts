/**
 * One training step, enqueued without waiting: forward, loss, backward, tests for non-finite values, optimizer. What the
 * host wants to know about it (loss, hits, health) is read back later, so the device never idles for a number on a
 * progress line.
 */
import { backward } from '../autograd/backward.ts';
import { sum } from '../autograd/ops/broadcast.ts';
import { add, equal, mul, sub } from '../autograd/ops/elementwise.ts';
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
  readonly ema?: ExponentialMovingAverage;
  /** Called between the backward pass and the optimizer, when the gradients of the step lie in the model's arena. */
  readonly onGradients?: (step: number) => void;
}

export class TrainingStep {
  readonly #model: Module;
  readonly #optimizer: Optimizer;
  readonly #options: StepOptions;
  /** Two, because a step may be enqueued before the one before it has been read. */
  readonly #checks: readonly [HealthCheck, HealthCheck];
  #count = 0;

  constructor(model: Module, optimizer: Optimizer, options: StepOptions) {
    this.#model = model;
    this.#optimizer = optimizer;
    this.#options = options;
    this.#checks = [new HealthCheck(model), new HealthCheck(model)];
  }

  /**
   * Enqueues a step.
   * @param step its number, for messages
   * @returns resolves when the device has done it; rejects with NonFiniteError naming step and layer
   */
  run({ images, labels, mixed }: TrainingBatch, step: number): Promise<StepResult> {
    const check = this.#checks[this.#count++ % 2];
    const { loss, hits } = tidy(() => {
      const logits = this.#model.call(images);
      const targets = mixed ? softTargets(labels, mixed, logits.shape[1]) : labels;
      const value = crossEntropy(logits, targets, { smoothing: this.#options.smoothing });
      backward(value);
      return { loss: value, hits: noGrad(() => sum(equal(argMax(logits), labels))) };
    });
    this.#options.onGradients?.(step);
    check.enqueue();
    const reads = Promise.all([loss.item(), hits.item(), check.read()]);
    dispose(loss, hits);
    this.#optimizer.step();
    this.#options.ema?.update();
    return reads.then(([lossValue, hitCount, bad]) => {
      if (bad !== undefined || !Number.isFinite(lossValue)) {
        const culprit = bad ?? `loss (${lossValue})`;
        throw new NonFiniteError(
          `Step ${step}: the ${culprit} is not finite; lower the learning rate, or check the data and initial weights.`,
        );
      }
      return { loss: lossValue, hits: hitCount };
    });
  }

  dispose(): void {
    for (const check of this.#checks) check.dispose();
  }
}

/** Probabilities [N, classes] of images that are part one class and part another. */
function softTargets(labels: Tensor, mixed: NonNullable<TrainingBatch['mixed']>, classes: number): Tensor {
  return noGrad(() =>
    add(mul(oneHot(labels, classes), mixed.share), mul(oneHot(mixed.labels, classes), sub(1, mixed.share))),
  );
}
