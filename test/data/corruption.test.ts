/** Corruptions: clean at zero, the same for the same seed, worse with every severity, and each what its name says. */
import { describe, expect, test } from 'vitest';
import {
  CORRUPTION_NAMES,
  CORRUPTIONS,
  type CorruptionName,
  corruptImages,
  DEFAULT_CORRUPTIONS,
} from '../../src/data/corruption.ts';
import { readSample } from '../../src/data/fashion-mnist.node.ts';
import type { ImageSet } from '../../src/data/fashion-mnist.ts';

const SIZE = 28;
const AREA = SIZE * SIZE;
const { test: sample } = await readSample();
const first = (count: number): ImageSet => ({
  ...sample,
  count,
  images: sample.images.subarray(0, count * AREA),
  labels: sample.labels.subarray(0, count),
});
const graded = CORRUPTION_NAMES.filter(name => CORRUPTIONS[name].graded);
const ungraded = CORRUPTION_NAMES.filter(name => !CORRUPTIONS[name].graded);

/** One image as a set. */
function image(value: (x: number, y: number) => number): ImageSet {
  const images = Uint8Array.from({ length: AREA }, (_, p) => value(p % SIZE, Math.floor(p / SIZE)));
  return { images, labels: Uint8Array.of(3), count: 1, width: SIZE, height: SIZE, channels: 1 };
}

function meanDistance(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
}

const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, v) => sum + v, 0) / values.length;

test('there are those that a study needs', () => {
  const asked: CorruptionName[] = [
    ...(['gaussian-noise', 'shot-noise', 'impulse-noise', 'motion-blur', 'glass-blur', 'gaussian-blur'] as const),
    ...(['brightness', 'contrast', 'rotate', 'translate', 'scale', 'shear', 'stripe'] as const),
  ];
  for (const name of [...asked, ...DEFAULT_CORRUPTIONS]) expect(CORRUPTION_NAMES).toContain(name);
  expect(new Set(DEFAULT_CORRUPTIONS).size).toBe(8);
});

describe.each(CORRUPTION_NAMES)('%s', name => {
  const clean = first(40);

  test('changes nothing at severity 0, and never the images it was given', () => {
    const before = clean.images.slice();
    const copy = corruptImages(clean, name, 0);
    expect(copy.images === clean.images).toBe(false);
    expect(Buffer.compare(copy.images, before)).toBe(0);
    corruptImages(clean, name, 5);
    expect(Buffer.compare(clean.images, before)).toBe(0);
  });

  test('gives an image the same corruption for the same seed, whichever others are chosen', () => {
    const all = corruptImages(clean, name, 3, { seed: 9 });
    const some = corruptImages(clean, name, 3, { seed: 9, indices: [17, 4] });
    expect(some.count).toBe(2);
    expect(Array.from(some.labels)).toEqual([clean.labels[17], clean.labels[4]]);
    for (const [place, index] of [17, 4].entries()) {
      const one = some.images.subarray(place * AREA, (place + 1) * AREA);
      expect(Buffer.compare(one, all.images.subarray(index * AREA, (index + 1) * AREA))).toBe(0);
    }
  });

  test(CORRUPTIONS[name].graded ? 'moves images further with every severity' : 'is the same at every severity', () => {
    const distances = [0, 1, 2, 3, 4, 5].map(severity =>
      meanDistance(clean.images, corruptImages(clean, name, severity).images),
    );
    for (let severity = 1; severity <= 5; severity++) {
      if (severity === 1 || CORRUPTIONS[name].graded)
        expect(distances[severity]).toBeGreaterThan(distances[severity - 1]);
      else expect(distances[severity]).toBe(distances[1]);
    }
  });
});

test('other seeds give other noise, turns and lines', () => {
  const deterministic: readonly string[] = [...ungraded, 'gaussian-blur', 'brightness', 'contrast', 'scale'];
  for (const name of graded.filter(one => !deterministic.includes(one))) {
    const [a, b] = [1, 2].map(seed => corruptImages(first(8), name, 3, { seed }).images);
    expect(Buffer.compare(a, b), name).not.toBe(0);
  }
});

