/**
 * The checks behind bench/explain/acceptance.ts: each measures one promise about explanations on a trained network and
 * says what was required. A check is a function of what all share, so that any of them can be run alone.
 */

import type { FashionMnist } from '../../src/data/index.node.ts';
import { DeviceDataset } from '../../src/data/index.node.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import {
  deepShap,
  exactShapley,
  gradCam,
  integratedGradients,
  judgedMethodNamed,
  kernelShap,
  lime,
  methodNamed,
  parameterRandomisation,
  permutationShapley,
  plantedCue,
} from '../../src/explain/index.ts';
import * as w from '../../src/index.ts';
import { buildModel, type ModelSpec, type Module } from '../../src/nn/index.ts';
import { loadCheckpoint } from '../../src/train/checkpoint.node.ts';
import { quantile } from '../statistics.ts';
import { trainTanhNetwork } from './tanh-network.ts';

/** What the checks work with. */
export interface Subject {
  readonly device: w.Device;
  readonly spec: ModelSpec;
  readonly checkpoint: string;
  readonly model: Module;
  readonly data: FashionMnist;
  readonly train: DeviceDataset;
  readonly test: DeviceDataset;
  readonly seed: number;
  /** Test images of the checks of exactness. */
  readonly images: number;
  say(what: string): void;
}

export interface Finding {
  readonly what: string;
  readonly measured: number;
  /** `<= 0.2`; null: shown for comparison. */
  readonly required: { readonly sign: '<=' | '>=' | '<' | '>' | '='; readonly value: number } | null;
}

export const passes = ({ measured, required }: Finding): boolean | null => {
  if (required === null) return null;
  const { sign, value } = required;
  switch (sign) {
    case '<=':
      return measured <= value;
    case '>=':
      return measured >= value;
    case '<':
      return measured < value;
    case '>':
      return measured > value;
    case '=':
      return measured === value;
  }
};

const atMost = (what: string, measured: number, value: number): Finding => ({
  what,
  measured,
  required: { sign: '<=', value },
});
const below = (what: string, measured: number, value: number): Finding => ({
  what,
  measured,
  required: { sign: '<', value },
});
const atLeast = (what: string, measured: number, value: number): Finding => ({
  what,
  measured,
  required: { sign: '>=', value },
});
const shown = (what: string, measured: number): Finding => ({ what, measured, required: null });

const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
const imagesOf = (set: DeviceDataset, indices: number[]): w.Tensor => {
  const { images, labels } = set.batch(indices);
  labels.dispose();
  return images;
};
const mean = (values: ArrayLike<number>): number => {
  const known = Array.from(values).filter(value => !Number.isNaN(value));
  return known.reduce((sum, value) => sum + value, 0) / known.length;
};

type Check = (subject: Subject) => Promise<Finding[]>;

const deepShapAdditivity: Check = async ({ device, model, test, train, images }) => {
  const x = imagesOf(test, range(images));
  const background = imagesOf(train, range(10));
  const { additivityErrors, additivityError } = await deepShap(model, x, { background });
  w.dispose(x, background);
  return [
    atMost(
      `DeepSHAP on ${device.kind}, ${images} images x 10: largest relative additivity error`,
      additivityError,
      1e-3,
    ),
    shown('  median', quantile(Array.from(additivityErrors), 0.5)),
  ];
};

const deepShapReference: Check = async ({ spec, checkpoint, data }) => {
  const device = new ReferenceDevice();
  const model = buildModel(spec).initialize({ device });
  await loadCheckpoint(checkpoint, model);
  model.eval();
  const [test, train] = [new DeviceDataset(data.test, device), new DeviceDataset(data.train, device)];
  const { additivityError } = await deepShap(model, imagesOf(test, range(3)), {
    background: imagesOf(train, range(5)),
  });
  model.dispose();
  return [atMost('DeepSHAP on reference, 3 images x 5: largest relative additivity error', additivityError, 1e-9)];
};

const integratedGradientsResidual: Check = async ({ model, test, images, say }) => {
  const x = imagesOf(test, range(images));
  const errors: Record<number, number[]> = {};
  for (const steps of [50, 200]) {
    say(`integrated gradients, n = ${steps}`);
    errors[steps] = Array.from((await integratedGradients(model, x, { steps })).additivityErrors);
  }
  x.dispose();
  const [median50, median200] = [quantile(errors[50], 0.5), quantile(errors[200], 0.5)];
  return [
    atMost(`integrated gradients, ${images} images, n = 50: median relative residual`, median50, 0.03),
    atMost('  90th percentile', quantile(errors[50], 0.9), 0.1),
    below('  n = 200: median over that of n = 50', median200 / median50, 1),
    shown('  n = 200: median', median200),
    shown('  n = 200: 90th percentile', quantile(errors[200], 0.9)),
  ];
};

