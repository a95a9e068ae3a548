/** Parameter randomisation and the planted cue: measures that change the network and give it back as it was. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ReferenceDevice } from '../../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../../src/devices/wasm/device.ts';
import {
  BASELINE_METHODS,
  cascade,
  drawCue,
  estimateBatchStatistics,
  judgeMethods,
  parameterRandomisation,
  plantedCue,
  shareInside,
  stampCue,
} from '../../../src/explain/judging/index.ts';
import { methodNamed } from '../../../src/explain/methods.ts';
import * as w from '../../../src/index.ts';
import {
  Activation,
  BatchNorm2d,
  Conv2d,
  cnn,
  Dropout,
  Flatten,
  Linear,
  type Module,
  miniResNet,
  Sequential,
} from '../../../src/nn/index.ts';

const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0) / values.length;

/** Everything that a model is: parameters, buffers, modes. */
async function stateOf(model: Module): Promise<unknown> {
  const { values, state } = model.arena;
  return [
    Array.from(await model.device.read(values)),
    Array.from(await model.device.read(state)),
    model.modules().map(({ isTraining }) => isTraining),
  ];
}

/** Blobs at random places: images with a background. */
function blobs(device: w.Device, count: number, size: number, seed: number): w.Tensor {
  const random = new Uint32Array(1).fill(seed + 1);
  const next = (n: number): number => {
    random[0] = Math.imul(random[0], 1664525) + 1013904223;
    return (random[0] >>> 8) % n;
  };
  const values = new Float32Array(count * size * size);
  for (let image = 0; image < count; image++) {
    const [top, left] = [next(size - 5), next(size - 5)];
    for (let y = 0; y < 5; y++) {
      for (let x = 0; x < 5; x++) values[(image * size + top + y) * size + left + x] = 0.2 + next(800) / 1000;
    }
  }
  return w.tensor(values, [count, size, size, 1], { device });
}

let wasm: w.Device;
beforeAll(async () => {
  wasm = await openWasmDevice();
});
afterAll(() => wasm.destroy());

describe('batch statistics', () => {
  it('are those of the images, whatever momentum and dropout there are', async () => {
    const device = new ReferenceDevice();
    const norm = new BatchNorm2d(2, { momentum: 0.3 });
    const model = new Sequential({ dropout: new Dropout(0.5, { seed: 0 }), norm }).initialize({ device });
    const x = w.randomNormal([50, 3, 3, 2], { seed: 1, mean: 4, std: 2, device });
    model.arena.write('norm.runningMean', Float32Array.of(7, 8));
    await estimateBatchStatistics(model, x, 50);
    const values = (await x.data()) as Float64Array;
    for (const channel of [0, 1]) {
      const own = values.filter((_, i) => i % 2 === channel);
      const centre = mean(own);
      const variance = own.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (own.length - 1);
      expect(((await norm.runningMean.value.data()) as Float64Array)[channel]).toBeCloseTo(centre, 9);
      expect(((await norm.runningVariance.value.data()) as Float64Array)[channel]).toBeCloseTo(variance, 9);
    }
    expect(model.modules().every(({ isTraining }) => isTraining)).toBe(true);
    // Of two batches, the mean of both.
    await estimateBatchStatistics(model, x, 25);
    expect(((await norm.runningMean.value.data()) as Float64Array)[0]).toBeCloseTo(
      mean(values.filter((_, i) => i % 2 === 0)),
      9,
    );
  });
});

