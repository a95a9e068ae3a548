/**
 * What residual connections do: the same network with and without its shortcuts, at three depths, trained alike. Written
 * down are the accuracy on held-out images (the test images stay untouched) and, all through training, the norm of every
 * convolution's gradient. He et al. (2016) saw plain networks get worse with depth on the images they were trained on;
 * Veit et al. (2016) and Balduzzi et al. (2017) say why: without short paths, gradients lose strength or meaning.
 *
 *     npx tsx bench/accuracy/residuals.ts --epochs 3
 *
 * One run makes everything: residuals.json, residuals.md (the table) and three figures.
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { type SharedOptions, wholeNumber, wholeNumbers, withSharedOptions } from '../../src/cli/options.ts';
import { withSession } from '../../src/cli/session.ts';
import { DeviceDataset, type FashionMnist } from '../../src/data/index.node.ts';
import type { ModelSpec, Module } from '../../src/nn/index.ts';
import { intervalBars } from '../../src/report/interval-bars.ts';
import { lineChart, type Series } from '../../src/report/line-chart.ts';
import { formatPercent } from '../../src/study/format.ts';
import { obtainData, type Session } from '../../src/study/index.node.ts';
import { writeFileAtomically, writeJsonAtomically } from '../../src/train/atomic-file.node.ts';
import { buildTrainee, fit, fitOptions, RECIPES, validationSplit, wilsonInterval } from '../../src/train/index.ts';
import { hardwareOf } from './hardware.ts';

interface Options extends SharedOptions {
  readonly epochs: number;
  readonly blocks: number[];
  readonly validation: number;
  readonly every: number;
}

/** The gradient norm of every convolution, from the image to the logits, at some steps. */
interface GradientRecord {
  readonly step: number;
  readonly norms: readonly number[];
}

interface Outcome {
  readonly name: string;
  readonly residual: boolean;
  /** Convolutions on the longest path and the dense layer. */
  readonly depth: number;
  readonly parameters: number;
  readonly trainAccuracy: number;
  readonly trainLoss: number;
  readonly validationAccuracy: number;
  readonly ci95: readonly [number, number];
  readonly seconds: number;
  /** Names of the convolutions, in the order of the norms. */
  readonly layers: readonly string[];
  readonly gradients: readonly GradientRecord[];
}

const WIDTHS = [16, 32, 64];

const command = withSharedOptions(new Command('residuals'))
  .option('--epochs <n>', 'passes over the training images', wholeNumber(1), 3)
  .option('--blocks <list>', 'blocks per stage, one network each', wholeNumbers(1), [1, 3, 9])
  .option('--validation <n>', 'training images held out', wholeNumber(10), 5000)
  .option('--every <steps>', 'how often gradients are recorded', wholeNumber(1), 10)
  .parse();
const options = command.opts<Options>();
const out = options.out ?? join('bench', 'accuracy', 'residuals');

await withSession(options, async session => {
  const data = await obtainData(options, session.progress);
  const outcomes: Outcome[] = [];
  for (const blocks of options.blocks) {
    for (const residual of [false, true]) outcomes.push(await train(blocks, residual, data, session));
  }
  const { epochs, seed } = options;
  const hardware = hardwareOf(session.device);
  const commandLine = ['npx tsx bench/accuracy/residuals.ts', ...process.argv.slice(2)].join(' ');
  await writeJsonAtomically(join(out, 'residuals.json'), {
    command: commandLine,
    hardware,
    sampleData: data.isSample,
    seed,
    epochs,
    trainImages: data.train.count - options.validation,
    outcomes,
  });
  await writeFileAtomically(join(out, 'residuals.md'), table(outcomes, data));
  const figure = (name: string, svg: string) => writeFileAtomically(join(out, `${name}.svg`), svg);
  await figure('gradient-by-layer', gradientByLayer(outcomes));
  await figure('gradient-of-first-layer', gradientOfFirstLayer(outcomes));
  await figure('accuracy', accuracyChart(outcomes));
  console.log(table(outcomes, data));
  console.log(`Figures: ${out}`);
});

async function train(blocks: number, residual: boolean, data: FashionMnist, session: Session): Promise<Outcome> {
  const { device, progress, signal } = session;
  const { epochs, seed } = options;
  const depth = 6 * blocks + 2;
  const name = `${residual ? 'residual' : 'plain'} ${depth}`;
  const spec: ModelSpec = {
    name: 'mini-resnet',
    options: { blocks: WIDTHS.map(() => blocks), widths: WIDTHS, residual },
  };
  const recipe = { ...RECIPES['mini-resnet'], epochs };
  const trainee = buildTrainee(spec, recipe, device, seed);
  const { model, optimizer } = trainee;
  const train = new DeviceDataset(data.train, device);
  const split = validationSplit(data.train.labels, options.validation);
  const layers = convolutionsOf(model);
  const gradients: Promise<GradientRecord>[] = [];
  const began = performance.now();
  try {
    const { history, interrupted } = await fit(model, train, optimizer, {
      ...fitOptions(recipe, split.train.length),
      seed,
      trainIndices: split.train,
      validation: { data: train, indices: split.heldOut },
      signal,
      onGradients: step => {
        if (step % options.every === 0) gradients.push(gradientNorms(model, layers, step));
      },
      onProgress: ({ epoch, batch, batches, loss, record }) => {
        progress.show(`${name}: epoch ${epoch + 1}/${epochs}  batch ${batch}/${batches}  loss ${loss.toFixed(4)}`);
        if (record)
          progress.note(`${name}: epoch ${epoch + 1}  validation ${formatPercent(record.validationAccuracy!)}`);
      },
    });
    if (interrupted) process.exit(130);
    const last = history.epochs.at(-1)!;
    return {
      name,
      residual,
      depth,
      parameters: model.parameterCount,
      trainAccuracy: last.accuracy,
      trainLoss: last.loss,
      validationAccuracy: last.validationAccuracy!,
      ci95: wilsonInterval(Math.round(last.validationAccuracy! * options.validation), options.validation),
      seconds: Math.round((performance.now() - began) / 100) / 10,
      layers,
      gradients: await Promise.all(gradients),
    };
  } finally {
    trainee.dispose();
    train.dispose();
  }
}

