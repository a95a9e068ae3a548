/**
 * Charts: what is drawn says what was given (read back from the SVG through its own axes), every figure is well-formed,
 * self-contained and the same each time, and no name can break out of its place.
 */
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { ShapeError, UsageError } from '../../src/devices/errors.ts';
import { BLUE, ORANGE } from '../../src/report/color.ts';
import { confusionMatrixChart } from '../../src/report/confusion-matrix.ts';
import { wholeTicks } from '../../src/report/figure.ts';
import { htmlReport } from '../../src/report/html.ts';
import { intervalBars, perClassChart } from '../../src/report/interval-bars.ts';
import { learningCurve } from '../../src/report/learning-curve.ts';
import { lineChart } from '../../src/report/line-chart.ts';
import type { Picture } from '../../src/report/picture.ts';
import { reliabilityDiagram } from '../../src/report/reliability-diagram.ts';
import { rooflineChart } from '../../src/report/roofline-chart.ts';
import { scatterChart } from '../../src/report/scatter-chart.ts';
import { reliabilityTable } from '../../src/train/calibration.ts';
import { classMetrics } from '../../src/train/metrics.ts';

const HOSTILE = `<script>alert("1")</script> & 'co' -->`;

const matrix = [
  [90, 10, 0],
  [1, 99, 0],
  [0, 36, 64],
];
const probabilities = Array.from({ length: 50 }, (_, image) => [0.51 + image / 110, 0.49 - image / 110]).flat();
const labels = Array.from({ length: 50 }, (_, image) => (image % 4 === 0 ? 1 : 0));
const epochs = [
  { epoch: 1, trainLoss: 1.25, validationLoss: 0.75, trainAccuracy: 0.5, validationAccuracy: 0.75 },
  { epoch: 2, trainLoss: 0.5, validationLoss: 0.625, trainAccuracy: 0.875, validationAccuracy: 0.8 },
  { epoch: 4, trainLoss: 0.25, validationLoss: 0.375, trainAccuracy: 0.9375, validationAccuracy: 0.85 },
];

/** Every kind of figure, with this text wherever a caller's text can go. */
function everyFigure(name: string): Record<string, string> {
  const names = [name, 'Bag', 'Coat'];
  const series = [
    {
      name,
      points: [
        { x: 1, y: 10, interval: [8, 12] as const },
        { x: 2, y: 1000 },
      ],
    },
  ];
  return {
    learningCurve: learningCurve(epochs, { title: name }),
    confusionMatrix: confusionMatrixChart(matrix, names, { title: name }),
    reliability: reliabilityDiagram(reliabilityTable(probabilities, labels), { title: name }),
    perClass: perClassChart(classMetrics(matrix, names), { title: name }),
    bars: intervalBars([{ group: name, series: name, value: -3 }], { title: name, valueLabel: name, note: name }),
    lines: lineChart(series, { title: name, xLabel: name, yLabel: name, yScale: 'log', note: name }),
    roofline: rooflineChart({
      title: name,
      peaks: [{ name, rate: 100 }],
      slopes: [{ name, rate: 20 }],
      groups: [{ name, points: [{ name, intensity: 2, rate: 30, remark: name }] }],
      others: { name, points: [{ name, intensity: 1, rate: 10 }] },
      note: name,
    }),
    scatter: scatterChart([0, 0, 1, 2, 3, 1], [0, 1, 0], names, {
      title: name,
      xLabel: name,
      yLabel: name,
      note: name,
    }),
  };
}

