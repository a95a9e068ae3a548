/** Chapters of the study's report from results made by hand: what they say follows from the numbers, and what is missing is named. */
import { describe, expect, test } from 'vitest';
import { buildModel } from '../../src/nn/index.ts';
import { encodePng, htmlReport, imagePicture, lineChart, valueRange } from '../../src/report/index.node.ts';
import type { FigureSource } from '../../src/report/study/chapter.ts';
import { counted, duration, interval, percent, whole } from '../../src/report/study/chapter.ts';
import { calibrationSection, evaluationSection, mistakesSection } from '../../src/report/study/evaluation.ts';
import { featureMapSheet, filterSheet } from '../../src/report/study/inside.ts';
import { missingChapter, type RunRecord, studyReport } from '../../src/report/study/report.ts';
import { trainingSection } from '../../src/report/study/training.ts';
import { tuningFigures, tuningSection } from '../../src/report/study/tuning.ts';
import type { EvaluationResult, NetworkEvaluation, TuneResult } from '../../src/study/results.ts';
import {
  confidentMistakes,
  drawChoices,
  evaluateLogits,
  marginalEffects,
  mcNemarFromCounts,
  RECIPES,
  ranking,
  reliabilityTable,
  softmaxRows,
  successiveHalving,
} from '../../src/train/index.ts';

const NAMES = ['boot', 'bag'];
const PNG = encodePng(imagePicture([0, 0.5, 0.5, 1], 2, 2));
const read: FigureSource = file =>
  file.endsWith('.svg')
    ? { svg: lineChart([{ name: 'a', points: [{ x: 0, y: 1 }] }], { title: file, xLabel: 'x', yLabel: 'y' }) }
    : { png: PNG };
const html = (...sections: Parameters<typeof htmlReport>[0]['sections'][number][]): string =>
  htmlReport({ title: 'test', sections });

test('numbers as they are written', () => {
  expect([percent(0.92154), percent(0.5, 0), interval([0.9, 0.95])]).toEqual(['92.15 %', '50 %', '90.00 to 95.00 %']);
  expect([whole(60000), counted(1, 'epoch'), counted(3, 'epoch')]).toEqual(['60,000', '1 epoch', '3 epochs']);
  expect([duration(3.21), duration(42.4), duration(75), duration(59.9)]).toEqual(['3.2 s', '42 s', '1:15 min', '60 s']);
});

/** Four images, of which the network has `right` right. */
function network(name: string, logits: number[]): NetworkEvaluation {
  const labels = [0, 0, 1, 1];
  const probabilities = softmaxRows(logits, 2);
  const mistakes = confidentMistakes(probabilities, labels, 4);
  return {
    network: name,
    model: name,
    checkpoint: '',
    parameters: 12_345,
    imagesPerSecond: 1000,
    ...evaluateLogits(logits, labels, NAMES),
    reliability: reliabilityTable(probabilities, labels, 5),
    temperature: 1.25,
    calibrated: { nll: 0.1, brier: 0.2, ece: 0.03 },
    confusedPairs: mistakes.map(({ label, predicted, index }) => ({
      label,
      predicted,
      count: 1,
      images: [index],
      figure: 'pair.png',
    })),
    mistakes,
    figures: {
      confusion: 'c.svg',
      perClass: 'p.svg',
      reliability: 'r.svg',
      ...(mistakes.length > 0 && { mistakes: 'm.png' }),
    },
  };
}

const result = (onlyFirst: number, onlySecond: number): EvaluationResult => ({
  device: 'test',
  seed: 0,
  sampleData: false,
  classNames: NAMES,
  testImages: 4,
  networks: [network('one', [3, 0, 0, 1, 0, 2, 1, 0]), network('two', [3, 0, 2, 1, 0, 2, 0, 1])],
  comparison: {
    first: 'one',
    second: 'two',
    test: mcNemarFromCounts(onlyFirst, onlySecond),
    difference: { estimate: 0.02, low: -0.01, high: 0.05, level: 0.95, resamples: 2000, method: 'bootstrap' },
  },
  inside: { image: 0, label: 'boot', figure: 'example.png', networks: [] },
});

describe('evaluation', () => {
  test('accuracies with intervals, and a verdict that follows from the test', () => {
    const even = html(evaluationSection(result(30, 34), read));
    expect(even).toMatch(/50\.00 %/);
    expect(even).toMatch(/one alone is right on 30, two alone on 34/);
    expect(even).toMatch(/neither may be called better/);
    expect(html(evaluationSection(result(10, 90), read))).toMatch(/more than luck/);
  });

  test('the confused classes are named, with pictures', () => {
    expect(html(evaluationSection(result(1, 2), read))).toMatch(/boot taken for bag: 1/);
  });

  test('calibration before and after; confident mistakes, or none', () => {
    const page = html(calibrationSection(result(1, 2), read), mistakesSection(result(1, 2), read));
    expect(page).toContain('1.250');
    expect(page).toContain('one: its 2 surest mistakes');
    expect(page).toContain('two has every test image right');
  });
});

