/**
 * The planted cue: a case in which the right answer is known. Every image gets a small patch whose pattern alone decides
 * the class, labels are drawn at random so that the garment says nothing, and the network is trained until it has learned
 * that. An explanation that is right then lies inside the patch.
 */
import { backward, crossEntropy, noGrad } from '../../autograd/index.ts';
import { ShapeError, UsageError } from '../../devices/errors.ts';
import { PhiloxStream, streamNamed } from '../../kernels/random/philox.ts';
import { AdamW, type Module } from '../../nn/index.ts';
import { tensor } from '../../tensor/creation.ts';
import { dispose, tidy } from '../../tensor/lifetime.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { DEFAULT_BATCH, type FloatArray } from '../attribution.ts';
import { evaluate, forwardBatches, newLike } from '../evaluation.ts';
import { type Explainer, type HostImages, hostImages, type JudgedMaps, mapsOnPixels } from './images.ts';
import { withRestoredModel } from './model-state.ts';

/** A square patch at a fixed place, with one pattern of black and white cells of 2 x 2 pixels per class. */
export interface Cue {
  readonly top: number;
  readonly left: number;
  /** Width and height in pixels. */
  readonly size: number;
  /** [classes, size, size] of zeros and ones. */
  readonly patterns: Uint8Array;
}

export interface CueOptions {
  /** Width and height of the patch in pixels. Default 8. */
  readonly size?: number;
  /** Row and column of its upper left corner. Default (0, 0): a corner that garments seldom reach. */
  readonly at?: readonly [number, number];
  readonly seed?: number;
}

const PATTERN_STREAM = streamNamed('cue-patterns');
const LABEL_STREAM = streamNamed('cue-labels');
const ORDER_STREAM = streamNamed('cue-order');

/** Pixels on a side of a pattern's cell: small enough for a corner, large enough to survive a max-pool. */
const CELL = 2;

/** How many losses in a row must be low. */
const LOSSES = 5;

/** One random pattern per class, half of its cells white, any two differing in at least a quarter of the cells. */
export function drawCue(classes: number, { size = 8, at: [top, left] = [0, 0], seed = 0 }: CueOptions = {}): Cue {
  if (!Number.isInteger(size / CELL) || size < 2 * CELL) {
    throw new UsageError(`A cue must be an even number of pixels wide, at least ${2 * CELL}, not ${size}.`);
  }
  if (!(Number.isInteger(top) && Number.isInteger(left))) {
    throw new UsageError(`A cue begins at a whole row and column, not at ${top}, ${left}.`);
  }
  const side = size / CELL;
  const cells = side ** 2;
  const drawn: Uint8Array[] = [];
  const random = new PhiloxStream(seed, PATTERN_STREAM);
  for (let tries = 0; drawn.length < classes; tries++) {
    if (tries > 1000 * classes) {
      throw new UsageError(`A cue of ${size} x ${size} pixels has too few patterns for ${classes} classes.`);
    }
    const pattern = new Uint8Array(cells);
    for (let white = 0; white < cells >> 1; ) {
      const cell = random.below(cells);
      if (pattern[cell] === 0) white += pattern[cell] = 1;
    }
    const distance = (other: Uint8Array) => other.filter((value, cell) => value !== pattern[cell]).length;
    if (drawn.every(other => 4 * distance(other) >= cells)) drawn.push(pattern);
  }
  const patterns = Uint8Array.from({ length: classes * size ** 2 }, (_, k) => {
    const [y, x] = [Math.floor(k / size) % size, k % size];
    return drawn[Math.floor(k / size ** 2)][Math.floor(y / CELL) * side + Math.floor(x / CELL)];
  });
  return { top, left, size, patterns };
}

/** Copies of the images with each one's class stamped on. */
export function stampCue({ top, left, size, patterns }: Cue, host: HostImages, labels: ArrayLike<number>): FloatArray {
  const { values, height, width, channels, count } = host;
  if (top < 0 || left < 0 || top + size > height || left + size > width) {
    throw new ShapeError(
      `A cue of ${size} pixels at row ${top}, column ${left} does not fit images of ${height} x ${width}.`,
    );
  }
  const stamped = values.slice();
  for (let image = 0; image < count; image++) {
    for (let cell = 0; cell < size * size; cell++) {
      const pixel = (top + Math.floor(cell / size)) * width + left + (cell % size);
      const value = patterns[labels[image] * size * size + cell];
      stamped.fill(value, (image * height * width + pixel) * channels, (image * height * width + pixel + 1) * channels);
    }
  }
  return stamped;
}

/** The share of sum |phi| that lies in the patch, per image; NaN for a map of zeros. */
export function shareInside({ top, left, size }: Cue, maps: JudgedMaps, host: HostImages): Float64Array {
  const onPixels = mapsOnPixels(maps, host);
  const { height, width, count } = host;
  return Float64Array.from({ length: count }, (_, image) => {
    let [inside, whole] = [0, 0];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const magnitude = Math.abs(onPixels[(image * height + y) * width + x]);
        whole += magnitude;
        if (y >= top && y < top + size && x >= left && x < left + size) inside += magnitude;
      }
    }
    return inside / whole;
  });
}

