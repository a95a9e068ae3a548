/** Numbers of a crowded chart do not hide each other, and points stand where their rates say. */
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/devices/errors.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';
import { placeLabels } from '../../src/report/label-placement.ts';
import { rooflineChart } from '../../src/report/roofline-chart.ts';

describe('placeLabels', () => {
  const bounds = { left: 0, right: 400, top: 0, bottom: 300 };
  const random = new PhiloxStream(0, 7);
  const points = Array.from({ length: 60 }, (_, i) => ({
    // Half of them in two columns, as kernels of one shape are.
    x: i % 2 ? (i % 4 === 1 ? 100 : 250) : 20 + 360 * random.uniform(),
    y: 20 + 260 * random.uniform(),
    width: 13,
    height: 9,
  }));

  it('keeps names within bounds, near their points, off each other, off points and off obstacles', () => {
    const obstacle = { left: 0, right: 400, top: 148, bottom: 152 };
    const places = placeLabels(points, 3, bounds, [obstacle]);
    const boxes = places.map(({ x, y }) => ({ left: x - 6.5, right: x + 6.5, top: y - 4.5, bottom: y + 4.5 }));
    const dots = points.map(({ x, y }) => ({ left: x - 3, right: x + 3, top: y - 3, bottom: y + 3 }));
    const overlaps = (a: typeof obstacle, b: typeof obstacle): boolean =>
      a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    boxes.forEach((box, i) => {
      expect(box.left).toBeGreaterThanOrEqual(0);
      expect(box.bottom).toBeLessThanOrEqual(300);
      expect([...boxes.slice(i + 1), ...dots, obstacle].filter(other => overlaps(box, other))).toEqual([]);
      expect(Math.hypot(places[i].x - points[i].x, places[i].y - points[i].y)).toBeLessThan(70);
    });
  });

  it('still says something where there is no room at all', () => {
    const crowd = Array.from({ length: 30 }, () => ({ x: 10, y: 10, width: 13, height: 9 }));
    const places = placeLabels(crowd, 3, { left: 0, right: 20, top: 0, bottom: 20 });
    for (const { x, y } of places) expect(Math.abs(x - 10) + Math.abs(y - 10)).toBeLessThan(20);
  });
});

describe('rooflineChart', () => {
  const roof = { title: 't', peaks: [{ name: 'peak', rate: 100 }], slopes: [{ name: 'far away', rate: 10 }] };
  const point = (name: string, intensity: number, rate: number) => ({ name, intensity, rate });
  const documentOf = (svg: string) => parseHTML(`<body>${svg}</body>`).document;

  it('puts the ridge where peak and bandwidth meet, and points of the same rates on it', () => {
    const points = [point('ridge', 10, 100), point('slope', 1, 10)];
    const [panel] = documentOf(rooflineChart({ ...roof, groups: [{ name: 'g', points }] })).querySelectorAll(
      'svg.weft-panel',
    );
    const lines = [...panel.querySelectorAll('[aria-label="line"] path')].map(path =>
      path
        .getAttribute('d')!
        .match(/[-\d.]+/g)!
        .map(Number),
    );
    expect(lines).toHaveLength(2);
    const [[x0, y0, ridgeX, ridgeY], [fromX, level, , end]] = lines;
    expect([fromX, level, end]).toEqual([ridgeX, ridgeY, ridgeY]);
    const dots = [...panel.querySelectorAll('[aria-label="dot"] path, [aria-label="dot"] circle')].map(dot => {
      const moved = /translate\(([-\d.]+),([-\d.]+)\)/.exec(dot.getAttribute('transform') ?? '');
      return moved
        ? [Number(moved[1]), Number(moved[2])]
        : [Number(dot.getAttribute('cx')), Number(dot.getAttribute('cy'))];
    });
    expect(dots[0][0]).toBeCloseTo(ridgeX, 0);
    expect(dots[0][1]).toBeCloseTo(ridgeY, 0);
    const share = (dots[1][0] - x0) / (ridgeX - x0);
    expect(dots[1][1]).toBeCloseTo(y0 + share * (ridgeY - y0), 0);
  });

  it('leaves out what has no place on logarithmic axes, and refuses to draw nothing', () => {
    const points = [point('a copy', 0, 0), point('kernel', 2, 5)];
    const svg = rooflineChart({ ...roof, groups: [{ name: 'g', points }] });
    expect(svg).toContain('kernel');
    expect(svg).not.toContain('a copy');
    expect(svg).toContain('Memory: 10.0 GB/s far away.');
    expect(() => rooflineChart({ ...roof, groups: [{ name: 'g', points: points.slice(0, 1) }] })).toThrow(UsageError);
    expect(() => rooflineChart({ ...roof, slopes: [], groups: [{ name: 'g', points }] })).toThrow(/no roof/);
  });
});