describe('parameter randomisation', () => {
  it('goes from the output down, norms with their convolution', () => {
    const model = cnn({ widths: [2, 3], depth: 1, hidden: 4, imageShape: [8, 8, 1] }).initialize({
      device: new ReferenceDevice(),
    });
    expect(cascade(model).map(({ path, modules }) => [path, modules.map(part => part.path)])).toEqual([
      ['logits', ['logits']],
      ['dense', ['dense']],
      ['conv2_1', ['conv2_1', 'norm2_1']],
      ['conv1_1', ['conv1_1', 'norm1_1']],
    ]);
  });

  it('tells what depends on weights from what does not, and gives the model back bit for bit', async () => {
    // Devices of its own: what other tests left to the collector does not count.
    const own = await openWasmDevice();
    for (const device of [new ReferenceDevice(), own]) {
      const model = miniResNet({ blocks: [1, 1], widths: [4, 6] }).initialize({
        device,
        seed: 4,
      });
      model.eval();
      model.modules()[3].isTraining = true; // A mode of its own must come back too.
      const x = blobs(device, 12, 12, 1);
      const context = { background: x };
      const [saliency, edges] = [methodNamed('saliency'), BASELINE_METHODS['edge-detector']];
      const explainers = [saliency, edges].map(
        method => (images: w.Tensor, target: any) => method.run(model, images, { ...context, target }),
      );
      const before = await stateOf(model);
      const live = device.memory().liveAllocations;
      const [fromSaliency, fromEdges] = await parameterRandomisation(model, x, explainers, {
        stages: 'every',
        seed: 2,
      });
      expect(device.memory().liveAllocations, device.kind).toBe(live);
      expect(await stateOf(model), device.kind).toEqual(before);
      expect(fromSaliency.map(({ layer }) => layer)).toEqual(cascade(model).map(({ path }) => path));
      // The edges of the images are what they are.
      for (const { signed, absolute } of fromEdges) {
        expect(Math.min(...signed)).toBeCloseTo(1, 9);
        expect(Math.min(...absolute)).toBeCloseTo(1, 9);
      }
      const last = fromSaliency.at(-1)!;
      expect(Math.abs(mean(last.signed))).toBeLessThan(0.6);
      // Only the end, and the same again.
      const [only] = await parameterRandomisation(model, x, explainers.slice(0, 1), { seed: 2 });
      expect(only).toHaveLength(1);
      expect(only[0].signed).toEqual(last.signed);
      expect((await parameterRandomisation(model, x, explainers.slice(0, 1), { seed: 3 }))[0][0].signed).not.toEqual(
        last.signed,
      );
      model.dispose();
    }
    await own.destroy();
  });

  it('gives the model back when a method fails', async () => {
    const device = new ReferenceDevice();
    const model = cnn({ widths: [2], depth: 1, hidden: 4, imageShape: [8, 8, 1] }).initialize({ device });
    const x = blobs(device, 3, 8, 1);
    const before = await stateOf(model);
    let calls = 0;
    const failing = async () => {
      if (calls++ > 0) throw new Error('no more');
      return { values: new Float64Array(192), shape: [3, 8, 8], target: new Int32Array(3) };
    };
    await expect(parameterRandomisation(model, x, [failing])).rejects.toThrow('no more');
    expect(await stateOf(model)).toEqual(before);
    const bare = new Sequential({ flatten: new Flatten() }).initialize({ device });
    await expect(parameterRandomisation(bare, x, [failing])).rejects.toThrow(/no parameters/);
  });
});

