/** Where pictures stand on a map of pictures. */
import { expect, test } from 'vitest';
import { imagePicture } from '../../src/report/picture.ts';
import { thumbnailMap } from '../../src/report/thumbnail-map.ts';

const dot = (grey: number) => imagePicture(Uint8Array.of(grey), 1, 1);
/** Grey values row by row; -1 where nothing stands. */
const greys = ({ rgba }: { rgba: Uint8Array }): number[] =>
  Array.from({ length: rgba.length / 4 }, (_, i) => (rgba[4 * i + 3] === 0 ? -1 : rgba[4 * i]));

test('a picture stands where its point is, upwards as in a chart', () => {
  const map = thumbnailMap([0, 0, 2, 1.5, 1.2, 0], [dot(10), dot(20), dot(30)], { across: 2 });
  expect([map.width, map.height]).toEqual([2, 2]);
  expect(greys(map)).toEqual([-1, 20, 10, 30]);
});

test('of several in a square the one nearest to its middle', () => {
  const map = thumbnailMap([0, 0, 0.4, 0.6, 0.1, 0.9, 2, 2], [dot(1), dot(2), dot(3), dot(4)], { across: 2 });
  expect(greys(map)).toEqual([-1, 4, 2, -1]);
});

test('one point, and pictures larger than a pixel', () => {
  expect(greys(thumbnailMap([7, 7], [dot(5)], { across: 3 }))).toEqual([5]);
  const pair = imagePicture(Uint8Array.of(1, 2), 2, 1);
  expect(greys(thumbnailMap([0, 1, 1, 0], [pair, pair], { across: 2 }))).toEqual([1, 2, -1, -1, -1, -1, 1, 2]);
});

test('mistakes', () => {
  expect(() => thumbnailMap([], [])).toThrow('at least one picture');
  expect(() => thumbnailMap([1, 2, 3], [dot(1)])).toThrow('3 coordinates');
  expect(() => thumbnailMap([1, 2, 3, 4], [dot(1), imagePicture(Uint8Array.of(1, 2), 2, 1)])).toThrow(
    '1 x 1 and 2 x 1',
  );
  expect(() => thumbnailMap([1, 2], [dot(1)], { across: 0 })).toThrow('cannot be 0 pictures wide');
});
