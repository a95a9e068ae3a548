/**
 * Inference as a product: a model made ready for one purpose, its logits, for images of one size. Batch norms are folded,
 * dropouts fall away, nothing is noted on a tape, values lie in one arena that is reused as they are used up, and the whole
 * pass is recorded once and replayed. README.md says what each of these is worth, and what is left as it is.
 */
import { scopedConvolution } from '../../autograd/convolution.ts';
import { aliasAsOfNow } from '../../autograd/tape.ts';
import { everyOf, positiveInteger, refuse } from '../../devices/checks.ts';
import type { Capture } from '../../devices/device.ts';
import { bytesPerElement } from '../../devices/dtype.ts';
import { ShapeError, UsageError } from '../../devices/errors.ts';
import { formatShape, type Shape } from '../../devices/shape.ts';
import { release } from '../../devices/storage.ts';
import { zeros } from '../../tensor/creation.ts';
import { keep, tidy } from '../../tensor/lifetime.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { Module } from '../module.ts';
import { FoldedNetwork } from './network.ts';
import type { PlanFacts } from './plan.ts';

/** What `compileForInference` did. Modules are named by their paths. */
export interface InferenceFacts extends PlanFacts {
  /** Bytes of the folded weights, in an arena of their own; the others are read where the model has them. */
  readonly weightBytes: number;
  /** Most bytes of values that live at once during a full batch, its input included; undefined where nothing is recorded. */
  readonly activationBytes: number | undefined;
  /** Bytes of what is made of the weights once, instead of in every run: packed and transformed filters, on wasm. */
  readonly preparedBytes: number;
  /** Kernel calls of a full batch; undefined where nothing is recorded. */
  readonly kernels: number | undefined;
  /** Why the pass is not recorded and replayed; undefined where it is. */
  readonly notRecorded: string | undefined;
}

/** The recorded pass of a full batch. */
interface Recorded {
  readonly input: Tensor;
  readonly output: Tensor;
  readonly capture: Capture;
}

/** See `compileForInference`. */
export class CompiledModel {
  /** [N, H, W, C]: N is the most images that `run` takes. */
  readonly shape: Shape;
  readonly #network: FoldedNetwork;
  readonly #notRecorded: string | undefined;
  /** The way of the convolutions that was in effect when the pass was recorded. */
  readonly #convolution = scopedConvolution();
  #recorded: Recorded | undefined;
  #isDisposed = false;

