/** Sheets of explanations: layout, one scale per column, colours that mean what they say. */
import { describe, expect, test } from 'vitest';
import { explanationSheet } from '../../src/report/index.ts';

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
