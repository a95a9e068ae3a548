/**
 * safetensors, the format of this project's checkpoints: eight bytes of header length, a JSON header that names every
 * tensor's dtype, shape and byte range, then the values, little-endian, with no gaps. It can hold nothing executable,
 * every tensor can be found without reading the others, and PyTorch, NumPy and JAX read it.
 *
 * A file from elsewhere is believed in nothing: header size, names, dtypes, shapes and ranges are checked before a byte is
 * used, and whatever is wrong becomes one CheckpointError that names file and tensor.
 *
 * Source: https://github.com/huggingface/safetensors ("Format").
 */
import { CheckpointError } from '../devices/errors.ts';
import { formatShape, type Shape, sizeOf } from '../devices/shape.ts';

export type SafetensorsArray = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Uint32Array;
export type SafetensorsDType = keyof typeof ARRAYS;

export interface SafetensorsEntry {
  dtype: SafetensorsDType;
  shape: number[];
  /** Row-major values, in memory of their own. */
  data: SafetensorsArray;
}

export interface SafetensorsFile {
  /** In the order of the file's header. */
  tensors: Map<string, SafetensorsEntry>;
  metadata: Record<string, string>;
}

const ARRAYS = {
  F32: Float32Array,
  F64: Float64Array,
  I32: Int32Array,
  I64: BigInt64Array,
  U8: Uint8Array,
  U32: Uint32Array,
} as const;

/** The format's own limit; a length beyond it is damage or an attack. */
const LONGEST_HEADER = 100_000_000;

/**
 * Reads a safetensors file.
 *
 * @param bytes the whole file
 * @param name what to call the file in an error
 * @throws CheckpointError naming the file, and the tensor where it is one's fault
 */
export function parseSafetensors(bytes: Uint8Array, name: string): SafetensorsFile {
  const fail = (what: string): never => {
    throw new CheckpointError(`${name} is no sound safetensors file: ${what}.`);
  };
  if (bytes.length < 8) fail(`it has ${bytes.length} bytes, too few for a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = view.getBigUint64(0, true);
  if (headerLength > BigInt(LONGEST_HEADER)) fail(`its header claims ${headerLength} bytes`);
  const dataStart = 8 + Number(headerLength);
  if (dataStart > bytes.length) {
    fail(`it is truncated, its header needs ${dataStart} bytes and the file has ${bytes.length}`);
  }
  const header = parseHeader(bytes.subarray(8, dataStart), fail);

  const tensors = new Map<string, SafetensorsEntry>();
  const ranges: { key: string; begin: number; end: number }[] = [];
  let metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(header)) {
    if (key === '__metadata__') {
      metadata = checkMetadata(value, fail);
      continue;
    }
    const { dtype, shape, begin, end } = checkEntry(key, value, bytes.length - dataStart, fail);
    ranges.push({ key, begin, end });
    const copy = new Uint8Array(end - begin);
    copy.set(bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(key, { dtype, shape, data: new ARRAYS[dtype](copy.buffer) });
  }
  checkRanges(ranges, bytes.length - dataStart, fail);
  return { tensors, metadata };
}

type Fail = (what: string) => never;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    fail(`its header is not JSON (${(error as Error).message.replace(/\.$/, '')})`);
  }
  return isRecord(header) ? header : fail('its header is not a JSON object');
}

function checkMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every(text => typeof text === 'string')) {
    return fail('its __metadata__ is not a map of texts');
  }
  return value as Record<string, string>;
}

function checkEntry(
  key: string,
  value: unknown,
  dataLength: number,
  fail: Fail,
): { dtype: SafetensorsDType; shape: number[]; begin: number; end: number } {
  const tensor = `tensor ${JSON.stringify(key)}`;
  if (!isRecord(value)) return fail(`${tensor} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAYS, dtype)) {
    return fail(`${tensor} has dtype ${JSON.stringify(dtype)}, known are ${Object.keys(ARRAYS).join(', ')}`);
  }
  if (!isSizes(shape)) return fail(`${tensor} has shape ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail(`${tensor} has data_offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets;
  if (begin > end || end > dataLength) {
    return fail(`${tensor} lies at bytes ${begin} to ${end} of ${dataLength} (truncated or damaged)`);
  }
  const known = dtype as SafetensorsDType;
  const needed = sizeOf(shape) * ARRAYS[known].BYTES_PER_ELEMENT;
  if (needed !== end - begin) {
    return fail(
      `${tensor} of ${known} ${formatShape(shape)} takes ${needed} bytes, its data_offsets span ${end - begin}`,
    );
  }
  return { dtype: known, shape, begin, end };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(size => Number.isSafeInteger(size) && size >= 0);
}

