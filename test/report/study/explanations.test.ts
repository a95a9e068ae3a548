/** The chapter that judges explanations: what it claims follows from the intervals, and what was not measured is not shown. */
import { describe, expect, it } from 'vitest';
import { judgedMeasure } from '../../../src/explain/judging/judgement.ts';
import { htmlReport } from '../../../src/report/html.ts';
import { explanationsSection, judgementFigures, number } from '../../../src/report/study/explanations.ts';
import type { JudgeResult } from '../../../src/study/results.ts';

const methods = [
  { name: 'deep-shap', isBaseline: false, seconds: 2 },
  { name: 'guided-backprop', isBaseline: false, seconds: 1 },
  { name: 'eigen-cam', isBaseline: false, seconds: 1 },
  { name: 'random-map', isBaseline: true, seconds: 0.1 },
];
const scores = (...means: number[]) =>
  means.map((mean, m) => Array.from({ length: 40 }, (_, i) => mean + 0.02 * Math.sin(i * (m + 1))));
const measured = [
  judgedMeasure('deletion', methods, scores(0.2, 0.5, 0.3, 0.5), 'random-map'),
  judgedMeasure('road', methods, scores(0.3, -0.1, 0.1, 0), 'random-map'),
  judgedMeasure('randomisation', methods, scores(0, 0.7, 0.9, 1), 'random-map'),
  judgedMeasure('randomisation-absolute', methods, scores(0.8, 0.2, 0.9, 1), 'random-map'),
  judgedMeasure('cue', methods, scores(0.9, 0.4, 0.1, 0.08), 'random-map'),
];
const judgement = {
  ...{ images: 40, seed: 0, methods, missing: [] },
  measures: measured,
  agreement: [
    [1, 0.3, 0.1, 0],
    [0.3, 1, -0.2, 0],
    [0.1, -0.2, 1, null],
    [0, 0, null, 1],
  ],
  cue: { accuracy: 1, area: 64 / 784, steps: 80, loss: 0.001 },
};

const resultOf = (of: typeof judgement): JudgeResult => ({
  ...of,
  ...{ device: 'wasm', model: 'cnn', checkpoint: 'x', sampleData: false, background: 20, seconds: 9 },
  figures: Object.keys(judgementFigures(of)),
});
const sectionOf = (of: typeof judgement) => {
  const figures = judgementFigures(of);
  return explanationsSection(resultOf(of), file => ({ svg: figures[file] }));
};
const captions = (of: typeof judgement): string =>
  sectionOf(of)
    .blocks.map(block => ('caption' in block ? block.caption : 'text' in block ? block.text : ''))
    .join('\n');

describe('the chapter on judged explanations', () => {
  it('says what the intervals allow', () => {
    const text = captions(judgement);
    expect(text).toContain('deep-shap and eigen-cam beat them by every measure here');
    expect(text).toContain('Not certain by every measure: guided-backprop');
    expect(text).toContain('by deletion deep-shap; by ROAD deep-shap');
    expect(text).toContain('guided-backprop (0.70) hardly changes');
    expect(text).toContain('eigen-cam cannot be judged so');
    expect(text).toContain('would have accused deep-shap');
    expect(text).toContain('deep-shap puts at least 80 %');
    expect(text).toContain(
      'Most alike are deep-shap and guided-backprop (0.30), least guided-backprop and eigen-cam (-0.20)',
    );
  });

  it('marks the best in the table, writes an interval into every cell, and makes a page', () => {
    const section = sectionOf(judgement);
    const table = section.blocks.find(block => block.kind === 'table')!;
    expect(table.columns[1]).toBe('deletion (less is better)');
    expect(table.rows[0][1]).toMatch(/^0\.20\d* \(.* to .*\) ★$/);
    expect(table.rows[1][1]).not.toMatch(/★|☆/);
    expect(table.rows[2][3]).toMatch(/exempt$/);
    const html = htmlReport({ title: 'x', sections: [section] });
    expect(html.match(/role="img"/g)).toHaveLength(4);
    expect(html).toContain('One of them knows nothing of the network and is there for comparison: random numbers.');
  });

  it('shows only what was measured', () => {
    const { cue: _, ...rest } = judgement;
    const less = { ...rest, measures: [measured[2]], missing: ['road'] } as unknown as typeof judgement;
    expect(Object.keys(judgementFigures(less))).toEqual(['judging-randomised.svg', 'judging-agreement.svg']);
    expect(captions(less)).toContain('Not reached: road');
  });

  it('numbers', () => {
    expect([0, 0.12345, -0.5, 1.6e-7, 12.345, 1234.5].map(number)).toEqual([
      '0',
      '0.123',
      '-0.500',
      '1.6e-7',
      '12.3',
      '1235',
    ]);
  });
});
