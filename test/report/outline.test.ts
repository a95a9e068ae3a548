/** Lines on pictures, words in pictures, and the sheets made of them: pixel by pixel. */
import { describe, expect, test } from 'vitest';
import { segmentsFromMap } from '../../src/explain/index.ts';
import {
  brokenLine,
  crop,
  enlarge,
  excitingSheet,
  imagePicture,
  type Picture,
  segmentBorders,
  stacked,
  textPicture,
  windowFrame,
} from '../../src/report/index.ts';

/** Each row as text: one letter per pixel of a known colour, `.` for every other. */
function rows({ width, height, rgba }: Picture, letters: Record<string, string>): string[] {
  const letter = (pixel: number): string => letters[rgba.subarray(pixel * 4, pixel * 4 + 3).join(' ')] ?? '.';
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => letter(y * width + x)).join(''),
  );
}
const RED = { color: [255, 0, 0] as const };
const drawn = { '255 0 0': '#' };

describe('segment borders', () => {
  const cut = segmentsFromMap([0, 0, 1, 0, 2, 1], [2, 3]);
  const picture = enlarge(imagePicture(new Float64Array(6), 3, 2), 4);

  test('run between the pixels of different segments and nowhere else, corners filled', () => {
    expect(rows(segmentBorders(picture, cut, RED), drawn)).toEqual([
      '........#...',
      '........#...',
      '........#...',
      '........#...',
      '....#####...',
      '....#...#...',
      '....#...#...',
      '....#...#...',
    ]);
  });

  test('thick lines stand on both sides of the border', () => {
    const lines = rows(segmentBorders(picture, cut, { ...RED, thickness: 2 }), drawn);
    expect(lines[0]).toBe('.......##...');
    expect(lines[3]).toBe('...######...');
    expect(lines[4]).toBe('...######...');
    expect(lines[7]).toBe('...##..##...');
  });

  test('blend with the picture once, also where lines cross, and leave the original alone', () => {
    const before = picture.rgba.slice();
    const half = segmentBorders(picture, cut, { color: [200, 100, 0], opacity: 0.5, thickness: 3 });
    const colors = new Set(rows(half, { '100 50 0': '#', '0 0 0': ' ' }).join(''));
    expect([...colors].sort()).toEqual([' ', '#']);
    expect(picture.rgba).toEqual(before);
  });

  test('one segment has no border; thickness follows the enlargement', () => {
    const whole = segmentsFromMap([5, 5, 5, 5, 5, 5], [2, 3]);
    expect(segmentBorders(picture, whole).rgba).toEqual(picture.rgba);
    const large = enlarge(imagePicture(new Float64Array(6), 3, 2), 16);
    expect(rows(segmentBorders(large, cut, RED), drawn)[0]).toBe(`${'.'.repeat(31)}##${'.'.repeat(15)}`);
  });

  test('refuse a picture of another image, and lines that are none', () => {
    expect(() => segmentBorders(enlarge(picture, 2), segmentsFromMap([0, 1], [1, 2]))).toThrow(/no enlargement/);
    expect(() => segmentBorders(imagePicture([0, 0], 2, 1), cut)).toThrow(/1 x 2 pixels is no enlargement .* 2 x 3/);
    expect(() => segmentBorders(picture, cut, { thickness: 0 })).toThrow(/thick/);
    expect(() => segmentBorders(picture, cut, { opacity: 2 })).toThrow(/opacity/);
  });
});

describe('windows', () => {
  const image = imagePicture(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(value => value / 255),
    4,
    3,
  );

  test('a frame lies inside its window', () => {
    const framed = windowFrame(enlarge(image, 3), { top: 1, left: 1, height: 2, width: 2 }, [3, 4], RED);
    expect(rows(framed, drawn)).toEqual([
      '............',
      '............',
      '............',
      '...######...',
      '...#....#...',
      '...#....#...',
      '...#....#...',
      '...#....#...',
      '...######...',
    ]);
    const thick = windowFrame(image, { top: 0, left: 3, height: 3, width: 1 }, [3, 4], { ...RED, thickness: 5 });
    expect(rows(thick, drawn)).toEqual(['...#', '...#', '...#']);
  });

  test('a crop is the part', () => {
    const part = crop(image, { top: 1, left: 2, height: 2, width: 2 });
    expect([part.width, part.height]).toEqual([2, 2]);
    expect([...part.rgba].filter((_, i) => i % 4 === 0)).toEqual([6, 7, 10, 11]);
  });

  test.each([
    { top: 1, left: 2, height: 3, width: 2 },
    { top: -1, left: 0, height: 1, width: 1 },
    { top: 0, left: 0, height: 0, width: 1 },
    { top: 0, left: 0.5, height: 1, width: 1 },
  ])('%j is no part', window => {
    expect(() => crop(image, window)).toThrow(/no part of 3 x 4/);
    expect(() => windowFrame(image, window, [3, 4])).toThrow(/no part of 3 x 4/);
  });
});

