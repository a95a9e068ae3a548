/** Preparing photographs: every stage on synthetic ones whose result is known, and the warnings where there is little to see. */
import { describe, expect, test } from 'vitest';
import { type PhotoPixels, preparePhoto } from '../../src/data/photo.ts';
import { areaResize, extend, sharpen, subsample } from '../../src/data/photo-raster.ts';

type Rgba = readonly [number, number, number, number];

function photo(width: number, height: number, colorAt: (x: number, y: number) => Rgba): PhotoPixels {
  const rgba = new Uint8Array(4 * width * height);
  for (let p = 0; p < width * height; p++) rgba.set(colorAt(p % width, Math.floor(p / width)), 4 * p);
  return { width, height, rgba };
}

const grey = (value: number): Rgba => [value, value, value, 255];

/** A block of 28 x 56 pixels, off centre on a ground of 90 x 100. */
const onGround = (garment: Rgba, ground: Rgba): PhotoPixels =>
  photo(90, 100, (x, y) => (x >= 20 && x < 48 && y >= 30 && y < 86 ? garment : ground));

const stage = (prepared: ReturnType<typeof preparePhoto>, name: string) =>
  prepared.stages.find(one => one.name === name)!;

/** The same block in the middle of 28 x 28: columns 7 to 20. */
const BLOCK = Uint8Array.from({ length: 784 }, (_, p) => (p % 28 >= 7 && p % 28 < 21 ? 1 : 0));

describe('preparePhoto', () => {
  test('keeps every stage in order', () => {
    const prepared = preparePhoto(onGround(grey(40), grey(255)));
    expect(prepared.stages.map(({ name }) => name)).toEqual([
      ...['flattened', 'grey', 'trimmed', 'resized', 'sharpened', 'extended', 'negated', 'levels', 'final'],
    ]);
    for (const { name, values, width, height } of prepared.stages) {
      expect(values.length, name).toBe(width * height * (name === 'flattened' ? 3 : 1));
    }
    expect(prepared.box).toEqual({ left: 20, top: 30, width: 28, height: 56 });
    const sizes = ['trimmed', 'resized', 'extended'].map(name => [
      stage(prepared, name).width,
      stage(prepared, name).height,
    ]);
    expect(sizes).toEqual([
      [28, 56],
      [14, 28],
      [28, 28],
    ]);
    expect(prepared.warnings).toEqual([]);
  });

  test.each([
    ['dark on white', 40, 255, true],
    ['white on black', 255, 0, false],
    ['black on white', 0, 255, true],
    ['light on dark grey', 220, 60, false],
    ['dark on light grey', 30, 190, true],
  ])('%s comes out light on black', (_, garment, ground, negated) => {
    const prepared = preparePhoto(onGround(grey(garment), grey(ground)));
    expect(prepared.negated).toBe(negated);
    expect(prepared.ground).toBeCloseTo(ground / 255, 6);
    expect(prepared.garment).toBeCloseTo(garment / 255, 6);
    // Flat inside, black outside; the ground's grey is drawn to black and the garment's distance from it is stretched.
    const [dark, light] = negated ? [255 - ground, 255 - garment] : [ground, garment];
    const expected = Math.round((255 * (light - dark)) / (255 - dark));
    expect(Array.from(prepared.image)).toEqual(Array.from(BLOCK, inside => inside * expected));
  });

  test('levels and negation can be left alone or forced', () => {
    const picture = onGround(grey(220), grey(60));
    const plain = preparePhoto(picture, { levels: false });
    expect([plain.image[0], plain.image[14]]).toEqual([60, 220]);
    const forced = preparePhoto(picture, { negate: true });
    expect(forced.negated).toBe(true);
    expect([forced.image[0], forced.image[14]]).toEqual([195, 35]);
  });

  test('what is transparent lies on white, or on black where the garment is light', () => {
    const clear: Rgba = [200, 10, 10, 0];
    const dark = preparePhoto(onGround(grey(50), clear));
    expect([dark.ground, dark.negated]).toEqual([1, true]);
    expect(stage(dark, 'flattened').what).toContain('white');
    const light = preparePhoto(onGround(grey(250), clear));
    expect([light.ground, light.negated]).toEqual([0, false]);
    expect(light.warnings).toEqual([]);
    // Half transparent black on white is half grey.
    const half = preparePhoto(onGround([0, 0, 0, 128], clear));
    expect(half.garment).toBeCloseTo(127 / 255, 2);
  });

  test('trims by colour, within 5 % of the corner', () => {
    // Red and green of one luminance: only colour tells them apart.
    const ground: Rgba = [200, 0, 0, 255];
    const garment: Rgba = [0, Math.round((200 * 0.2126) / 0.7152), 0, 255];
    expect(preparePhoto(onGround(garment, ground)).box).toEqual({ left: 20, top: 30, width: 28, height: 56 });
    const speckled = (difference: number): PhotoPixels =>
      photo(60, 60, (x, y) =>
        x === 3 && y === 3 ? grey(255 - difference) : x > 20 && x < 40 && y > 20 && y < 40 ? grey(0) : grey(255),
      );
    expect(preparePhoto(speckled(12)).box).toEqual({ left: 21, top: 21, width: 19, height: 19 });
    expect(preparePhoto(speckled(14)).box).toEqual({ left: 3, top: 3, width: 37, height: 37 });
    expect(preparePhoto(speckled(14), { tolerance: 0.1 }).box.left).toBe(21);
  });

  test('luminance is that of Rec. 709', () => {
    const prepared = preparePhoto(
      photo(40, 40, (x, y) => (x > 9 && x < 30 && y > 9 && y < 30 ? [10, 200, 60, 255] : grey(255))),
    );
    expect(prepared.garment).toBeCloseTo((0.2126 * 10 + 0.7152 * 200 + 0.0722 * 60) / 255, 5);
  });

  test('a tiny picture is enlarged, and says so', () => {
    const prepared = preparePhoto(photo(9, 9, (x, y) => (x > 1 && x < 6 && y > 1 && y < 8 ? grey(0) : grey(255))));
    expect(prepared.warnings.map(({ kind }) => kind)).toEqual(['small']);
    expect(prepared.image.filter(value => value > 200).length).toBeGreaterThan(300);
    for (const [width, height] of [
      [1, 1],
      [1, 40],
      [300, 2],
    ]) {
      expect(preparePhoto(photo(width, height, x => grey(x === 0 ? 0 : 255))).image).toHaveLength(784);
    }
  });

  test('a picture of nothing is black, and says so', () => {
    const prepared = preparePhoto(photo(50, 40, () => grey(180)));
    expect(prepared.warnings.map(({ kind }) => kind)).toEqual(['flat']);
    expect(prepared.image.every(value => value === 0)).toBe(true);
  });

  test('a white garment on white is warned about', () => {
    const seams = photo(90, 100, (x, y) => {
      const isInside = x >= 20 && x < 60 && y >= 20 && y < 80;
      return grey(isInside ? (x === 20 || x === 59 || y === 20 || y === 79 ? 215 : 250) : 255);
    });
    const { warnings } = preparePhoto(seams);
    expect(warnings.map(({ kind }) => kind)).toEqual(['low contrast']);
    expect(warnings[0].text).toMatch(/white garment on a white ground/);
    const dull = preparePhoto(onGround(grey(130), grey(100)));
    expect(dull.warnings.map(({ kind }) => kind)).toEqual(['low contrast']);
    expect(dull.warnings[0].text).toMatch(/about as bright/);
  });

  test('a cluttered background is warned about', () => {
    const cluttered = photo(80, 80, (x, y) =>
      x > 25 && x < 55 && y > 25 && y < 55 ? grey(0) : grey((x * 7 + y * 13) % 5 < 2 ? 90 : 240),
    );
    expect(preparePhoto(cluttered).warnings.map(({ kind }) => kind)).toContain('cluttered');
  });

  test('mistakes get a sentence', () => {
    expect(() => preparePhoto({ width: 4, height: 4, rgba: new Uint8Array(48) })).toThrow(/48 bytes do not make/);
    expect(() => preparePhoto({ width: 0, height: 4, rgba: new Uint8Array(0) })).toThrow(/0 x 4/);
    expect(() =>
      preparePhoto(
        photo(4, 4, () => grey(0)),
        { size: 2.5 },
      ),
    ).toThrow(/2\.5/);
    expect(() =>
      preparePhoto(
        photo(4, 4, () => grey(0)),
        { tolerance: 2 },
      ),
    ).toThrow(/tolerance/);
  });
});

