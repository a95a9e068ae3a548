/** Measures of a map: values given by projection.md's definition, by hand, and by scikit-learn. */
import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/devices/errors.ts';
import {
  centroidCorrelation,
  classOverlap,
  continuity,
  labelCandidates,
  type Neighbours,
  neighbourAccuracy,
  neighbourRecall,
  neighbourVotes,
  type Points,
  trustworthiness,
} from '../../src/explore/index.ts';
import { PhiloxStream } from '../../src/kernels/random/philox.ts';

const line = (...values: number[]): Points => ({
  values: Float64Array.from(values),
  count: values.length,
  dimensions: 1,
});

function scattered(count: number, dimensions: number, seed: number): Points {
  const random = new PhiloxStream(seed);
  return { values: Float64Array.from({ length: count * dimensions }, () => random.normal()), count, dimensions };
}

/** Neighbours by their indices alone; the n-th lies at distance n. */
function neighboursOf(k: number, indices: number[]): Neighbours {
  return {
    indices: Int32Array.from(indices),
    distances: Float64Array.from(indices, (_, at) => (at % k) + 1),
    count: indices.length / k,
    k,
  };
}

describe('continuity', () => {
  test('is trustworthiness seen from the map', () => {
    const [data, map] = [line(0, 1, 2, 3, 4), line(0, 2, 4, 1, 3)];
    expect(continuity(data, map, 1)).toBeCloseTo(trustworthiness(map, data, 1), 15);
    expect(continuity(data, data, 1)).toBe(1);
    // The nearest of 0, 10, 11, 30 are 10, 11, 10, 11; on the map they are first, third, second and (of two equal ones) third.
    expect(continuity(line(0, 10, 11, 30), line(0, 1, 4, 2), 1)).toBeCloseTo(1 - (2 / (4 * 4)) * (2 + 1 + 2), 12);
  });
});

describe('centroids', () => {
  const at = (...places: [number, number][]): Points => ({
    values: Float64Array.from(places.flat()),
    count: places.length,
    dimensions: 2,
  });
  const labels = [0, 0, 1, 2];

  test('keep the order of their distances, or turn it round', () => {
    // Centroids (0, 0), (3, 0), (3, 4): distances 3, 5, 4.
    const data = at([-1, 0], [1, 0], [3, 0], [3, 4]);
    expect(centroidCorrelation(data, { ...data, scale: 7 }, labels, 3)).toBeCloseTo(1, 12);
    // Distances 3, 1, 2.
    const map = at([0, 0], [0, 0], [3, 0], [1, 0]);
    expect(centroidCorrelation(data, map, labels, 3)).toBeCloseTo(-1, 12);
    // A class without points counts for nothing.
    expect(centroidCorrelation(data, map, labels, 5)).toBeCloseTo(-1, 12);
  });

  test('are refused of two classes, of labels that are none, and of other sizes', () => {
    const data = at([0, 0], [1, 0], [2, 0], [3, 0]);
    expect(() => centroidCorrelation(data, data, [0, 0, 1, 1], 2)).toThrow('it takes three');
    expect(() => centroidCorrelation(data, data, labels, 2)).toThrow('classes are 0 to 1');
    expect(() => centroidCorrelation(data, data, [0, 1, 2], 3)).toThrow(ShapeError);
  });
});

