/** IDX: a file written byte by byte from the format's description, random round trips, and every malformed file. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIdx, serializeIdx } from '../../src/data/idx.ts';
import { DataError, ShapeError } from '../../src/devices/errors.ts';

describe('IDX', () => {
  const images = Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60]);

  it('reads and writes the format as described', () => {
    expect(parseIdx(images, 'a', 3)).toEqual({ shape: [2, 1, 3], data: Uint8Array.of(10, 20, 30, 40, 50, 60) });
    expect(serializeIdx([2, 1, 3], Uint8Array.of(10, 20, 30, 40, 50, 60))).toEqual(images);
  });

  it('gives plain bytes, also of a Buffer inside a larger one', () => {
    const { data } = parseIdx(Buffer.concat([Buffer.of(9), images]).subarray(1), 'a', 3);
    expect(data.constructor).toBe(Uint8Array);
    expect(data).toEqual(Uint8Array.of(10, 20, 30, 40, 50, 60));
  });

  it('reads back what it wrote, and refuses every shorter or longer file', () => {
    const array = fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }).chain(shape => {
      const count = shape.reduce((product, size) => product * size, 1);
      return fc.tuple(fc.constant(shape), fc.uint8Array({ minLength: count, maxLength: count }));
    });
    fc.assert(
      fc.property(array, ([shape, data]) => {
        const bytes = serializeIdx(shape, data);
        expect(parseIdx(bytes, 'a', shape.length)).toEqual({ shape, data });
        for (let end = 0; end < bytes.length; end++) {
          expect(() => parseIdx(bytes.subarray(0, end), 'a', shape.length)).toThrow(DataError);
        }
        expect(() => parseIdx(Uint8Array.of(...bytes, 0), 'a', shape.length)).toThrow(/a has bytes after its end/);
      }),
    );
  });

  it.each([
    ['an empty file', images.subarray(0, 0), 'f is truncated: expected a header of 16 bytes, found 0 bytes.'],
    ['half a header', images.subarray(0, 9), 'f is truncated: expected a header of 16 bytes, found 9 bytes.'],
    ['a cut file', images.subarray(0, 20), 'f is truncated: expected 22 bytes for shape [2, 1, 3], found 20 bytes.'],
    [
      'labels instead of images',
      Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 7),
      'f has the wrong magic number: expected 0x00000803, found 0x00000801 (the file holds uint8 values of rank 1).',
    ],
    [
      'floats',
      Uint8Array.of(0, 0, 0x0d, 3),
      'f has the wrong magic number: expected 0x00000803, found 0x00000d03 (the file holds float32 values of rank 3).',
    ],
    [
      'a gzip file',
      Uint8Array.of(0x1f, 0x8b, 8, 0),
      'f has the wrong magic number: expected 0x00000803, found 0x1f8b0800 (the file is still gzip-compressed).',
    ],
    [
      'a web page',
      new TextEncoder().encode('<html>'),
      'f has the wrong magic number: expected 0x00000803, found 0x3c68746d (this is no IDX file).',
    ],
    [
      'sizes beyond all measure',
      Uint8Array.from([0, 0, 8, 3, ...new Array(12).fill(255)]),
      /^f is truncated: expected [\d.e+]+ bytes for shape \[4294967295, 4294967295, 4294967295\], found 16 bytes\.$/,
    ],
  ])('refuses %s in one sentence', (_, bytes, message) => {
    expect(() => parseIdx(bytes, 'f', 3)).toThrow(DataError);
    expect(() => parseIdx(bytes, 'f', 3)).toThrow(message);
  });

  it('refuses to write a shape that does not hold the values', () => {
    expect(() => serializeIdx([2, 2], new Uint8Array(3))).toThrow(ShapeError);
    expect(() => serializeIdx([], new Uint8Array(1))).toThrow(ShapeError);
  });
});