describe('planted cue', () => {
  const device = new ReferenceDevice();

  it('patterns differ, half white; stamps replace the corner only; shares count magnitudes', () => {
    const cue = drawCue(10, { seed: 5 });
    const pattern = (label: number) => Array.from(cue.patterns.subarray(label * 64, (label + 1) * 64));
    for (let a = 0; a < 10; a++) {
      expect(pattern(a).reduce((sum, value) => sum + value)).toBe(32);
      for (let b = 0; b < a; b++)
        expect(pattern(a).filter((value, i) => value !== pattern(b)[i]).length).toBeGreaterThanOrEqual(16);
    }
    expect(drawCue(10, { seed: 5 })).toEqual(cue);
    expect(drawCue(10, { seed: 6 })).not.toEqual(cue);
    const host = { values: new Float64Array(2 * 100).fill(0.5), count: 2, height: 10, width: 10, channels: 1, device };
    const small = drawCue(2, { size: 4, at: [3, 5] });
    const stamped = stampCue(small, host, [0, 1]);
    expect(stamped.filter(value => value !== 0.5).length).toBe(2 * 16);
    expect(stamped[3 * 10 + 5]).toBe(small.patterns[0]);
    const maps = new Float64Array(200).fill(-1);
    maps[3 * 10 + 5] = 4;
    maps.fill(0, 100);
    expect(Array.from(shareInside(small, { values: maps, shape: [2, 10, 10] }, host))).toEqual([19 / 103, Number.NaN]);
    expect(() => stampCue(drawCue(2, { at: [5, 0] }), host, [0, 1])).toThrow(/does not fit/);
    expect(() => drawCue(3, { size: 5 })).toThrow(/even number/);
    expect(() => drawCue(7, { size: 4 })).toThrow(/too few patterns/);
  });

  it('of a linear model that sees nothing else lies inside wholly', async () => {
    // The dense layer starts at zero outside the patch and, the images being black there, learns nothing else.
    const model = new Sequential({ flatten: new Flatten(), dense: new Linear(144, 3) }).initialize({ device });
    const x = w.zeros([6, 12, 12, 1], { device });
    const training = w.zeros([32, 12, 12, 1], { device });
    const before = await stateOf(model);
    const live = device.memory().liveAllocations;
    const names = ['input-x-gradient', 'integrated-gradients', 'deep-shap'];
    const methods = names.map(
      name => (images: w.Tensor, target: any, background: w.Tensor) =>
        methodNamed(name).run(model, images, { target, background }),
    );
    const result = await plantedCue(model, x, methods, {
      training,
      background: training,
      batchSize: 16,
      learningRate: 0.05,
      weightDecay: 0,
      untilLoss: 0.02,
    });
    expect(await stateOf(model)).toEqual(before);
    expect(device.memory().liveAllocations).toBe(live);
    expect(result).toMatchObject({ accuracy: 1, area: 64 / 144 });
    expect(result.loss).toBeLessThan(0.02);
    for (const shares of result.shares) for (const share of shares) expect(share).toBeCloseTo(1, 12);
    await expect(plantedCue(model, x, methods, { training: x, background: x })).rejects.toThrow(/at least one batch/);
  });

  it('a small network learns it, and a map of it lies inside more than chance', async () => {
    const device = wasm;
    const model = new Sequential({
      conv: new Conv2d(1, 8, 3),
      act: new Activation('relu'),
      flatten: new Flatten(),
      dense: new Linear(12 * 12 * 8, 3),
    }).initialize({ device, seed: 1 });
    const before = await stateOf(model);
    const x = blobs(device, 10, 12, 3);
    const training = blobs(device, 128, 12, 4);
    const background = blobs(device, 8, 12, 5);
    const methods = ['deep-shap', 'integrated-gradients'].map(
      name => (images: w.Tensor, target: any, others: w.Tensor) =>
        methodNamed(name).run(model, images, { target, background: others }),
    );
    const options = { training, background, batchSize: 32, steps: 80, size: 6, learningRate: 0.005, untilLoss: 0.002 };
    const result = await plantedCue(model, x, methods, options);
    expect(result.accuracy).toBe(1);
    for (const shares of result.shares) expect(mean(shares)).toBeGreaterThan(0.7);
    expect(await stateOf(model)).toEqual(before);
    expect((await plantedCue(model, x, methods, options)).shares).toEqual(result.shares);
    model.dispose();
  });
});