  /** Takes over `network`. */
  constructor(network: FoldedNetwork, shape: Shape) {
    this.shape = [...shape];
    this.#network = network;
    this.#notRecorded = whyNotRecorded(network);
    if (this.#notRecorded === undefined) this.#recorded = record(network, this.shape);
    else if (network.plan.opaque.length === 0) tryOneImage(network, this.shape);
  }

  get facts(): InferenceFacts {
    const { plan, weightBytes, peakBytes } = this.#network;
    return {
      ...plan.facts,
      weightBytes,
      activationBytes: this.#recorded ? peakBytes : undefined,
      preparedBytes: this.#recorded?.capture.preparedBytes ?? 0,
      kernels: this.#recorded?.capture.signature.split('\n').length,
      notRecorded: this.#notRecorded,
    };
  }

  /**
   * The model's output in evaluation mode, whatever mode it is in. It is valid until the next `run` or `dispose`, and reading
   * it later throws; `clone` keeps it. A batch with fewer images than N, and one within `withConvolution('direct', ...)`, runs
   * step by step, without the recording.
   * @param images [n, H, W, C], n from 1 to N, on the model's device
   * @throws UsageError when it was disposed or the model's weights have changed since; ShapeError for other images
   */
  run(images: Tensor): Tensor {
    this.#check(images);
    const recorded = this.#recorded;
    const isRecorded = images.shape[0] === this.shape[0] && scopedConvolution() === this.#convolution;
    if (!recorded || !isRecorded) return this.#network.call(images);
    const { input, output, capture } = recorded;
    this.#network.device.copy(images.storage, input.storage);
    capture.replay();
    return aliasAsOfNow(output, 'run');
  }

  #check(images: Tensor): void {
    const again = 'call compileForInference(model, shape) again';
    if (this.#isDisposed) throw new UsageError(`run: this compiled model has been disposed; ${again}.`);
    const { device } = this.#network;
    if (!(images instanceof Tensor)) refuse('run', 'images', images, 'a tensor of images');
    const [most, ...sizes] = this.shape;
    const [rows, ...given] = images.shape;
    const fits = images.rank === 4 && rows >= 1 && rows <= most && given.every((extent, i) => extent === sizes[i]);
    if (!fits) {
      throw new ShapeError(
        `run: images must have the shape ${formatShape(this.shape)}, or fewer rows, but at least one, not ${formatShape(images.shape)}.`,
      );
    }
    if (images.device !== device || images.dtype !== 'float32') {
      throw new UsageError(
        `run: images must be float32 on the model's device (${device.kind}), not ${images.dtype} on ${images.device.kind}${images.device.kind === device.kind ? ' (another one)' : ''}.`,
      );
    }
    if (device.isCapturing) {
      throw new UsageError(
        'run: a compiled model cannot run inside a capture, whose replays would not see that weights changed; run it outside.',
      );
    }
    if (!this.#network.isCurrent) {
      throw new UsageError(
        `run: the model's weights or statistics were written to, laid out anew or freed after it was compiled; ${again}.`,
      );
    }
  }

  /** Gives its memory back; doing it twice is harmless. The model stays as it is. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    if (this.#recorded) {
      this.#recorded.output.dispose();
      this.#recorded.capture.dispose();
      this.#recorded.input.dispose();
      this.#recorded = undefined;
    }
    this.#network.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Makes an initialised model ready for inference on images of one size. What `run` then gives is what the model gives in
 * evaluation mode, but for rounding (README.md has the bound); on the reference within 1e-12 of it. The model is not changed
 * and may be trained on: once its weights are written to, `run` refuses, and this is called again.
 *
 * Modules that are not of this library are called as they are; a model that has one is not recorded, because a replay would
 * not ask it again.
 * @param shape [N, H, W, C] of the largest batch
 * @throws UsageError for a model that is not initialised, a shape that cannot be, or inside a capture; what the model says
 *   of images that do not fit
 * @example
 * const compiled = await compileForInference(model, [128, 28, 28, 1]);
 * const logits = await compiled.run(images).data();
 */
export async function compileForInference(model: Module, shape: Shape): Promise<CompiledModel> {
  if (!(model instanceof Module)) refuse('compileForInference', 'model', model, 'a module');
  everyOf('compileForInference', 'shape', shape, positiveInteger);
  if (shape.length !== 4) refuse('compileForInference', 'shape', shape, '[N, H, W, C]');
  const network = await FoldedNetwork.of(model, 'compileForInference');
  try {
    return new CompiledModel(network, shape);
  } catch (error) {
    network.dispose();
    throw error;
  }
}

function whyNotRecorded({ device, plan: { opaque } }: FoldedNetwork): string | undefined {
  if (opaque.length > 0) {
    return `${opaque[0].path || 'the model'} runs as it is, and may do another thing each time`;
  }
  return device.kind === 'reference' ? 'the reference device has nothing to gain from it' : undefined;
}

/** Records the pass of a full batch. When it throws, nothing is left. */
function record(network: FoldedNetwork, shape: Shape): Recorded {
  const { device } = network;
  const input = keep(zeros(shape, { device }));
  try {
    const first = recordPass(network, input, 0);
    if (device.kind !== 'wasm') return first;
    // Now it is known how much lives at once: the second recording cuts all its values from one piece of memory.
    first.output.dispose();
    first.capture.dispose();
    return recordPass(network, input, network.peakBytes - input.storage.allocation.bytes);
  } catch (error) {
    input.dispose();
    throw error;
  }
}

/** @param bytes of one piece of memory that the recording begins with */
function recordPass(network: FoldedNetwork, input: Tensor, bytes: number): Recorded {
  const { device } = network;
  let output: Tensor | undefined;
  const record = () => {
    if (bytes > 0) release(device.allocate(Math.ceil(bytes / bytesPerElement('float32')), 'float32'));
    output = keep(network.call(input));
  };
  const capture = device.capture(record, { constant: network.constant });
  return { input, output: output!, capture };
}

/** Says at once what a model that is not recorded has against images of this size. */
function tryOneImage(network: FoldedNetwork, [, ...sizes]: Shape): void {
  tidy(() => void network.call(zeros([1, ...sizes], { device: network.device })));
}