const integratedGradientsTanh: Check = async ({ device, train, test, images, seed }) => {
  const model = await trainTanhNetwork(device, train, 100, seed);
  const x = imagesOf(test, range(images));
  const { additivityErrors, additivityError } = await integratedGradients(model, x, { steps: 50 });
  w.dispose(x);
  model.dispose();
  return [
    atMost(
      `integrated gradients on a tanh network, ${images} images, n = 50: largest relative residual`,
      additivityError,
      1e-3,
    ),
    shown('  median', quantile(Array.from(additivityErrors), 0.5)),
  ];
};

/** Grid cells of 7 x 7 pixels merged to ten players: few enough for all 1,024 coalitions. */
const tenPlayers = {
  labels: Int32Array.from({ length: 784 }, (_, i) => Math.min(9, Math.floor(i / 196) * 3 + Math.floor((i % 28) / 10))),
  shape: [28, 28] as const,
  count: 0,
};

const kernelShapExact: Check = async ({ model, test }) => {
  const names = [...new Set(tenPlayers.labels)].sort((a, b) => a - b);
  const labels = tenPlayers.labels.map(label => names.indexOf(label));
  const segments = { labels, shape: tenPlayers.shape, count: names.length };
  const x = imagesOf(test, range(3));
  const [fitted, exact] = [await kernelShap(model, x, { segments }), await exactShapley(model, x, { segments })];
  x.dispose();
  const largest = Math.max(...exact.values.map(Math.abs));
  const distance = Math.max(...exact.values.map((value, i) => Math.abs(value - fitted.values[i])));
  return [
    atMost(
      `KernelSHAP with all coalitions of ${names.length} players: distance to exact Shapley values, relative`,
      distance / largest,
      1e-5,
    ),
  ];
};

const SEEDS = 10;
const PERMUTATIONS = 1000;

/** The default budget of coalitions against random orders, two ways to the same values; z is in combined standard errors. */
const kernelShapSampled: Check = async ({ model, test, seed, say }) => {
  const x = imagesOf(test, range(2));
  const segments = 'grid';
  const runs: Float64Array[][] = [];
  for (const k of range(SEEDS)) {
    say(`KernelSHAP, seed ${seed + k}`);
    runs.push([...(await kernelShap(model, x, { segments, seed: seed + k })).playerValues]);
  }
  say(`Shapley values by ${PERMUTATIONS} permutations`);
  const orders = await permutationShapley(model, x, { segments, seed, permutations: PERMUTATIONS });
  x.dispose();
  const squares = orders.images.flatMap(({ players: { count }, standardError }, image) =>
    range(count).map(player => {
      const found = runs.map(values => values[image][player]);
      const variance = mean(found.map(value => (value - mean(found)) ** 2)) / (SEEDS - 1);
      const ofOrders = standardError![orders.target[image] * count + player];
      return (mean(found) - orders.playerValues[image][player]) ** 2 / (variance + ofOrders ** 2);
    }),
  );
  return [
    atMost(
      `KernelSHAP, mean of ${SEEDS} seeds, against ${PERMUTATIONS} permutations: rms z over ${squares.length} players of 2 images`,
      Math.sqrt(mean(squares)),
      1.5,
    ),
  ];
};

const FAITHFUL = [
  'saliency',
  'input-x-gradient',
  'integrated-gradients',
  'expected-gradients',
  'deep-shap',
  'grad-cam',
  'hires-cam',
];
const DRAWS = 3;

const randomisation: Check = async ({ model, test, train, seed, say }) => {
  const x = imagesOf(test, range(32));
  const background = imagesOf(train, range(10));
  const calibration = imagesOf(train, range(256, 1000));
  const names = [...FAITHFUL, 'guided-backprop', 'edge-detector'];
  const explainers = names.map(name => {
    const method = judgedMethodNamed(name);
    return (images: w.Tensor, target: Parameters<typeof method.run>[2]['target']) => {
      say(`randomisation: ${name}`);
      return method.run(model, images, { background, target, seed });
    };
  });
  const totals = names.map(() => ({ signed: [] as number[], absolute: [] as number[] }));
  for (let draw = 0; draw < DRAWS; draw++) {
    const stages = await parameterRandomisation(model, x, explainers, { calibration, seed: seed + draw });
    stages.forEach((of, m) => {
      totals[m].signed.push(mean(of[0].signed));
      totals[m].absolute.push(mean(of[0].absolute));
    });
  }
  w.dispose(x, background, calibration);
  return names.flatMap((name, m) => {
    const what = `all weights random, ${name}: mean signed Spearman over garment pixels (32 images, ${DRAWS} draws)`;
    const value = mean(totals[m].signed);
    return [
      FAITHFUL.includes(name)
        ? below(what, value, 0.2)
        : { what: `${what}; must fail`, measured: value, required: { sign: '>', value: 0.2 } as const },
      shown('  magnitudes over all pixels', mean(totals[m].absolute)),
    ];
  });
};

