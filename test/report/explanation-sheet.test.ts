/** Sheets of explanations: layout, one scale per column, colours that mean what they say. */
import { describe, expect, test } from 'vitest';
import { type Segments, segmentsFromMap } from '../../src/explain/index.ts';
import {
  explainedSegments,
  explanationSheet,
  fitLines,
  limeFitTable,
  predictionLines,
} from '../../src/report/index.ts';
import { limeFit } from '../../src/study/lime-fit.ts';

const images = { values: new Float64Array(2 * 4 * 4).fill(0.5), shape: [2, 4, 4, 1] };
const pixel = ({ width, rgba }: { width: number; rgba: Uint8Array }, x: number, y: number): number[] =>
  Array.from(rgba.subarray((y * width + x) * 4, (y * width + x) * 4 + 3));

describe('explanationSheet', () => {
  // Image 0 is all +1 and image 1 all -4: one scale to 4 in both.
  const signed = {
    attribution: {
      method: 'deep-shap',
      values: Float64Array.from({ length: 32 }, (_, i) => (i < 16 ? 1 : -4)),
      shape: [2, 4, 4, 1],
    },
    display: 'signed' as const,
  };
  const low = {
    attribution: { method: 'grad-cam', values: Float64Array.of(-3, -3, -3, -3, 8, 8, 8, 8), shape: [2, 2, 2] },
    display: 'positive' as const,
  };
  const { sheet, scales } = explanationSheet(images, [signed, low], { scale: 2, opacity: 1 });
  /** Top left corner of a cell. */
  const at = (column: number, row: number): [number, number] => [4 + column * 12, 4 + row * 12];

  test('has a row per image, a column per method, and a row of bars', () => {
    expect([sheet.width, sheet.height]).toEqual([3 * 8 + 4 * 4, 3 * 8 + 4 * 4]);
    expect(pixel(sheet, ...at(0, 0))).toEqual([128, 128, 128]);
  });

  test('gives a column one scale', () => {
    expect(scales).toEqual([
      { method: 'deep-shap', low: -4, high: 4 },
      { method: 'grad-cam', low: 0, high: 8 },
    ]);
    const [for1, against4] = [pixel(sheet, ...at(1, 0)), pixel(sheet, ...at(1, 1))];
    // A quarter of the scale is a pale red, the end of it the darkest blue.
    expect(for1[0]).toBeGreaterThan(for1[2]);
    expect(against4).toEqual([0x05, 0x30, 0x61]);
  });

  test('shows only the positive part of a map without direction', () => {
    expect(pixel(sheet, ...at(2, 0))).toEqual([0x44, 0x01, 0x54]);
    expect(pixel(sheet, ...at(2, 1))).toEqual([0xfd, 0xe7, 0x25]);
  });

  test('stays finite for flat maps, and refuses maps of other images', () => {
    const flat = { ...low, attribution: { ...low.attribution, values: new Float64Array(8) } };
    expect(explanationSheet(images, [flat]).scales[0].high).toBe(0);
    const one = { ...low, attribution: { ...low.attribution, values: new Float64Array(4), shape: [1, 2, 2] } };
    expect(() => explanationSheet(images, [one])).toThrow(/grad-cam explains 1 images, but the sheet shows 2/);
  });
});

describe('captions and borders', () => {
  const cut = segmentsFromMap(
    Array.from({ length: 16 }, (_, i) => (i % 4 < 2 ? 0 : 1)),
    [4, 4],
  );
  const column = (segments?: Segments[]) => ({
    attribution: { method: 'lime', values: new Float64Array(32).fill(1), shape: [2, 4, 4, 1] },
    display: 'signed' as const,
    segments,
  });

  test('the borders of the pieces are drawn on the maps, not on the images', () => {
    const { sheet } = explanationSheet(images, [column([cut, cut])], { scale: 4, opacity: 1 });
    const { sheet: bare } = explanationSheet(images, [column()], { scale: 4, opacity: 1 });
    const changed = sheet.rgba.reduce((sum, value, i) => sum + Number(i % 4 === 0 && value !== bare.rgba[i]), 0);
    // One line of 16 pixels in each of two maps.
    expect(changed).toBe(32);
    expect(pixel(sheet, 4 + 20 + 8, 4)).not.toEqual(pixel(bare, 4 + 20 + 8, 4));
    expect(() => explanationSheet(images, [column([cut])])).toThrow(/lime has segments for 1 images/);
  });

  test('captions make room for words: a heading, a column of text, the ends of the scale', () => {
    const captions = [['Coat 84.0%', 'explained: Coat'], ['Bag']];
    const { sheet } = explanationSheet(images, [column()], { scale: 4, captions });
    const other = explanationSheet(images, [column()], { scale: 4, captions: [captions[0], ['Shirt']] }).sheet;
    const { sheet: bare } = explanationSheet(images, [column()], { scale: 4 });
    expect(sheet.width).toBeGreaterThan(bare.width + 132);
    expect([sheet.width, sheet.height]).toEqual([other.width, other.height]);
    expect(sheet.rgba).not.toEqual(other.rgba);
    // Words need a background of their own.
    expect(sheet.rgba.every((value, i) => i % 4 !== 3 || value === 255)).toBe(true);
    expect(() => explanationSheet(images, [column()], { captions: [['Coat']] })).toThrow(/1 captions for 2 images/);
  });
});