describe('each does what its name says', () => {
  const grey = image(() => 128);
  const corrupted = (set: ImageSet, name: CorruptionName, severity = 3, seed = 0): Uint8Array =>
    corruptImages(set, name, severity, { seed }).images;

  test('noise has the stated size', () => {
    const noisy = Array.from({ length: 8 }, (_, seed) => Array.from(corrupted(grey, 'gaussian-noise', 2, seed))).flat();
    const spread = Math.sqrt(mean(noisy.map(value => (value - 128) ** 2)));
    // 0.12 of 255; 6,272 draws have a standard error of 0.9 %.
    expect(spread).toBeGreaterThan(0.12 * 255 * 0.96);
    expect(spread).toBeLessThan(0.12 * 255 * 1.04);
    // Poisson: variance = mean / photons, and nothing where there is no light.
    const shots = Array.from({ length: 8 }, (_, seed) => Array.from(corrupted(grey, 'shot-noise', 3, seed))).flat();
    const variance = mean(shots.map(value => ((value - mean(shots)) / 255) ** 2));
    expect(variance / (128 / 255 / 12)).toBeGreaterThan(0.9);
    expect(variance / (128 / 255 / 12)).toBeLessThan(1.1);
    expect(
      mean(
        corrupted(
          image(() => 0),
          'shot-noise',
          5,
        ),
      ),
    ).toBe(0);
    const hit = Array.from({ length: 8 }, (_, seed) => Array.from(corrupted(grey, 'impulse-noise', 5, seed))).flat();
    expect(new Set(hit)).toEqual(new Set([0, 128, 255]));
    expect(hit.filter(value => value !== 128).length / hit.length).toBeCloseTo(0.27, 1);
  });

  test('blur spreads a point and keeps its light', () => {
    const point = image((x, y) => (x === 14 && y === 13 ? 255 : 0));
    for (const name of ['gaussian-blur', 'motion-blur'] as const) {
      const values = corrupted(point, name);
      expect(Math.max(...values)).toBeLessThan(128);
      // Rounding to bytes loses at most half a grey per pixel that was reached.
      const reached = values.filter(value => value > 0).length;
      expect(reached).toBeGreaterThan(4);
      expect(Math.abs(values.reduce((sum, v) => sum + v, 0) - 255)).toBeLessThan(30);
    }
    const shuffled = corrupted(
      image(() => 77),
      'glass-blur',
      5,
    );
    expect(new Set(shuffled)).toEqual(new Set([77]));
  });

  test('brightness shifts, contrast keeps the mean, inverse negates', () => {
    expect(Array.from(corrupted(grey, 'brightness')).every(value => value === Math.round(128 + 0.3 * 255))).toBe(true);
    const halves = image(x => (x < 14 ? 50 : 200));
    // The mean stays, the difference shrinks to 45 %.
    const flat = corrupted(halves, 'contrast');
    expect(flat[27] - flat[0]).toBe(Math.round(125 + 0.45 * 75) - Math.round(125 - 0.45 * 75));
    expect(Array.from(corrupted(halves, 'inverse').slice(0, 28))).toEqual(
      Array.from(halves.images.slice(0, 28), v => 255 - v),
    );
  });

  test('fog is denser the more severe it is, and makes black brighter and white darker', () => {
    const [black, white] = [image(() => 0), image(() => 255)];
    const fog = (of: typeof black): number[] => [1, 2, 3, 4, 5].map(severity => mean(corrupted(of, 'fog', severity)));
    const [lit, dimmed] = [fog(black), fog(white)];
    expect(lit).toEqual([...lit].sort((a, b) => a - b));
    expect(dimmed).toEqual([...dimmed].sort((a, b) => b - a));
    expect(new Set([0, ...lit, ...dimmed, 255]).size).toBe(12);
    // (value + density * cloud) / (1 + density): the clouds are the same for both, so the difference is the garment's part.
    for (const [k, density] of [0.3, 0.6, 0.9, 1.3, 1.8].entries()) {
      expect(Math.abs(dimmed[k] - lit[k] - 255 / (1 + density))).toBeLessThan(1);
    }
  });

  test('mirror images and quarter turns undo each other, to the last bit', () => {
    const one = first(1);
    const twice = (a: CorruptionName, b: CorruptionName) => corruptImages(corruptImages(one, a, 1), b, 1).images;
    expect(Buffer.compare(twice('flip-left-right', 'flip-left-right'), one.images)).toBe(0);
    expect(Buffer.compare(twice('flip-upside-down', 'flip-upside-down'), one.images)).toBe(0);
    expect(Buffer.compare(twice('turn-left', 'turn-right'), one.images)).toBe(0);
    // What was at the top right is at the top left after a turn to the left.
    const corner = image((x, y) => (x === 27 && y === 0 ? 255 : 0));
    expect(corrupted(corner, 'turn-left')[0]).toBe(255);
    expect(corrupted(corner, 'turn-right')[AREA - 1]).toBe(255);
  });

  test('geometry moves the centre of mass as told', () => {
    const disc = image((x, y) => (Math.hypot(x - 13.5, y - 13.5) < 6 ? 255 : 0));
    const moments = (values: Uint8Array): { mass: number; x: number; y: number } => {
      let [mass, x, y] = [0, 0, 0];
      values.forEach((value, p) => {
        mass += value;
        x += value * ((p % SIZE) - 13.5);
        y += value * (Math.floor(p / SIZE) - 13.5);
      });
      return { mass, x: x / mass, y: y / mass };
    };
    const still = moments(disc.images);
    const moved = moments(corrupted(disc, 'translate'));
    expect(Math.hypot(moved.x, moved.y)).toBeCloseTo(4.5, 1);
    expect(moved.mass / still.mass).toBeCloseTo(1, 2);
    const turned = moments(corrupted(disc, 'rotate', 5));
    expect(Math.hypot(turned.x, turned.y)).toBeLessThan(0.1);
    expect(turned.mass / still.mass).toBeCloseTo(1, 1);
    expect(moments(corrupted(disc, 'scale')).mass / still.mass).toBeCloseTo(0.49, 1);
    // A dot to the right of the centre, turned by 32 degrees to one side or the other.
    const dot = image((x, y) => (Math.hypot(x - 22.5, y - 13.5) < 2 ? 255 : 0));
    const { x, y } = moments(corrupted(dot, 'rotate', 4));
    expect((Math.abs(Math.atan2(y, x)) * 180) / Math.PI).toBeCloseTo(32, 0);
    expect(moments(corrupted(dot, 'shear', 5)).y).toBeCloseTo(0, 1);
  });

  test('overlays light whole rows or columns, and more pixels the more severe they are', () => {
    const black = image(() => 0);
    const lit = (name: CorruptionName, severity: number): number =>
      corrupted(black, name, severity).filter(value => value === 255).length;
    expect(lit('stripe', 3)).toBe(4 * SIZE);
    for (const name of ['dotted-line', 'zigzag'] as const) {
      expect(lit(name, 1)).toBeGreaterThan(8);
      expect(lit(name, 5)).toBeGreaterThan(2.5 * lit(name, 1));
    }
    expect(new Set(corrupted(black, 'spatter', 4))).toEqual(new Set([0, 204]));
  });
});

