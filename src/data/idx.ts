/**
 * IDX, the file format of the MNIST family: a magic number (two zero bytes, a type code, the rank), one big-endian
 * 32-bit size per axis, then the values, nothing else. Only unsigned bytes are read: images `[count, height, width]` and
 * labels `[count]`. Everything a file can have wrong is told in one sentence that begins with the file's name.
 *
 * Source: Y. LeCun, C. Cortes, C. Burges: The MNIST database, "File formats for the MNIST database".
 */
import { DataError, ShapeError } from '../devices/errors.ts';
import { formatShape, type Shape, sizeOf } from '../devices/shape.ts';

/** Values as they lie in an IDX file, row-major. */
export interface IdxArray {
  shape: number[];
  data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;
const TYPE_NAMES: Record<number, string> = {
  8: 'uint8',
  9: 'int8',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
};

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

/** The magic number of a uint8 file of this rank: 0x00000801 for labels, 0x00000803 for images. */
export function idxMagic(rank: number): number {
  return (UNSIGNED_BYTE << 8) | rank;
}

/** What the first four bytes say, in words, for a reader who opened the wrong file. */
function describeMagic(magic: number): string {
  if (magic >>> 16 === 0x1f8b) return 'the file is still gzip-compressed';
  const type = TYPE_NAMES[(magic >>> 8) & 0xff];
  if (magic >>> 16 !== 0 || type === undefined) return 'this is no IDX file';
  return `the file holds ${type} values of rank ${magic & 0xff}`;
}

/** What an IDX file says before its values. */
export interface IdxHeader {
  shape: number[];
  /** Where the values begin. */
  dataStart: number;
  /** How many bytes the values take. */
  dataBytes: number;
}

/**
 * Reads the header of an uncompressed IDX file of unsigned bytes.
 *
 * @param bytes the file, or at least its first 4 + 4 x rank bytes
 * @param name what to call the file in an error
 * @param rank how many axes it must have
 * @throws DataError when the magic number is another, or the header is cut off
 */
export function parseIdxHeader(bytes: Uint8Array, name: string, rank: number): IdxHeader {
  const dataStart = 4 + 4 * rank;
  if (bytes.length < 4) {
    throw new DataError(`${name} is truncated: expected a header of ${dataStart} bytes, found ${bytes.length} bytes.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  if (magic !== idxMagic(rank)) {
    throw new DataError(
      `${name} has the wrong magic number: expected ${hex(idxMagic(rank))}, found ${hex(magic)} (${describeMagic(magic)}).`,
    );
  }
  if (bytes.length < dataStart) {
    throw new DataError(`${name} is truncated: expected a header of ${dataStart} bytes, found ${bytes.length} bytes.`);
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  return { shape, dataStart, dataBytes: sizeOf(shape) };
}

/**
 * Checks that a file is as long as its header says.
 * @throws DataError when it is shorter or longer
 */
export function checkIdxLength({ shape, dataStart, dataBytes }: IdxHeader, length: number, name: string): void {
  const expected = dataStart + dataBytes;
  if (length === expected) return;
  const fault = length < expected ? 'is truncated' : 'has bytes after its end';
  throw new DataError(
    `${name} ${fault}: expected ${expected} bytes for shape ${formatShape(shape)}, found ${length} bytes.`,
  );
}

/**
 * Reads an uncompressed IDX file of unsigned bytes.
 *
 * @param bytes the whole file
 * @param name what to call the file in an error
 * @param rank how many axes it must have: 1 for labels, 3 for grey images
 * @returns shape and a view (not a copy) of the values
 * @throws DataError when the magic number is another, or the file is shorter or longer than its header says
 */
export function parseIdx(bytes: Uint8Array, name: string, rank: number): IdxArray {
  const header = parseIdxHeader(bytes, name, rank);
  checkIdxLength(header, bytes.length, name);
  const { shape, dataStart, dataBytes } = header;
  // Not `subarray`: of a Node Buffer that is a Buffer, whose `slice` does not copy.
  return { shape, data: new Uint8Array(bytes.buffer, bytes.byteOffset + dataStart, dataBytes) };
}

/**
 * Writes unsigned bytes as an uncompressed IDX file.
 *
 * @throws ShapeError when the shape does not hold exactly `data.length` values, or has no axis or over 255
 */
export function serializeIdx(shape: Shape, data: Uint8Array): Uint8Array {
  const whole = shape.every(extent => Number.isInteger(extent) && extent >= 0 && extent <= 0xffffffff);
  if (shape.length < 1 || shape.length > 255 || !whole) {
    throw new ShapeError(`An IDX file cannot have the shape ${formatShape(shape)}.`);
  }
  if (sizeOf(shape) !== data.length) {
    throw new ShapeError(
      `The shape ${formatShape(shape)} holds ${sizeOf(shape)} values, not the ${data.length} given.`,
    );
  }
  const headerBytes = 4 + 4 * shape.length;
  const bytes = new Uint8Array(headerBytes + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, idxMagic(shape.length));
  shape.forEach((extent, axis) => {
    view.setUint32(4 + 4 * axis, extent);
  });
  bytes.set(data, headerBytes);
  return bytes;
}