describe('what stands beside an explanation', () => {
  const nameOf = (label: number): string => ['Coat', 'Bag', 'Shirt', 'Dress'][label];
  const lime = {
    method: 'lime',
    shape: [2, 4, 4, 1],
    segments: [0, 1].map(() => ({ labels: new Int32Array(16).fill(0), shape: [4, 4] as const, count: 1 })),
    explained: [
      { label: 1, r2: 0.6543, probability: 0.8, localPrediction: 0.7512, weights: new Float64Array(1), intercept: 0 },
      { label: 2, r2: -0.1, probability: 0.5, localPrediction: 0.4, weights: new Float64Array(1), intercept: 0 },
    ],
    changed: Float64Array.of(0.25, 0),
  };

  test('the likeliest classes with their probabilities, and the class explained', () => {
    const probabilities = [0.1, 0.6, 0.05, 0.25];
    expect(predictionLines({ source: 'test 3', label: 3, target: 1, probabilities }, nameOf, 2)).toEqual([
      'test 3',
      'true: Dress',
      '',
      'Bag 60.0%',
      'Dress 25.0%',
      '',
      'explained: Bag',
    ]);
    const unlikely = predictionLines({ label: null, target: 2, probabilities }, nameOf, 1);
    expect(unlikely).toEqual(['true class not known', '', 'Bag 60.0%', 'Shirt 5.0%', '', 'explained: Shirt']);
  });

  test('how well a linear model fits, for LIME and for nothing else', () => {
    expect(fitLines(lime, 0)).toEqual(['LIME: R2 0.65', 'it predicts 75.1%', 'class changed 25.0%']);
    expect(fitLines({ method: 'deep-shap' }, 0)).toEqual([]);
    expect(limeFit(lime)).toEqual({
      r2: [0.6543, -0.1],
      probability: [0.8, 0.5],
      localPrediction: [0.7512, 0.4],
      changed: [0.25, 0],
    });
    expect(limeFit({ method: 'deep-shap' })).toBeUndefined();
    const table = limeFitTable([{ method: 'grad-cam' }, lime], ['a', 'b'], nameOf)!;
    expect(table.rows).toEqual([
      ['a', 'Bag', 1, '0.654', '80.0 %', '75.1 %', '25.0 %'],
      ['b', 'Shirt', 1, '-0.100', '50.0 %', '40.0 %', '0.0 %'],
    ]);
    expect(limeFitTable([{ method: 'grad-cam' }], [], nameOf)).toBeUndefined();
  });

  test('the pieces of a method that explains by pieces', () => {
    expect(explainedSegments(lime)).toEqual(lime.segments);
    const labels = Int32Array.from({ length: 16 }, (_, i) => i % 4);
    const game = (players: { labels: Int32Array; count: number }) => ({
      shape: [1, 4, 4, 1],
      images: [
        { players, values: new Float64Array(), present: new Float64Array(), absent: new Float64Array(), coalitions: 1 },
      ],
    });
    expect(explainedSegments(game({ labels, count: 4 }))).toEqual([{ labels, count: 4, shape: [4, 4] }]);
    const single = Int32Array.from({ length: 16 }, (_, i) => i);
    expect(explainedSegments(game({ labels: single, count: 16 }))).toBeUndefined();
    expect(explainedSegments({ shape: [1, 4, 4, 1] })).toBeUndefined();
    // A sliding window has results per image too, but no players.
    expect(explainedSegments({ shape: [1, 4, 4, 1], images: [{}] })).toBeUndefined();
  });
});