const cue: Check = async ({ model, test, train, seed, say }) => {
  const x = imagesOf(test, range(16));
  const [training, background] = [imagesOf(train, range(1024, 1000)), imagesOf(train, range(16))];
  const names = ['deep-shap', 'integrated-gradients', 'kernel-shap', 'grad-cam', 'guided-backprop', 'saliency'];
  const methods = names.map(name => (images: w.Tensor, target: ArrayLike<number>, stamped: w.Tensor) => {
    say(`planted cue: ${name}`);
    return methodNamed(name).run(model, images, { target, background: stamped, seed });
  });
  const onProgress = (what: string, done: number, total: number) => say(`planted cue: ${what}, ${done} of ${total}`);
  const found = await plantedCue(model, x, methods, { training, background, seed, onProgress });
  w.dispose(x, training, background);
  return [
    atLeast(`planted cue, 16 images, ${found.steps} steps: accuracy`, found.accuracy, 1),
    ...names.map((name, m) => {
      const what = `  share of |phi| inside, ${name} (area ${found.area.toFixed(3)})`;
      return m < 3 ? atLeast(what, mean(found.shares[m]), 0.8) : shown(what, mean(found.shares[m]));
    }),
  ];
};

/** Ratio of the medians of two pieces of work, timed in turn. */
async function ratioOf(first: () => Promise<unknown>, second: () => Promise<unknown>, rounds: number): Promise<number> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    for (const [i, work] of [first, second].entries()) {
      const began = performance.now();
      await work();
      if (round > 0) times[i].push(performance.now() - began); // The first round compiles and warms up.
    }
  }
  return quantile(times[0], 0.5) / quantile(times[1], 0.5);
}

const speed: Check = async ({ model, test, train, say }) => {
  const x = imagesOf(test, range(128));
  const [two, background] = [imagesOf(test, range(2)), imagesOf(train, range(50))];
  const forward = async () => {
    const y = w.tidy(() => w.noGrad(() => model.call(x)));
    await y.data();
    y.dispose();
  };
  const forwardBackward = async () => {
    const gradient = w.tidy(() => {
      const input = w.watch(w.detach(x));
      const logits = model.call(input);
      return w.gradients(w.sum(w.max(logits, [1])), [input])[0];
    });
    await gradient.data();
    gradient.dispose();
  };
  say('speed: Grad-CAM');
  const cam = await ratioOf(() => gradCam(model, x), forwardBackward, 7);
  say('speed: LIME');
  const times = (count: number, work: () => Promise<void>) => async () => {
    for (let i = 0; i < count; i++) await work();
  };
  // 2 images x 1,000 altered copies are 15.6 batches of 128.
  const overSixteen = await ratioOf(() => lime(model, two, { batchSize: 128 }), times(16, forward), 3);
  say('speed: DeepSHAP');
  const four = imagesOf(test, range(4));
  // 4 images x 50 backgrounds are 200 pairs; a forward of 128 images, 200 / 128 times.
  const shap = await ratioOf(() => deepShap(model, four, { background, target: 3 }), forward, 5);
  w.dispose(x, two, four, background);
  return [
    atMost('Grad-CAM of 128 images over their forward and backward pass', cam, 1.5),
    atMost('LIME of 2 images over its 2,000 forwards', (overSixteen * 16 * 128) / 2000, 1.5),
    atMost('DeepSHAP for one class, forwards per image-background pair', (shap * 128) / 200, 5),
  ];
};

const tensorsLeft: Check = async ({ model, test, train, say }) => {
  const background = imagesOf(train, range(5));
  const names = [
    'grad-cam',
    'saliency',
    'guided-backprop',
    'deep-shap',
    'integrated-gradients',
    'layer-cam',
    'guided-grad-cam',
    'occlusion',
    'expected-gradients',
    'eigen-cam',
  ];
  const before = w.liveTensorCount();
  for (let i = 0; i < 100; i++) {
    say(`100 explanations: ${i}`);
    const x = imagesOf(test, [i]);
    await methodNamed(names[i % names.length]).run(model, x, { background });
    x.dispose();
  }
  const left = w.liveTensorCount() - before;
  background.dispose();
  return [{ what: '100 explanations by ten methods: tensors left', measured: left, required: { sign: '=', value: 0 } }];
};

export const CHECKS: Readonly<Record<string, Check>> = {
  'deep-shap': deepShapAdditivity,
  'deep-shap-reference': deepShapReference,
  'integrated-gradients': integratedGradientsResidual,
  'integrated-gradients-tanh': integratedGradientsTanh,
  'kernel-shap': kernelShapExact,
  'kernel-shap-sampled': kernelShapSampled,
  randomisation,
  cue,
  speed,
  tensors: tensorsLeft,
};