describe('the steps on numbers', () => {
  const ramp = { width: 6, height: 4, values: Float64Array.from({ length: 24 }, (_, i) => i / 24) };

  test('the area mean: whole pixels, parts of pixels, enlarging', () => {
    const half = areaResize(ramp, 3, 2);
    // Mean of 0, 1, 6, 7 and so on.
    expect(Array.from(half.values, v => Math.round(v * 24 * 2) / 2)).toEqual([3.5, 5.5, 7.5, 15.5, 17.5, 19.5]);
    const thirds = areaResize({ width: 3, height: 1, values: Float64Array.of(0, 0.6, 0.9) }, 2, 1);
    expect(thirds.values[0]).toBeCloseTo((0 + 0.6 / 2) / 1.5, 12);
    expect(thirds.values[1]).toBeCloseTo((0.6 / 2 + 0.9) / 1.5, 12);
    expect(Array.from(areaResize({ width: 1, height: 1, values: Float64Array.of(0.4) }, 3, 2).values)).toEqual(
      new Array(6).fill(0.4),
    );
    const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length;
    expect(mean(areaResize(ramp, 5, 3).values)).toBeCloseTo(mean(ramp.values), 12);
  });

  test('subsampling takes pixels as they are', () => {
    expect(Array.from(subsample(ramp, 3, 2).values, v => Math.round(v * 24))).toEqual([7, 9, 11, 19, 21, 23]);
  });

  test('sharpening has ImageMagick’s kernel: an even grey stays, a point overshoots', () => {
    const even = { width: 3, height: 3, values: new Float64Array(9).fill(0.3) };
    for (const value of sharpen(even).values) expect(value).toBeCloseTo(0.3, 12);
    const point = { width: 5, height: 5, values: new Float64Array(25).fill(0.5) };
    point.values[12] = 0.6;
    const sharp = sharpen(point).values;
    // Weights -1, -e^-1/2, -e^-1 (middle, side, corner), the middle replaced by minus twice their sum; then divided by the total.
    const [side, corner] = [Math.exp(-0.5), Math.exp(-1)];
    const middle = 2 * (1 + 4 * side + 4 * corner);
    const total = middle - 4 * side - 4 * corner;
    expect(sharp[12]).toBeCloseTo(0.5 + (0.1 * middle) / total, 12);
    expect(sharp[11]).toBeCloseTo(0.5 - (0.1 * side) / total, 12);
    expect(sharp[6]).toBeCloseTo(0.5 - (0.1 * corner) / total, 12);
    expect(sharp[0]).toBeCloseTo(0.5, 12);
  });

  test('extending puts the raster in the middle, the odd pixel of ground after it', () => {
    const extended = extend({ width: 2, height: 1, values: Float64Array.of(0.1, 0.2) }, 4, 0.9).values;
    expect(Array.from(extended)).toEqual([0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.2, 0.9, ...new Array(8).fill(0.9)]);
  });
});