describe('trustworthiness', () => {
  test('0..4 mapped to 0, 2, 4, 1, 3 at k = 1 is 0.2', () => {
    expect(trustworthiness(line(0, 1, 2, 3, 4), line(0, 2, 4, 1, 3), 1)).toBeCloseTo(0.2, 12);
  });

  test('of any affine map it is 1', () => {
    const data = scattered(40, 2, 1);
    const turned = Float64Array.from(data.values, (_, at) =>
      at % 2 === 0 ? 3 * data.values[at + 1] + 7 : -3 * data.values[at - 1] - 1,
    );
    for (const k of [1, 5, 19]) expect(trustworthiness(data, { ...data, values: turned }, k)).toBe(1);
  });

  test('of a map at random it is about a half, and a sample of points estimates it', () => {
    const data = scattered(600, 5, 2);
    const map = scattered(600, 2, 3);
    const all = trustworthiness(data, map, 10);
    expect(all).toBeGreaterThan(0.45);
    expect(all).toBeLessThan(0.55);
    const every = Array.from({ length: 600 }, (_, i) => i);
    expect(trustworthiness(data, map, 10, every)).toBe(all);
    expect(trustworthiness(data, map, 10, every.slice(0, 150))).toBeCloseTo(all, 1);
  });

  // b = lambda v, i: v + 0.013 * i * i + 0.0007 * i ** 3   (bent, so that no two distances are equal)
  // trustworthiness(np.array([[b(i * i % 17, i), b(i * 7 % 11, i)] for i in range(12)]),
  //                 np.array([[b(i * 5 % 13, i)] for i in range(12)]), n_neighbors=3)      scikit-learn 1.2.1
  test('agrees with scikit-learn', () => {
    const bend = (value: number, i: number): number => value + 0.013 * i * i + 0.0007 * i ** 3;
    const data: Points = {
      values: Float64Array.from({ length: 24 }, (_, at) => {
        const i = at >> 1;
        return bend(at % 2 === 0 ? (i * i) % 17 : (i * 7) % 11, i);
      }),
      count: 12,
      dimensions: 2,
    };
    const map = line(...Array.from({ length: 12 }, (_, i) => bend((i * 5) % 13, i)));
    expect(trustworthiness(data, map, 3)).toBeCloseTo(0.5396825396825398, 12);
  });

  test('the unit does not matter', () => {
    const [data, map] = [scattered(40, 6, 4), scattered(40, 2, 5)];
    const usual = trustworthiness(data, map, 4);
    for (const unit of [2 ** -600, 2 ** 600]) {
      const scaled = { ...data, values: (data.values as Float64Array).map(value => value * unit) };
      expect(trustworthiness(scaled, map, 4)).toBe(usual);
    }
  });

  test('maps of other sizes and too many neighbours are refused', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => trustworthiness(line(1, 2, value, 4), line(1, 2, 3, 4), 1)).toThrow(
        `coordinate 0 of point 2 is ${value}`,
      );
      expect(() => trustworthiness(line(1, 2, 3, 4), line(1, value, 3, 4), 1)).toThrow('coordinate 0 of point 1');
    }
    for (const k of [0, -1, 1.5, Number.NaN]) {
      expect(() => trustworthiness(line(1, 2, 3, 4, 5), line(1, 2, 3, 4, 5), k)).toThrow(`${k} neighbours of 5 points`);
    }
    expect(() => trustworthiness(line(1, 2, 3, 4), line(1, 2, 3, 4), 1, [])).toThrow('a sample without points');
    expect(() => trustworthiness(line(1, 2, 3, 4), line(1, 2, 3, 4), 1, [0, 4])).toThrow('no point 4');
    expect(() => trustworthiness(line(1, 2, 3, 4), line(1, 2, 3), 1)).toThrow('3 points in the map of 4');
    expect(() => trustworthiness(line(1, 2, 3, 4), line(1, 2, 3, 4), 2)).toThrow('2 neighbours of 4 points');
  });
});

test('recall is the share of neighbours that are kept, in whatever order', () => {
  const data = neighboursOf(2, [1, 2, 0, 2, 0, 1, 1, 2]);
  expect(neighbourRecall(data, data)).toBe(1);
  expect(neighbourRecall(data, neighboursOf(2, [2, 1, 0, 3, 3, 1, 0, 3]))).toBe((2 + 1 + 1 + 0) / 8);
  expect(() => neighbourRecall(data, neighboursOf(1, [1, 0]))).toThrow('1 neighbours of 2 points against 2 of 4');
});

test('the majority votes; of equally many the nearest', () => {
  const labels = [0, 0, 1, 1, 2];
  const neighbours = neighboursOf(4, [1, 2, 3, 4, 0, 2, 3, 4, 0, 1, 3, 4, 4, 0, 1, 2, 3, 2, 1, 0]);
  // 0: 0 1 1 2 -> 1. 1: 0 1 1 2 -> 1. 2: 0 0 1 2 -> 0. 3: 2 0 0 1 -> 0. 4: 1 1 0 0 -> 1, the nearest.
  expect(Array.from(neighbourVotes(neighbours, labels, 3))).toEqual([1, 1, 0, 0, 1]);
  expect(neighbourAccuracy(neighbours, labels, 3)).toBe(0);
  expect(neighbourAccuracy(neighboursOf(1, [1, 0, 3, 4, 2]), labels, 3)).toBe(3 / 5);
});

