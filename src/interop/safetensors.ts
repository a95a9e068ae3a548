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
import { showValue } from '../devices/checks.ts';
import { CheckpointError } from '../devices/errors.ts';
import { plainText } from '../devices/plain-text.ts';
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

/** Characters of a name or value that a message shows. */
const LONGEST_NAME = 100;

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

  const dataLength = bytes.length - dataStart;
  const entries: CheckedEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(header)) {
    if (key === '__metadata__') metadata = checkMetadata(value, fail);
    else entries.push({ key, ...checkEntry(key, value, dataLength, fail) });
  }
  // Before a byte is copied: thousands of entries that share a range would take thousands of times the file's memory.
  checkRanges(entries, dataLength, fail);
  const tensors = new Map<string, SafetensorsEntry>();
  for (const { key, dtype, shape, begin, end } of entries) {
    const copy = new Uint8Array(end - begin);
    copy.set(bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(key, { dtype, shape, data: new ARRAYS[dtype](copy.buffer) });
  }
  return { tensors, metadata };
}

interface CheckedEntry {
  readonly key: string;
  readonly dtype: SafetensorsDType;
  readonly shape: number[];
  readonly begin: number;
  readonly end: number;
}

type Fail = (what: string) => never;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let header: unknown;
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (error) {
    fail(`its header is not JSON (${plainText((error as Error).message.replace(/\.$/, ''))})`);
  }
  if (!isRecord(header)) return fail('its header is not a JSON object');
  const twice = repeatedKey(text);
  return twice === undefined ? header : fail(`its header names ${named(twice)} twice`);
}

/** A name in messages: in quotes, without characters that a terminal obeys, and not longer than a line. */
function named(key: string): string {
  return plainText(JSON.stringify(key.length > LONGEST_NAME ? `${key.slice(0, LONGEST_NAME)}...` : key));
}

/** A value of the header in messages, likewise. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return plainText(text.length > LONGEST_NAME ? `${text.slice(0, LONGEST_NAME)}...` : text);
}

/**
 * The first name that stands twice in one object of a JSON text; JSON.parse takes the last one without a word.
 * @param text that JSON.parse has taken
 */
function repeatedKey(text: string): string | undefined {
  // The names of every object that is open; undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{') open.push(new Set());
    else if (character === '[') open.push(undefined);
    else if (character === '}' || character === ']') open.pop();
    else if (character === '"') {
      const end = endOfString(text, at);
      last = text.slice(at, end);
      at = end - 1;
    } else if (character === ':') {
      const key = JSON.parse(last) as string;
      const names = open[open.length - 1]!;
      if (names.has(key)) return key;
      names.add(key);
    }
  }
  return undefined;
}

/** Where a JSON string that begins at a quote has ended. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
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
  const tensor = `tensor ${named(key)}`;
  if (!isRecord(value)) return fail(`${tensor} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAYS, dtype)) {
    return fail(`${tensor} has dtype ${shown(dtype)}, known are ${Object.keys(ARRAYS).join(', ')}`);
  }
  if (!isSizes(shape)) return fail(`${tensor} has shape ${shown(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail(`${tensor} has data_offsets ${shown(offsets)}`);
  }
  const [begin, end] = offsets;
  if (begin > end || end > dataLength) {
    return fail(`${tensor} lies at bytes ${begin} to ${end} of ${dataLength} (truncated or damaged)`);
  }
  const known = dtype as SafetensorsDType;
  // A product beyond all numbers, times 0, would be none.
  const needed = shape.includes(0) ? 0 : sizeOf(shape) * ARRAYS[known].BYTES_PER_ELEMENT;
  if (needed !== end - begin) {
    return fail(
      `${tensor} of ${known} ${showValue(shape)} takes ${needed} bytes, its data_offsets span ${end - begin}`,
    );
  }
  return { dtype: known, shape, begin, end };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(size => Number.isSafeInteger(size) && size >= 0);
}

/** The format allows neither overlaps nor gaps: every data byte belongs to exactly one tensor. */
function checkRanges(entries: readonly CheckedEntry[], dataLength: number, fail: Fail): void {
  const ranges = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  let before = 'the header';
  for (const { key, begin, end } of ranges) {
    const tensor = named(key);
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
  throw new CheckpointError(`Tensor ${named(key)} cannot be saved: its values are in no array of a known type.`);
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
    const tensor = `Tensor ${named(key)}`;
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