/** The convolutions on the longest path; shortcuts are not on it. */
function convolutionsOf(model: Module): string[] {
  return model
    .namedParameters()
    .filter(([name, { shape }]) => shape.length === 4 && !name.includes('shortcut'))
    .map(([name]) => name);
}

/** Reads all gradients as they are now, before the optimizer runs. */
async function gradientNorms(model: Module, layers: readonly string[], step: number): Promise<GradientRecord> {
  const { arena, device } = model;
  const entries = new Map(arena.parameterEntries.map(entry => [entry.name, entry]));
  const values = await device.read(arena.gradients);
  const norms = layers.map(layer => {
    const { start, length } = entries.get(layer)!;
    let squares = 0;
    for (let i = start; i < start + length; i++) squares += Number(values[i]) ** 2;
    return Math.sqrt(squares);
  });
  return { step, norms };
}

function table(outcomes: readonly Outcome[], { isSample, train }: FashionMnist): string {
  const trainImages = train.count - options.validation;
  const ratio = ({ gradients }: Outcome): string => {
    const ratios = gradients.map(({ norms }) => norms[0] / norms[norms.length - 1]);
    const [first, middle] = [ratios[0], ratios.sort((a, b) => a - b)[Math.floor(ratios.length / 2)]];
    return `${first.toPrecision(2)} / ${middle.toPrecision(2)}`;
  };
  const rows = outcomes.map(outcome => {
    const { name, parameters, trainLoss, trainAccuracy, validationAccuracy, ci95, seconds } = outcome;
    const interval = ci95.map(share => (100 * share).toFixed(1)).join(' to ');
    return `| ${[
      name,
      parameters,
      trainLoss.toFixed(3),
      formatPercent(trainAccuracy),
      `${formatPercent(validationAccuracy)} (${interval})`,
      ratio(outcome),
      seconds,
    ].join(' | ')} |`;
  });
  return [
    `${isSample ? 'SAMPLE DATA. ' : ''}Trained alike on ${trainImages} images for ${options.epochs} epochs, seed ` +
      `${options.seed}; accuracy on ` +
      `${options.validation} held-out images with its 95 % interval. The gradient ratio is the norm of the first ` +
      "convolution's gradient over the last one's: at the first step / median over training.",
    '',
    '| network, layers | parameters | training loss | training accuracy | held-out accuracy | gradient ratio | seconds |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

/** A logarithmic axis has no place for a gradient that has died. */
function isPositive({ y }: { y: number }): boolean {
  return y > 0 && Number.isFinite(y);
}

/** The mean norm over the training, by how far through the network the layer stands. */
function gradientByLayer(outcomes: readonly Outcome[]): string {
  const series = outcomes.map(({ name, layers, gradients }): Series => {
    const points = layers.map((_, layer) => ({
      x: layer / (layers.length - 1),
      y: gradients.reduce((sum, { norms }) => sum + norms[layer], 0) / gradients.length,
    }));
    return { name, points: points.filter(isPositive) };
  });
  return lineChart(series, {
    title: "Norm of each convolution's gradient, mean over training",
    xLabel: 'place in the network (0: at the image, 1: at the logits)',
    yLabel: 'gradient norm',
    yScale: 'log',
  });
}

/** The first convolution's norm, step by step. */
function gradientOfFirstLayer(outcomes: readonly Outcome[]): string {
  const series = outcomes.map(
    ({ name, gradients }): Series => ({
      name,
      points: gradients.map(({ step, norms }) => ({ x: step, y: norms[0] })).filter(isPositive),
    }),
  );
  return lineChart(series, {
    title: "Norm of the first convolution's gradient",
    xLabel: 'training step',
    yLabel: 'gradient norm',
    yScale: 'log',
  });
}

function accuracyChart(outcomes: readonly Outcome[]): string {
  const bars = outcomes.map(({ depth, residual, validationAccuracy, ci95 }) => ({
    group: `${depth} layers`,
    series: residual ? 'residual' : 'plain',
    value: 100 * validationAccuracy,
    interval: [100 * ci95[0], 100 * ci95[1]] as const,
  }));
  return intervalBars(bars, {
    title: 'Held-out accuracy by depth',
    valueLabel: 'accuracy (%)',
    note: `Lines: 95 % intervals. ${options.epochs} epochs each.`,
    format: value => value.toFixed(1),
  });
}