test('mistakes get a sentence', () => {
  expect(() => corruptImages(sample, 'magic', 1)).toThrow(/no corruption "magic"; choose from gaussian-noise/);
  for (const severity of [6, -1, 1.5, Number.NaN]) {
    expect(() => corruptImages(sample, 'fog', severity)).toThrow(/whole number from 0 \(clean\) to 5/);
  }
  expect(() => corruptImages(sample, 'fog', 1, { indices: [1_000_000] })).toThrow(/no image 1000000/);
});

test('each channel of a colour image is corrupted as the grey image it is, noise apart', () => {
  const grey = [image(p => p % 256), image(p => (7 * p) % 256), image(p => (31 * p) % 256)];
  const images = Uint8Array.from({ length: 3 * AREA }, (_, i) => grey[i % 3].images[Math.floor(i / 3)]);
  const colour = { ...grey[0], images, channels: 3 };
  const channelOf = (set: { images: Uint8Array }, c: number) => set.images.filter((_, i) => i % 3 === c);
  for (const name of CORRUPTION_NAMES) {
    const corrupted = corruptImages(colour, name, 3);
    const alone = corruptImages(grey[1], name, 3).images;
    if (CORRUPTIONS[name].family === 'noise') expect(channelOf(corrupted, 1)).not.toEqual(alone);
    else expect(channelOf(corrupted, 1), name).toEqual(alone);
  }
});