describe('inside', () => {
  test('filters share one scale: the weaker of two is paler', () => {
    // Two filters of one pixel: 1 and -0.5. Tiles are 56 pixels wide with a gap of 4.
    const { rgba, width } = filterSheet([1, -0.5], [1, 1, 1, 2]);
    const colour = (x: number) => Array.from(rgba.subarray((10 * width + x) * 4, (10 * width + x) * 4 + 3));
    const [strong, weak] = [colour(10), colour(70)];
    expect(strong[0]).toBeGreaterThan(strong[2]); // red
    expect(weak[2]).toBeGreaterThan(weak[0]); // blue
    expect(Math.max(...weak)).toBeGreaterThan(Math.max(...strong));
  });

  test('a filter of three channels is a colour, one of two their mean', () => {
    const pixel = ({ rgba, width }: { rgba: Uint8Array; width: number }) =>
      Array.from(rgba.subarray((10 * width + 10) * 4, (10 * width + 10) * 4 + 3));
    expect(pixel(filterSheet([1, 0, -1], [1, 1, 3, 1]))).toEqual([255, 128, 0]);
    expect(pixel(filterSheet([1, 0], [1, 1, 2, 1]))).toEqual(pixel(filterSheet([0.5, 1], [1, 1, 1, 2])));
  });

  test('feature maps: the first channels only', () => {
    const sheet = featureMapSheet(
      Float32Array.from({ length: 2 * 2 * 20 }, (_, i) => i),
      [2, 2, 20],
      16,
    );
    expect([sheet.width, sheet.height]).toEqual([8 * 56 + 9 * 4, 2 * 56 + 3 * 4]);
    expect(valueRange([3, 1, 2])).toEqual([1, 3]);
  });
});

test('training: recipe, layers and the curve of both networks', () => {
  const model = { name: 'cnn', options: { widths: [2, 3], hidden: 4 } } as const;
  const page = html(
    trainingSection([
      {
        model,
        recipe: RECIPES.cnn,
        summary: buildModel(model).summary(),
        parameters: 1234,
        trainImages: 900,
        validationImages: 100,
        validationAccuracy: 0.8,
        bestEpoch: 2,
        history: [1, 2].map(epoch => ({
          ...{ epoch, loss: 1, accuracy: 0.7, learningRate: 0.1, seconds: 3 },
          ...{ validationLoss: 1, validationAccuracy: 0.8 },
        })),
        read,
      },
    ]),
  );
  expect(page).toContain('conv1_1');
  expect(page).toMatch(/70\.0 % of the \(altered\) training images right and 80\.0 %/);
  expect(page).toContain('80.00');
  expect(page).toContain('300'); // images a second: 900 images, two epochs, six seconds
});

describe('tuning', () => {
  const space = [
    { name: 'size', values: [1, 3] },
    { name: 'rate', low: 0.01, high: 1 },
  ];
  const search = async (accuracy: (size: number) => number | null): Promise<TuneResult> => {
    const halving = { budgets: [1, 3], eta: 2 };
    const trials = await successiveHalving(drawChoices(space, 4, 0), halving, async ({ size }) => ({
      accuracy: accuracy(Number(size)),
      loss: 1,
      seconds: 2,
    }));
    return {
      ...{
        model: 'cnn',
        widths: [4, 8],
        device: 'wasm',
        adapter: '',
        seed: 0,
        sampleData: false,
        trainImages: 100,
        heldOutImages: 400,
      },
      ...{ space, halving, unit: 'epoch', trials, effects: marginalEffects(space, trials), seconds: 12 },
      best: accuracy(3) === null ? null : ranking(trials)[0].id,
    };
  };

  test('a row per trial and per option, and how much may be luck', async () => {
    const found = await search(size => (size === 3 ? 0.5 : 0.25));
    expect(Object.keys(tuningFigures(found))).toEqual(['effects.svg', 'ladder.svg']);
    const page = html(tuningSection(found, read));
    expect(page).toMatch(/After 1 epoch one in 2 went on, from a fresh start, to 3 epochs/);
    expect(page).toContain('± 2.5'); // sqrt(0.5 * 0.5 / 400)
    expect(page.match(/<tr><td[^>]*>size<\/td>/g)).toHaveLength(2);
  });

  test('a search in which all failed has a table and no charts', async () => {
    const failed = await search(() => null);
    expect(tuningFigures(failed)).toEqual({});
    expect(html(tuningSection(failed, () => expect.unreachable()))).toContain('failed');
  });
});

describe('the frame', () => {
  const run: RunRecord = {
    ...{
      settings: 'quick',
      command: 'npx weft run',
      seed: 7,
      device: 'a device',
      machine: 'a machine',
      isSample: true,
    },
    versions: { weft: '1.2.3' },
    limit: 500,
    stages: [
      { stage: 'data', state: 'done', seconds: 70 },
      { stage: 'tune', state: 'failed', seconds: 5, message: 'No space is left.' },
    ],
  };

  test('says what was run and what is missing', () => {
    const missing = missingChapter('Tuning', 'The stage tune failed: No space is left.');
    const page = htmlReport(studyReport(run, [missing], undefined));
    for (const text of [
      'npx weft run',
      'a device',
      '1.2.3',
      '1:15 min',
      'SAMPLE DATA',
      'first 500 images',
      'Missing: tune',
    ]) {
      expect(page, text).toContain(text);
    }
    expect(page).toMatch(/This chapter is missing\. The stage tune failed: No space is left\./);
  });

  test('concludes from the figures', () => {
    const page = htmlReport(studyReport(run, [], result(1, 2)));
    expect(page).toMatch(/one has 50\.00 % of the test images right/);
    expect(page).toMatch(/division of the scores by 1\.25/);
  });
});