/** Fails on what an XML parser would: tags that do not close in order, attributes without quotes, bare & or <. */
function checkWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)([A-Za-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/g,
    (_, closing, name, _attributes, empty) => {
      if (closing) expect(open.pop()).toBe(name);
      else if (!empty) open.push(name);
      return '';
    },
  );
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<]/);
  expect(svg).not.toMatch(/&(?!(amp|lt|gt|quot|apos|#\d+);)/);
}

const documentOf = (svg: string) => parseHTML(`<body>${svg}</body>`).document;

/** The text of an SVG, element by element. */
const textsOf = (svg: string): string[] =>
  [...documentOf(svg).querySelectorAll('text')].map(text => text.textContent ?? '');

/** Where an element is moved to, by itself and by the group it is in. */
const translation = (element: Element): [number, number] => {
  const place: [number, number] = [0, 0];
  for (const { attributes } of [element, element.parentElement!]) {
    const moved = /translate\(([-\d.]+),([-\d.]+)\)/.exec(attributes.getNamedItem('transform')?.value ?? '');
    place[0] += Number(moved?.[1] ?? 0);
    place[1] += Number(moved?.[2] ?? 0);
  }
  return place;
};

/** The inverse of a panel's linear axis, from two of its tick labels. */
function axisOf(panel: Element, axis: 'x' | 'y'): (pixel: number) => number {
  const group = panel.querySelector(`[aria-label="${axis}-axis tick label"]`)!;
  const ticks = [...group.querySelectorAll('text')].map(text => ({
    value: Number(text.textContent!.replace('−', '-')),
    pixel: translation(text)[axis === 'x' ? 0 : 1],
  }));
  const [first, last] = [ticks[0], ticks[ticks.length - 1]];
  return pixel => first.value + ((pixel - first.pixel) / (last.pixel - first.pixel)) * (last.value - first.value);
}

describe('every figure', () => {
  it.each(Object.entries(everyFigure('Shirt')))('%s is well-formed, self-contained and fit for a report', (_, svg) => {
    expect(svg).toMatch(/^<svg [^>]*viewBox="0 0 \d+ \d+" xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    checkWellFormed(svg);
    expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(
      /https?:|url\(|@import|<script|NaN|Infinity|undefined/,
    );
    expect(svg).toContain('role="img"');
    expect(svg).toContain('prefers-color-scheme:dark');
    const figure = { kind: 'figure', svg, caption: 'what it shows' } as const;
    const page = htmlReport({ title: '', sections: [{ title: '', blocks: [figure] }] });
    expect(page).toContain(svg);
    expect(page).toContain('<figcaption>what it shows</figcaption>');
  });

  it('is the same each time', () => {
    expect(everyFigure('Shirt')).toEqual(everyFigure('Shirt'));
  });

  it.each(Object.entries(everyFigure(HOSTILE)))('%s shows a hostile name as text', (_, svg) => {
    checkWellFormed(svg);
    const document = documentOf(svg);
    expect(document.querySelectorAll('script')).toHaveLength(0);
    // The name is whole in the figure's label; a note is broken into lines, a title may carry a number.
    expect(document.querySelector('svg')!.getAttribute('aria-label')).toContain(HOSTILE);
    expect(textsOf(svg).some(text => text.includes(HOSTILE))).toBe(true);
  });
});

describe('learningCurve', () => {
  const [loss, accuracy] = [...documentOf(learningCurve(epochs)).querySelectorAll('svg.weft-panel')];
  const dotsOf = (panel: Element, color: string) => {
    const [x, y] = [axisOf(panel, 'x'), axisOf(panel, 'y')];
    return [...panel.querySelectorAll('circle')]
      .filter(dot => (dot.getAttribute('fill') ?? dot.parentElement!.getAttribute('fill')) === color)
      .map(dot =>
        [x(Number(dot.getAttribute('cx'))), y(Number(dot.getAttribute('cy')))].map(value => value.toFixed(3)),
      );
  };
  const wanted = (key: 'trainLoss' | 'validationLoss' | 'trainAccuracy' | 'validationAccuracy', scale = 1) =>
    epochs.map(row => [row.epoch, row[key] * scale].map(value => value.toFixed(3)));

  it('puts every epoch where its axes say', () => {
    expect(dotsOf(loss, ORANGE)).toEqual(wanted('trainLoss'));
    expect(dotsOf(loss, BLUE)).toEqual(wanted('validationLoss'));
    expect(dotsOf(accuracy, ORANGE)).toEqual(wanted('trainAccuracy', 100));
    expect(dotsOf(accuracy, BLUE)).toEqual(wanted('validationAccuracy', 100));
  });

  it('leaves out what was not measured, and draws a single epoch', () => {
    const svg = learningCurve([{ epoch: 1, trainLoss: 0.5 }]);
    expect(documentOf(svg).querySelectorAll('svg.weft-panel')).toHaveLength(1);
    expect(documentOf(svg).querySelectorAll('circle')).toHaveLength(1);
    expect(textsOf(svg)).not.toContain('held out');
    expect(() => learningCurve([])).toThrow(UsageError);
    expect(() => learningCurve([{ epoch: 1, trainLoss: Number.NaN }])).toThrow(UsageError);
  });
});

describe('confusionMatrixChart', () => {
  const names = ['Shirt', 'Bag', 'Coat'];
  const document = documentOf(confusionMatrixChart(matrix, names));

  it('writes every count into its cell', () => {
    const cells = [...document.querySelectorAll('rect')].map(rect => ({
      x: Number(rect.getAttribute('x')),
      y: Number(rect.getAttribute('y')),
      title: rect.querySelector('title')!.textContent,
      opacity: Number(rect.getAttribute('fill-opacity')),
      fill: rect.getAttribute('fill'),
    }));
    expect(cells).toHaveLength(9);
    cells.forEach(({ title, opacity, fill }, index) => {
      const [r, c] = [Math.floor(index / 3), index % 3];
      expect(title).toContain(`${names[r]} taken for ${names[c]}: ${matrix[r][c]} (`);
      expect(opacity).toBeCloseTo(Math.sqrt(matrix[r][c] / 100), 5);
      expect(fill).toBe(r === c ? BLUE : ORANGE);
    });
    const counts = [...document.querySelectorAll('text')].filter(text => /^\d+$/.test(text.textContent!));
    for (const count of counts) {
      const [x, y] = translation(count);
      const cell = cells.findIndex(rect => x > rect.x && x < rect.x + 50 && y > rect.y && y < rect.y + 35);
      expect(Number(count.textContent)).toBe(matrix.flat()[cell]);
    }
    expect(counts).toHaveLength(9);
  });

  it('says how much is right, and survives a class without images', () => {
    expect(document.querySelector('svg')!.getAttribute('aria-label')).toContain('84.33 % right'); // 253 of 300
    expect(
      confusionMatrixChart(
        [
          [1, 0],
          [0, 0],
        ],
        ['a', 'b'],
      ),
    ).not.toContain('NaN');
  });

  it('refuses names that do not fit', () => {
    expect(() => confusionMatrixChart(matrix, ['a', 'b'])).toThrow(ShapeError);
    expect(() => confusionMatrixChart(matrix, ['a', 'b', 'a'])).toThrow(ShapeError);
  });
});

describe('reliabilityDiagram', () => {
  it('has bars as high as the accuracy of their bin', () => {
    const table = reliabilityTable(probabilities, labels).filter(bin => bin.count > 0);
    const document = documentOf(reliabilityDiagram(reliabilityTable(probabilities, labels)));
    const [panel] = document.querySelectorAll('svg.weft-panel');
    const y = axisOf(panel, 'y');
    const heights = [...panel.querySelectorAll('rect')].map(rect => y(Number(rect.getAttribute('y'))));
    expect(heights).toHaveLength(table.length);
    heights.forEach((height, index) => {
      expect(height).toBeCloseTo(table[index].accuracy!, 6);
    });
  });

  it('refuses an empty table', () => {
    expect(() => reliabilityDiagram([])).toThrow(UsageError);
  });
});

describe('intervalBars', () => {
  it('has bars as long as their values and lines as long as their intervals', () => {
    const bars = [
      { group: 'a', series: 's', value: 2, interval: [1.5, 3] as const },
      { group: 'b', series: 's', value: 8, interval: [7, 10] as const },
    ];
    const document = documentOf(intervalBars(bars, { title: '', valueLabel: 'value' }));
    const panel = document.querySelector('svg.weft-panel')!;
    const x = axisOf(panel, 'x');
    const left = (rect: Element) => Number(rect.getAttribute('x'));
    const rects = [...panel.querySelectorAll('rect')];
    expect(rects.map(rect => x(left(rect) + Number(rect.getAttribute('width'))).toFixed(6))).toEqual([
      '2.000000',
      '8.000000',
    ]);
    expect(rects.map(rect => Math.abs(x(left(rect))).toFixed(6))).toEqual(['0.000000', '0.000000']);
    const links = [...panel.querySelectorAll('[aria-label="link"] path')].map(path => {
      const [, x1, x2] = /^M([\d.]+),[\d.]+L([\d.]+),/.exec(path.getAttribute('d')!)!;
      return [x(Number(x1)).toFixed(2), x(Number(x2)).toFixed(2)];
    });
    expect(links).toEqual([
      ['1.50', '3.00'],
      ['7.00', '10.00'],
    ]);
    expect(() => intervalBars([], { title: '', valueLabel: '' })).toThrow(UsageError);
  });
});

describe('lineChart and scatterChart', () => {
  it('refuse what cannot be drawn', () => {
    const options = { title: 'Norms', xLabel: '', yLabel: '', yScale: 'log' as const };
    expect(() => lineChart([], options)).toThrow(UsageError);
    expect(() => lineChart([{ name: '', points: [{ x: 1, y: 0 }] }], options)).toThrow('a value of 0');
    expect(() => scatterChart([1, 2, 3], [0], ['a'], { title: '' })).toThrow(ShapeError);
    expect(() => scatterChart([], [], ['a'], { title: '' })).toThrow(UsageError);
  });

  it('many points are one picture under the axes, where they would be as elements', () => {
    const count = 5001;
    const points = Array.from({ length: 2 * count }, (_, at) =>
      at % 2 === 0 ? Math.floor(at / 2) / 10 : (at * 7) % 300,
    );
    const labels = Array.from({ length: count }, (_, i) => Number(i >= 2500));
    let picture: Picture | undefined;
    const encode = (drawn: Picture): Uint8Array => {
      picture = drawn;
      return Uint8Array.of(1, 2, 3);
    };
    const svg = scatterChart(points, labels, ['left', 'right'], { title: 'many', encode });
    expect(svg).toContain('data:image/png;base64,AQID');
    expect(svg).not.toContain('<circle');
    expect(svg).toContain('left');
    const { width, height, rgba } = picture!;
    expect([width, height]).toEqual([729, 696]);
    // Blue (the first class) left of the middle, orange right of it, nothing else.
    const colors: Set<string>[] = [new Set(), new Set()];
    for (let pixel = 0; pixel < width * height; pixel++) {
      const [red, green, blue, alpha] = rgba.subarray(4 * pixel, 4 * pixel + 4);
      const column = pixel % width;
      if (alpha > 0 && Math.abs(column - width / 2) > 3)
        colors[Number(column > width / 2)].add([red, green, blue, alpha].join());
    }
    expect(colors.map(each => [...each])).toEqual([['78,121,167,255'], ['242,142,43,255']]);
    const few = scatterChart(points.slice(0, 10_000), labels.slice(0, 5000), ['left', 'right'], { title: '', encode });
    expect(few).toContain('<circle');
  });

  it('names each class at its median, at one scale for both axes', () => {
    const document = documentOf(scatterChart([0, 0, 1, 0, 50, 0, 2, 4], [0, 0, 0, 1], ['a', 'b'], { title: '' }));
    const panel = document.querySelector('svg.weft-panel')!;
    const name = [...panel.querySelectorAll('text')].find(text => text.textContent === 'a')!;
    const [px, py] = translation(name);
    const [x, y] = [axisOf(panel, 'x'), axisOf(panel, 'y')];
    expect([x(px), y(py)].map(value => Math.abs(value).toFixed(6))).toEqual(['1.000000', '0.000000']);
    expect(x(1) - x(0)).toBeCloseTo(y(0) - y(1), 9);
  });
});

describe('wholeTicks', () => {
  it('are whole, few and evenly spaced', () => {
    expect(wholeTicks(1, 5)).toEqual([1, 2, 3, 4, 5]);
    expect(wholeTicks(1, 12)).toEqual([2, 4, 6, 8, 10, 12]);
    expect(wholeTicks(1, 30)).toEqual([5, 10, 15, 20, 25, 30]);
    expect(wholeTicks(0, 300)).toEqual([0, 50, 100, 150, 200, 250, 300]);
    expect(wholeTicks(3, 3)).toEqual([3]);
  });
});
