/**
 * .npy, NumPy's file for one array: a magic string, a version, a header that is a Python dictionary in text, then the
 * values. Read are little-endian float32, float64, int32 and uint8 in C order, versions 1 to 3; version 1 is written.
 *
 * Source: numpy.lib.format (NumPy Enhancement Proposal 1).
 */
import { DataError, ShapeError } from '../devices/errors.ts';
import { formatShape, type Shape, sizeOf } from '../devices/shape.ts';

export type NpyArray = Float32Array | Float64Array | Int32Array | Uint8Array;
export type NpyDType = 'float32' | 'float64' | 'int32' | 'uint8';

export interface NpyFile {
  dtype: NpyDType;
  shape: number[];
  /** Row-major values, in memory of their own. */
  data: NpyArray;
}

const FORMATS: { descr: string; dtype: NpyDType; array: new (buffer: ArrayBuffer) => NpyArray; bytes: number }[] = [
  { descr: '<f4', dtype: 'float32', array: Float32Array, bytes: 4 },
  { descr: '<f8', dtype: 'float64', array: Float64Array, bytes: 8 },
  { descr: '<i4', dtype: 'int32', array: Int32Array, bytes: 4 },
  { descr: '|u1', dtype: 'uint8', array: Uint8Array, bytes: 1 },
];

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** What an .npy file says before its values. */
export interface NpyHeader {
  /** NumPy's name of the element type with its byte order, e.g. `<f4` or `|u1`. */
  descr: string;
  fortranOrder: boolean;
  shape: number[];
  /** Where the values begin. */
  dataStart: number;
}

/**
 * Reads the header of an .npy file, of any element type.
 *
 * @param bytes the file, or at least its header
 * @param name what to call the file in an error
 * @throws DataError naming the file: not .npy, another version, a header that is cut off or not understood
 */
export function parseNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new DataError(`${name} is no .npy file: it does not begin with \\x93NUMPY.`);
  }
  const version = bytes[6];
  if (version < 1 || version > 3) throw new DataError(`${name} has .npy version ${version}; 1 to 3 are known.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lengthBytes = version === 1 ? 2 : 4;
  if (bytes.length < 8 + lengthBytes) throw new DataError(`${name} is truncated inside its header.`);
  const headerLength = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataStart = 8 + lengthBytes + headerLength;
  if (dataStart > bytes.length) {
    throw new DataError(`${name} is truncated: its header ends at byte ${dataStart}, the file at ${bytes.length}.`);
  }
  const header = new TextDecoder().decode(bytes.subarray(8 + lengthBytes, dataStart));
  return { ...parseHeader(header, name), dataStart };
}

/**
 * Reads an .npy file.
 *
 * @param name what to call the file in an error
 * @throws DataError naming the file: not .npy, another dtype, Fortran order, truncated, too long
 */
export function parseNpy(bytes: Uint8Array, name: string): NpyFile {
  const { descr, fortranOrder, shape, dataStart } = parseNpyHeader(bytes, name);
  const format = FORMATS.find(candidate => candidate.descr === descr);
  if (format === undefined) {
    throw new DataError(`${name} holds '${descr}'; readable are ${FORMATS.map(known => known.descr).join(', ')}.`);
  }
  if (fortranOrder && shape.filter(size => size !== 1).length > 1) {
    throw new DataError(`${name} is in Fortran order; save it with numpy.ascontiguousarray.`);
  }
  const needed = sizeOf(shape) * format.bytes;
  if (bytes.length - dataStart !== needed) {
    throw new DataError(
      `${name} ${bytes.length - dataStart < needed ? 'is truncated' : 'has bytes after its end'}: ` +
        `${format.dtype} ${formatShape(shape)} takes ${needed} bytes, found ${bytes.length - dataStart}.`,
    );
  }
  const copy = new Uint8Array(needed);
  copy.set(bytes.subarray(dataStart));
  return { dtype: format.dtype, shape, data: new format.array(copy.buffer) };
}

function parseHeader(text: string, name: string): { descr: string; fortranOrder: boolean; shape: number[] } {
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const sizes = /'shape'\s*:\s*\(((?:\s*\d+L?\s*,)*(?:\s*\d+L?)?\s*)\)/.exec(text)?.[1];
  if (descr === undefined || order === undefined || sizes === undefined || !/^\s*\{.*\}\s*$/s.test(text)) {
    throw new DataError(`${name} has a header that is not understood: ${JSON.stringify(text.trim().slice(0, 120))}.`);
  }
  const shape = sizes.split(',').flatMap(size => (size.trim() === '' ? [] : [Number.parseInt(size, 10)]));
  return { descr, fortranOrder: order === 'True', shape };
}

/**
 * Writes an .npy file; the dtype follows from the array.
 *
 * @throws ShapeError when the shape does not hold exactly the values given
 */
export function serializeNpy(shape: Shape, data: NpyArray): Uint8Array {
  const format = FORMATS.find(candidate => data instanceof candidate.array);
  if (format === undefined)
    throw new DataError('An .npy file is written from float32, float64, int32 or uint8 values.');
  if (sizeOf(shape) !== data.length) {
    throw new ShapeError(
      `The shape ${formatShape(shape)} holds ${sizeOf(shape)} values, not the ${data.length} given.`,
    );
  }
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dictionary = `{'descr': '${format.descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Values start at a multiple of 64 bytes, so that a reader may map them; the header ends with a line feed.
  const dataStart = Math.ceil((10 + dictionary.length + 1) / 64) * 64;
  const bytes = new Uint8Array(dataStart + data.byteLength);
  bytes.set([...MAGIC, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, dataStart - 10, true);
  bytes.set(new TextEncoder().encode(`${dictionary.padEnd(dataStart - 11)}\n`), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dataStart);
  return bytes;
}
