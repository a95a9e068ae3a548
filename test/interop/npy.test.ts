/** .npy: files as NumPy wrote them (bytes kept here), random round trips, and every kind of damage. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError, ShapeError } from '../../src/devices/errors.ts';
import { type NpyArray, parseNpy, serializeNpy } from '../../src/interop/npy.ts';

/** Version 1 (2-byte length) or later (4-byte length) file with this header text, padded as NumPy pads. */
function file(header: string, data: number[], version = 1): Uint8Array {
  const lengthBytes = version === 1 ? 2 : 4;
  const dataStart = Math.ceil((8 + lengthBytes + header.length + 1) / 64) * 64;
  const text = `${header.padEnd(dataStart - 9 - lengthBytes)}\n`;
  const length = text.length;
  return Uint8Array.from([
    ...[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0],
    ...[length & 255, length >> 8, 0, 0].slice(0, lengthBytes),
    ...new TextEncoder().encode(text),
    ...data,
  ]);
}

// numpy.lib.format.write_array(f, array, version=(1, 0)) of NumPy 2.4.6: header text and value bytes.
const fromNumpy: [string, number[], number[], NpyArray][] = [
  [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
    [0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0, 0xcd, 0xcc, 0xcc, 0x3d, 0, 0, 0x40, 0x40, 0, 0, 0x80, 0x40, 0, 0, 0x80, 0x7f],
    [2, 3],
    new Float32Array([1.5, -2, 0.1, 3, 4, Number.POSITIVE_INFINITY]),
  ],
  [
    "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
    [0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f, 0x9c, 0x75, 0x00, 0x88, 0x3c, 0xe4, 0x37, 0xfe],
    [2],
    new Float64Array([0.1, -1e300]),
  ],
  ["{'descr': '<i4', 'fortran_order': False, 'shape': (), }", [7, 0, 0, 0], [], new Int32Array([7])],
  [
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3, 2), }",
    [0, 1, 2, 3, 4, 5],
    [1, 3, 2],
    new Uint8Array([0, 1, 2, 3, 4, 5]),
  ],
  ["{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", [], [0, 3], new Float32Array(0)],
];

describe('npy', () => {
  it.each(fromNumpy)('reads and writes %s as NumPy does', (header, values, shape, data) => {
    const bytes = file(header, values);
    const parsed = parseNpy(bytes, 'a.npy');
    expect(parsed.shape).toEqual(shape);
    expect(parsed.data).toEqual(data);
    expect(serializeNpy(shape, data)).toEqual(bytes);
    for (const version of [2, 3]) expect(parseNpy(file(header, values, version), 'a.npy')).toEqual(parsed);
  });

  it('reads back what it wrote, bit for bit', () => {
    const array = fc
      .tuple(
        fc.array(fc.nat(4), { maxLength: 5 }),
        fc.constantFrom(Float32Array, Float64Array, Int32Array, Uint8Array),
        fc.infiniteStream(fc.nat(255)),
      )
      .map(([shape, ArrayType, stream]) => {
        const count = shape.reduce((product, size) => product * size, 1);
        const raw = Uint8Array.from({ length: count * ArrayType.BYTES_PER_ELEMENT }, () => stream.next().value);
        return { shape, raw, data: new ArrayType(raw.buffer) as NpyArray };
      });
    fc.assert(
      fc.property(array, ({ shape, raw, data }) => {
        const bytes = serializeNpy(shape, data);
        const parsed = parseNpy(bytes, 'a.npy');
        expect(parsed.shape).toEqual(shape);
        expect(parsed.data.constructor).toBe(data.constructor);
        expect(new Uint8Array(parsed.data.buffer)).toEqual(raw);
        for (const end of [0, 5, 9, 60, bytes.length - 1]) {
          expect(() => parseNpy(bytes.subarray(0, end), 'a.npy')).toThrow(DataError);
        }
      }),
    );
  });

  const good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  it.each([
    ['another magic', Uint8Array.from(file(good, [1, 2, 3, 4, 5, 6, 7, 8]).fill(0, 0, 1)), /^a\.npy is no \.npy file/],
    ['an unknown version', file(good, [], 9), /^a\.npy has \.npy version 9/],
    ['too few values', file(good, [1, 2, 3, 4]), /^a\.npy is truncated: float32 \[2\] takes 8 bytes, found 4\.$/],
    ['too many values', file(good, new Array(9).fill(0)), /^a\.npy has bytes after its end: float32 \[2\] takes 8/],
    ['another dtype', file(good.replace('<f4', '>f4'), new Array(8).fill(0)), /^a\.npy holds '>f4'; readable are <f4/],
    ['no shape', file("{'descr': '<f4', 'fortran_order': False, }", []), /^a\.npy has a header that is not understood/],
    [
      'Fortran order',
      file("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1, 2), }", new Array(16).fill(0)),
      /^a\.npy is in Fortran order; save it with numpy\.ascontiguousarray\.$/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'a.npy')).toThrow(DataError);
    expect(() => parseNpy(bytes, 'a.npy')).toThrow(message);
  });

  it('takes Fortran order where it means nothing', () => {
    const bytes = file("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 3), }", [1, 2, 3]);
    expect(parseNpy(bytes, 'a.npy').data).toEqual(new Uint8Array([1, 2, 3]));
  });

  it('refuses a shape that does not hold the values', () => {
    expect(() => serializeNpy([2, 2], new Float32Array(3))).toThrow(ShapeError);
  });
});