describe('the whole table', () => {
  const options = (training: w.Tensor) => ({
    background: training,
    training,
    methods: ['saliency', 'deep-shap', 'edge-detector', 'grad-cam'],
    seed: 1,
    costlyImages: 4,
    sensitivitySamples: 2,
    infidelitySamples: 10,
    cueSteps: 3,
    resamples: 100,
    batchSize: 8,
  });

  it('is plain JSON with every method under every measure; nothing is left behind', async () => {
    const device = new ReferenceDevice();
    const model = cnn({ widths: [3], depth: 1, hidden: 6, imageShape: [10, 10, 1], classes: 3 }).initialize({
      device,
      seed: 2,
    });
    const x = blobs(device, 6, 10, 1);
    const training = blobs(device, 8, 10, 2);
    const before = await stateOf(model);
    const live = device.memory().liveAllocations;
    const said: string[] = [];
    const result = await judgeMethods(model, x, { ...options(training), onProgress: what => said.push(what) });
    expect(device.memory().liveAllocations).toBe(live);
    expect(await stateOf(model)).toEqual(before);
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    expect(result.methods.map(({ name }) => name)).toEqual([
      'saliency',
      'deep-shap',
      'edge-detector',
      'grad-cam',
      'random-map',
    ]);
    expect(result.missing).toEqual([]);
    for (const { name, scores, images } of result.measures) {
      expect(scores.map(({ method }) => method)).toEqual(result.methods.map(({ name }) => name));
      expect(images, name).toBe(
        ['sensitivity', 'randomisation', 'randomisation-absolute', 'cue'].includes(name) ? 4 : 6,
      );
    }
    const of = (measure: string, method: string) =>
      result.measures.find(({ name }) => name === measure)!.scores.find(score => score.method === method)!;
    expect(of('sensitivity', 'random-map').estimate!.mean).toBe(0);
    expect(of('randomisation', 'edge-detector').estimate!.mean).toBeCloseTo(1, 6);
    expect(of('completeness', 'deep-shap').estimate!.mean).toBeLessThan(1e-9);
    expect(of('completeness', 'saliency').estimate).toBeNull();
    expect(of('deletion', 'saliency').versusRandom!.images).toBe(6);
    expect(said.some(what => what === 'sensitivity: deep-shap')).toBe(true);
    expect(await judgeMethods(model, x, { ...options(training), batchSize: 8 })).toMatchObject({
      measures: result.measures,
    });
    model.dispose();
  });

  it('can be stopped: what is finished stands, the model too', async () => {
    const device = new ReferenceDevice();
    const model = cnn({ widths: [2], depth: 1, hidden: 4, imageShape: [10, 10, 1], classes: 3 }).initialize({ device });
    const [x, training] = [blobs(device, 3, 10, 1), blobs(device, 8, 10, 2)];
    const before = await stateOf(model);
    const stop = new AbortController();
    const result = await judgeMethods(model, x, {
      ...options(training),
      measures: ['deletion', 'cue', 'road'],
      signal: stop.signal,
      onProgress: what => {
        if (what.startsWith('planted cue')) stop.abort();
      },
    });
    expect(result.measures.map(({ name }) => name)).toEqual(['deletion']);
    expect(result.missing).toEqual(['cue', 'road']);
    expect(await stateOf(model)).toEqual(before);
  });

  it('refuses unknown names and a cue without training images', async () => {
    const device = new ReferenceDevice();
    const model = cnn({ widths: [2], depth: 1, hidden: 4, imageShape: [8, 8, 1] }).initialize({ device });
    const x = blobs(device, 2, 8, 1);
    const judge = (more: object) => judgeMethods(model, x, { background: x, methods: ['saliency'], ...more });
    await expect(judge({ methods: ['magic'] })).rejects.toThrow(/no method "magic"/);
    await expect(judge({ measures: ['taste'] })).rejects.toThrow(/no measure "taste"/);
    await expect(judge({ measures: ['cue'] })).rejects.toThrow(/training images/);
    await expect(judge({ measures: [] })).rejects.toThrow(/at least one measure/);
    await expect(judge({ costlyImages: 0 })).rejects.toThrow(/at least 1 image/);
  });
});
