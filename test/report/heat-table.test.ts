/** Heat tables, strips of a photograph's stages, and the chapters made of them. */
import { describe, expect, test } from 'vitest';
import { preparePhoto } from '../../src/data/photo.ts';
import { heatTable } from '../../src/report/heat-table.ts';
import { encodePng, htmlReport } from '../../src/report/index.node.ts';
import { photoStages } from '../../src/report/photo-stages.ts';
import { photosSection } from '../../src/report/study/photos.ts';
import { robustnessSection } from '../../src/report/study/robustness.ts';
import type { PhotosResult, RobustnessResult } from '../../src/study/results.ts';

describe('heatTable', () => {
  const cells = [
    { row: 'fog', column: '1', value: 90.123 },
    { row: 'fog', column: '3', value: 55 },
    { row: 'rotate', column: '1', value: Number.NaN },
    { row: 'rotate', column: '3', value: 12, text: 'twelve' },
  ];
  const options = { title: 'A < B', domain: [10, 100], format: (value: number) => value.toFixed(1) } as const;

  test('writes every value, and colours it by its place in the range', () => {
    const svg = heatTable(cells, { ...options, columnLabel: 'severity', note: 'a note' });
    for (const text of ['A &lt; B', '90.1', '55.0', 'twelve', 'severity', 'fog', 'rotate', 'a note']) {
      expect(svg).toContain(text);
    }
    expect(svg).not.toContain('NaN');
    const opacities = [...svg.matchAll(/<rect[^>]*fill-opacity="([\d.]+)"/g)].map(match => Number(match[1]));
    expect(opacities).toHaveLength(4);
    expect(opacities[0]).toBeCloseTo((90.123 - 10) / 90, 6);
    expect(opacities[2]).toBe(0);
  });

  test('refuses what cannot be drawn', () => {
    expect(() => heatTable([], options)).toThrow(/at least one cell/);
    expect(() => heatTable(cells, { ...options, domain: [5, 5] })).toThrow(/from 5 to 5/);
  });
});

const rgba = new Uint8Array(200 * 100 * 4).fill(255);
for (let p = 0; p < 200 * 100; p++) if (p % 200 > 60 && p % 200 < 140) rgba.set([200, 0, 0, 255], 4 * p);
const prepared = preparePhoto({ width: 200, height: 100, rgba });

test('the stages of a photograph stand side by side, the first in colour', () => {
  const sheet = photoStages(prepared.stages);
  expect([sheet.width, sheet.height]).toEqual([9 * 84 + 10 * 4, 84 + 8]);
  const at = (x: number, y: number): number[] =>
    Array.from(sheet.rgba.subarray(4 * (y * sheet.width + x), 4 * (y * sheet.width + x) + 3));
  expect(at(4 + 42, 4 + 42)).toEqual([200, 0, 0]);
  // The last: white ground drawn to black, the garment light.
  const last = 4 + 8 * 88;
  expect(at(last + 42, 4 + 42)[0]).toBeGreaterThan(150);
  expect(at(last + 2, 4 + 42)[0]).toBe(0);
  expect(() => photoStages(prepared.stages, { edge: 0 })).toThrow(/0 pixels/);
});

const png = encodePng(photoStages(prepared.stages));
const svg = heatTable([{ row: 'fog', column: '1', value: 50 }], { title: 't', domain: [0, 100] });
const figure = (file: string) => (file.endsWith('.svg') ? { svg } : { png });

test('the chapter on robustness says what its own numbers say', () => {
  const counted = (right: number) => ({
    images: 100,
    right,
    accuracy: right / 100,
    ci95: [right / 100 - 0.05, right / 100 + 0.05] as const,
  });
  const point = (severity: number, right: number) => ({ severity, ...counted(right), relative: right / 90 });
  const result: RobustnessResult = {
    ...{ device: 'wasm', seed: 0, sampleData: false, images: 100, severities: [1, 5] },
    models: [
      {
        ...{
          model: 'cnn',
          checkpoint: 'x',
          clean: counted(90),
          severities: [1, 5],
          meanAccuracy: 0.675,
          meanRelative: 0.75,
        },
        rows: [
          {
            corruption: 'fog',
            family: 'tone',
            what: 'clouds',
            graded: true,
            accuracy: 0.45,
            points: [point(1, 70), point(5, 20)],
          },
          {
            corruption: 'scale',
            family: 'geometry',
            what: 'smaller',
            graded: true,
            accuracy: 0.9,
            points: [point(1, 91), point(5, 89)],
          },
        ],
      },
    ],
    figures: { sheet: 's.png', strips: [{ corruption: 'fog', file: 'f.png' }], tables: ['t.svg'] },
  };
  const html = htmlReport({ title: 'R', sections: [robustnessSection(result, figure)] });
  expect(html).toContain('“fog” costs most (45.0 % on average), “scale” least (90.0 %)');
  expect(html).toContain('stays within the clean interval for scale.');
  expect(html).toContain('fog: clouds');
  expect(html).toContain('20.0 % (15.00 to 25.00 %)');
});

test('the chapter on photographs names what was said, the truth, warnings, and what could not be read', () => {
  const top = [
    { class: 4, name: 'Coat', probability: 0.7 },
    { class: 6, name: 'Shirt', probability: 0.2 },
  ];
  const photo = { file: 'a', name: 'a.jpg', top, label: 'Shirt', right: false, negated: true, warnings: [] };
  const warned = {
    ...photo,
    name: 'b.jpg',
    label: null,
    right: null,
    warnings: [{ kind: 'small' as const, text: 'Too small.' }],
  };
  const result: PhotosResult = {
    ...{ device: 'wasm', model: 'cnn', checkpoint: 'x', ownPictures: false, resize: 'area', levels: true, outside: 2 },
    photos: [photo, warned],
    unreadable: [{ name: 'c.jpg', reason: 'c.jpg is <empty>.' }],
    accuracy: {
      images: 1,
      right: 0,
      accuracy: 0,
      ci95: [0, 0.79],
      macro: 0,
      perLabel: [{ label: 'Shirt', images: 1, right: 0 }],
    },
    stages: ['1.png', '2.png'],
  };
  const html = htmlReport({ title: 'R', sections: [photosSection(result, figure)] });
  for (const text of [
    ...['a.jpg: Coat 70 %, Shirt 20 %. It shows: Shirt (wrong).', 'b.jpg: Coat 70 %, Shirt 20 %. Too small.'],
    ...[
      'c.jpg is &lt;empty&gt;.',
      '0 of 1 pictures are named rightly',
      '2 further pictures show none of the ten classes',
    ],
  ]) {
    expect(html).toContain(text);
  }
  const unlabelled = photosSection({ ...result, accuracy: null, unreadable: [] }, figure);
  expect(unlabelled.blocks.some(({ kind }) => kind === 'facts')).toBe(false);
});