describe('lettering', () => {
  test('draws letters of five by seven dots', () => {
    expect(rows(textPicture(['Lf', 'p'], { color: [255, 0, 0] }), drawn)).toEqual([
      '#.......##..',
      '#......#..#.',
      '#......#....',
      '#.....###...',
      '#......#....',
      '#......#....',
      '#####..#....',
      '............',
      '............',
      '............',
      '............',
      '............',
      '####........',
      '#...#.......',
      '####........',
      '#...........',
      '#...........',
    ]);
  });

  test('every printable character is different, and what is beyond ASCII is a question mark', () => {
    const looks = Array.from({ length: 95 }, (_, i) => textPicture([String.fromCharCode(32 + i)]).rgba.join());
    expect(new Set(looks).size).toBe(95);
    expect(textPicture(['é']).rgba.join()).toBe(looks['?'.charCodeAt(0) - 32]);
  });

  test('stands left, right or in the middle; enlarges; keeps a given height', () => {
    const at = (align: 'left' | 'centre' | 'right') =>
      rows(textPicture(['l'], { width: 17, color: [255, 0, 0], align }), drawn)[3].indexOf('#');
    expect([at('left'), at('centre'), at('right')]).toEqual([2, 8, 14]);
    const large = textPicture(['l'], { scale: 3, height: 40, color: [255, 0, 0] });
    expect([large.width, large.height]).toEqual([18, 40]);
    expect(rows(large, drawn)[10]).toBe('......###.........');
  });

  test('breaks lines after spaces and hyphens, and words that are too long', () => {
    expect(brokenLine('integrated-gradients', 18)).toEqual(['integrated-', 'gradients']);
    expect(brokenLine('Ankle boot 84.0%', 18)).toEqual(['Ankle boot 84.0%']);
    expect(brokenLine('one two three', 7)).toEqual(['one two', 'three']);
    expect(brokenLine('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
    expect(brokenLine('', 4)).toEqual(['']);
    expect(textPicture(['aa bb'], { width: 12 })).toMatchObject({ width: 12, height: 17 });
    expect(() => textPicture(['a'], { width: 3 })).toThrow(/too narrow/);
    expect(() => textPicture(['a'], { scale: 0.5 })).toThrow(/enlarged/);
  });
});

test('a stack is as wide as its widest picture, narrower ones in the middle', () => {
  const bar = imagePicture([1, 1], 2, 1);
  const wide = imagePicture([1, 1, 1, 1], 4, 1);
  expect(rows(stacked([wide, bar], [0, 0, 0, 255]), { '255 255 255': '#' })).toEqual(['####', '.##.']);
  expect(() => stacked([])).toThrow(/at least one/);
});

describe('exciting images', () => {
  // Image i is flat, of brightness 50 i.
  const source = {
    images: Uint8Array.from({ length: 3 * 12 }, (_, i) => 50 * Math.floor(i / 12)),
    height: 3,
    width: 4,
    channels: 1,
  };
  const image = (index: number, top: number, left: number) => ({
    index,
    value: 1,
    position: [0, 0] as const,
    window: { top, left, height: 2, width: 2 },
  });
  const channels = [
    { channel: 7, images: [image(1, 0, 0), image(2, 1, 2)] },
    { channel: 9, images: [image(2, 1, 1)] },
  ];
  const names = { '255 221 0': '#', '50 50 50': '1', '100 100 100': '2' };

  test('a row per channel, framed where it looks', () => {
    const found = rows(excitingSheet(channels, source, { scale: 2 }), names).join('\n');
    expect(found).toContain('####1111');
    // Two frames of 4 x 4 with 12 pixels each in the first row, one in the second.
    expect(found.split('#')).toHaveLength(1 + 3 * 12);
    expect(found.split('1')).toHaveLength(1 + 48 - 12);
    expect(found.split('2')).toHaveLength(1 + 2 * (48 - 12));
  });

  test('or cropped to it', () => {
    const found = rows(excitingSheet(channels, source, { style: 'crops', scale: 2 }), names).join('\n');
    expect([found.split('#').length, found.split('1').length, found.split('2').length]).toEqual([1, 17, 33]);
  });

  test('refuses nothing to show and images of another set', () => {
    expect(() => excitingSheet([], source)).toThrow(/at least one channel/);
    expect(() => excitingSheet([{ channel: 0, images: [image(3, 0, 0)] }], source)).toThrow(
      /Image 3 is not among the 3/,
    );
  });
});