describe('labels and neighbours that do not fit', () => {
  const neighbours = neighboursOf(1, [1, 0, 1]);
  const counts = { neighbourVotes, neighbourAccuracy, classOverlap, labelCandidates };

  test.each(Object.entries(counts))('%s', (_, count) => {
    expect(() => count(neighbours, [0, 5, 1], 3)).toThrow('the label of point 1 is 5; classes are 0 to 2');
    expect(() => count(neighbours, [0, 0.5, 1], 3)).toThrow('the label of point 1 is 0.5');
    expect(() => count(neighbours, [0, -1, 1], 3)).toThrow('the label of point 1 is -1');
    expect(() => count(neighbours, [0], 3)).toThrow('point 1 is a neighbour, but there are 1 labels');
    for (const classes of [0, -1, 2.5, Number.NaN])
      expect(() => count(neighbours, [0, 1, 0], classes)).toThrow(`at least 1, not ${classes}`);
    expect(() => count({ ...neighbours, count: 4 }, [0, 1, 0], 2)).toThrow('are not 1 neighbours of 4 points');
    expect(() => count(neighboursOf(1, [1, -1, 0]), [0, 1, 0], 2)).toThrow('neighbour of point 1 has the index -1');
  });

  test('more than 256 classes are told apart', () => {
    expect(Array.from(neighbourVotes(neighboursOf(1, [1, 0]), [300, 299], 301))).toEqual([299, 300]);
  });

  test('points without labels of their own have no accuracy', () => {
    expect(() => neighbourAccuracy(neighbours, [0, 1], 2)).toThrow('2 labels for 3 points');
    expect(() => neighbourAccuracy(neighboursOf(1, []), [], 2)).toThrow('no points');
    expect(() => neighbourRecall(neighbours, { ...neighbours, k: 0 })).toThrow('are not 0 neighbours');
  });
});

describe('overlap of classes', () => {
  // Points 0-3 of class 0, 4-7 of class 1; point 3 lies among class 1, point 4 half-way.
  const labels = [0, 0, 0, 0, 1, 1, 1, 1];
  const neighbours = neighboursOf(2, [1, 2, 0, 2, 0, 1, 5, 6, 2, 1, 6, 7, 5, 7, 5, 6]);

  test('counts, shares and pairs', () => {
    const overlap = classOverlap(neighbours, labels, 3);
    expect(overlap).toMatchObject({ images: 8, k: 2, accuracy: 6 / 8 });
    expect(overlap.votes).toEqual([
      [3, 1, 0],
      [1, 3, 0],
      [0, 0, 0],
    ]);
    expect(overlap.neighbourShares).toEqual([
      [0.75, 0.25, 0],
      [0.25, 0.75, 0],
      [0, 0, 0],
    ]);
    expect(overlap.pairs[0]).toEqual({ classes: [0, 1], images: 2, share: 2 / 8 });
    expect(overlap.pairs.slice(1).map(({ share }) => share)).toEqual([0, 0]);
  });

  test('images wholly among another class are candidates', () => {
    const found = labelCandidates(neighbours, labels, 3);
    expect(found.map(({ index, label, suggested, agreeing }) => [index, label, suggested, agreeing])).toEqual([
      [3, 0, 1, 2],
      [4, 1, 0, 2],
    ]);
    expect(found[0]).toMatchObject({
      commonness: 1 / 4,
      remoteness: 1,
      neighbours: [
        { index: 5, label: 1, distance: 1 },
        { index: 6, label: 1, distance: 2 },
      ],
    });
    expect(labelCandidates(neighbours, [0, 0, 0, 1, 0, 1, 1, 1], 2)).toEqual([]);
  });

  test('the rarer confusion comes first', () => {
    // Four of class 0 lie among class 1, one of class 2 lies there too: the latter is rarer.
    const many = [...Array(8).fill(0), ...Array(8).fill(1), ...Array(8).fill(2)] as number[];
    const indices = many.map((label, i) => (i < 4 ? 8 : i === 16 ? 9 : 8 * label + ((i + 1) % 8)));
    const found = labelCandidates(neighboursOf(1, indices), many, 3);
    expect(found.map(({ index }) => index)).toEqual([16, 0, 1, 2, 3]);
    // Unless it lies farther out than members of that class do.
    const remote = neighboursOf(1, indices);
    remote.distances[16] = 1.5;
    expect(labelCandidates(remote, many, 3).map(({ index }) => index)).toEqual([0, 1, 2, 3, 16]);
  });
});