/** The format allows neither overlaps nor gaps: every data byte belongs to exactly one tensor. */
function checkRanges(ranges: { key: string; begin: number; end: number }[], dataLength: number, fail: Fail): void {
  ranges.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  let before = 'the header';
  for (const { key, begin, end } of ranges) {
    const tensor = JSON.stringify(key);
    if (begin < reached) fail(`tensor ${tensor} overlaps ${before} at byte ${begin}`);
    if (begin > reached) fail(`bytes ${reached} to ${begin}, before tensor ${tensor}, belong to no tensor`);
    reached = end;
    before = `tensor ${tensor}`;
  }
  if (reached !== dataLength) fail(`its last ${dataLength - reached} bytes belong to no tensor`);
}

/** A tensor to write; the dtype follows from the array. */
export interface SafetensorsSource {
  shape: Shape;
  data: SafetensorsArray;
}

function dtypeOfArray(key: string, data: SafetensorsArray): SafetensorsDType {
  for (const [dtype, array] of Object.entries(ARRAYS)) if (data instanceof array) return dtype as SafetensorsDType;
  throw new CheckpointError(
    `Tensor ${JSON.stringify(key)} cannot be saved: its values are in no array of a known type.`,
  );
}

/**
 * Writes a safetensors file. The wider dtypes come first and names are sorted within a dtype's width, so that equal
 * contents give equal bytes and every tensor is aligned to its element size.
 *
 * @param tensors by name
 * @param metadata texts to keep with them, in the order given
 * @throws CheckpointError when a shape does not hold a tensor's values, or the metadata is not text
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, SafetensorsSource]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const entries = [...tensors].map(([key, { shape, data }]) => ({ key, shape, data, dtype: dtypeOfArray(key, data) }));
  entries.sort((a, b) => {
    const wider = b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT;
    return wider !== 0 ? wider : a.key < b.key ? -1 : 1;
  });
  // Written by hand: a tensor may be called `__proto__`, which an object literal would swallow.
  const parts: string[] = [];
  if (Object.keys(metadata).length > 0) {
    checkMetadata(metadata, what => {
      throw new CheckpointError(`The checkpoint cannot be saved: ${what}.`);
    });
    parts.push(`"__metadata__":${JSON.stringify(metadata)}`);
  }
  let offset = 0;
  const taken = new Set(['__metadata__']);
  for (const { key, shape, data, dtype } of entries) {
    const tensor = `Tensor ${JSON.stringify(key)}`;
    if (taken.has(key)) throw new CheckpointError(`${tensor} cannot be saved under this name.`);
    if (!isSizes(shape) || sizeOf(shape) !== data.length) {
      throw new CheckpointError(
        `${tensor} cannot be saved: ${formatShape(shape)} does not hold its ${data.length} values.`,
      );
    }
    const end = offset + data.byteLength;
    parts.push(
      `${JSON.stringify(key)}:{"dtype":"${dtype}","shape":${JSON.stringify(shape)},"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
    taken.add(key);
  }
  const header = new TextEncoder().encode(`{${parts.join(',')}}`);
  const dataStart = 8 + Math.ceil(header.length / 8) * 8;
  const bytes = new Uint8Array(dataStart + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(dataStart - 8), true);
  bytes.fill(0x20, 8, dataStart);
  bytes.set(header, 8);
  let at = dataStart;
  for (const { data } of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}