export interface PlantedCueOptions extends CueOptions {
  /** Images [M, H, W, C] to train on; a thousand will do. */
  readonly training: Tensor;
  /** Images [B, H, W, C] that background methods compare with; they get cues too. Default: the first training images. */
  readonly background: Tensor;
  /** Most training steps. Default 120: what a map has inside goes on growing after the loss is small. */
  readonly steps?: number;
  /** Stop when five losses in a row were below this. Default 0: all the steps. */
  readonly untilLoss?: number;
  /** Default 2e-3. */
  readonly learningRate?: number;
  /** Decoupled weight decay: what the cue does not need is to be forgotten. Default 2 (0: .77 inside instead of .82). */
  readonly weightDecay?: number;
  /** Images per training step and at a time. Default 128. */
  readonly batchSize?: number;
  readonly onProgress?: (what: string, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface PlantedCue {
  /** Share of sum |phi| inside the patch, per method and image. */
  readonly shares: readonly Float64Array[];
  /** What a map that is the same everywhere would have inside: the patch's share of the area. */
  readonly area: number;
  /** Share of the judged images that the retrained network classifies by their cue; the test means nothing below 1. */
  readonly accuracy: number;
  readonly steps: number;
  readonly loss: number;
}

/** A method that is given, beside the images, a background that bears cues. */
export type CueExplainer = (x: Tensor, target: ArrayLike<number>, background: Tensor) => ReturnType<Explainer>;

/**
 * Trains the model on cues, explains stamped images for the class of their cue, and gives the model back as it was.
 *
 * @param x images [N, H, W, C] to judge on; they are stamped too
 */
export async function plantedCue(
  model: Module,
  x: Tensor,
  methods: readonly CueExplainer[],
  options: PlantedCueOptions,
): Promise<PlantedCue> {
  const { training, background, batchSize = DEFAULT_BATCH, seed = 0, signal } = options;
  const [images, pictures, others] = [await hostImages(x), await hostImages(training), await hostImages(background)];
  if (pictures.count < batchSize) {
    throw new UsageError(
      `A planted cue needs at least one batch of ${batchSize} training images, not ${pictures.count}.`,
    );
  }
  const classes = tidy(() => noGrad(() => evaluate(model, x).shape[1]));
  const cue = drawCue(classes, options);
  const random = new PhiloxStream(seed, LABEL_STREAM);
  const draw = (count: number) => Int32Array.from({ length: count }, () => random.below(classes));
  const labels = draw(images.count);
  const stamped = hostTensor(images, stampCue(cue, images, labels));
  const stampedBackground = hostTensor(others, stampCue(cue, others, draw(others.count)));
  try {
    return await withRestoredModel(model, async () => {
      const { steps, loss } = await learnCue(model, cue, pictures, classes, options);
      model.eval();
      const accuracy = await accuracyOn(model, stamped, labels, batchSize);
      const stampedHost = { ...images, values: (await stamped.data()) as FloatArray };
      const shares: Float64Array[] = [];
      for (const [m, method] of methods.entries()) {
        signal?.throwIfAborted();
        options.onProgress?.('explaining', m, methods.length);
        const { values, shape } = await method(stamped, labels, stampedBackground);
        shares.push(shareInside(cue, { values, shape }, stampedHost));
      }
      return { shares, area: cue.size ** 2 / (images.height * images.width), accuracy, steps, loss };
    });
  } finally {
    dispose(stamped, stampedBackground);
  }
}

/**
 * Trains with AdamW until the cue is learned. Every image is stamped with a new class each time it is shown, so that there
 * is nothing about the garments to be learned by heart.
 */
async function learnCue(
  model: Module,
  cue: Cue,
  host: HostImages,
  classes: number,
  options: PlantedCueOptions,
): Promise<{ steps: number; loss: number }> {
  const {
    steps = 120,
    untilLoss = 0,
    learningRate = 2e-3,
    weightDecay = 2,
    batchSize = DEFAULT_BATCH,
    seed = 0,
    signal,
  } = options;
  const size = host.values.length / host.count;
  const random = new PhiloxStream(seed, ORDER_STREAM);
  const optimizer = new AdamW(model, { learningRate, weightDecay });
  model.train();
  const recent: number[] = [];
  try {
    for (let step = 0; step < steps; step++) {
      signal?.throwIfAborted();
      const chosen = Array.from({ length: batchSize }, () => random.below(host.count));
      const labels = Int32Array.from(chosen, () => random.below(classes));
      const values = newLike(host.values, batchSize * size);
      for (const [row, image] of chosen.entries()) {
        values.set(host.values.subarray(image * size, (image + 1) * size), row * size);
      }
      const batch = { ...host, values, count: batchSize };
      const value = tidy(() => {
        const images = hostTensor(batch, stampCue(cue, batch, labels));
        const value = crossEntropy(model.call(images), tensor(labels, [batchSize], { device: host.device }));
        backward(value);
        return value;
      });
      optimizer.step();
      recent.push(await value.item());
      value.dispose();
      if (recent.length > LOSSES) recent.shift();
      const loss = Math.max(...recent);
      options.onProgress?.(`learning the cue, loss ${loss.toFixed(3)}`, step, steps);
      if (recent.length === LOSSES && loss < untilLoss) return { steps: step + 1, loss };
    }
  } finally {
    optimizer.dispose();
  }
  return { steps, loss: Math.max(...recent) };
}

function hostTensor({ count, height, width, channels, device }: HostImages, values: FloatArray): Tensor {
  return tensor(values, [count, height, width, channels], { device });
}

async function accuracyOn(model: Module, x: Tensor, labels: Int32Array, batchSize: number): Promise<number> {
  let hits = 0;
  await forwardBatches(model, x, batchSize, (logits, start, count, classes) => {
    for (let i = 0; i < count; i++) {
      const row = Array.prototype.slice.call(logits, i * classes, (i + 1) * classes) as number[];
      if (row.indexOf(Math.max(...row)) === labels[start + i]) hits++;
    }
  });
  return hits / labels.length;
}
