/**
 * Arrays from files that say first how long they are. Nothing is allocated before what a file declares has been compared
 * with what the file can hold, and the values are read straight into their place, so the memory is that of the array.
 */
import { createHash } from 'node:crypto';
import { DataError } from '../devices/errors.ts';

/** What a header says of the values that follow it. */
export interface Declared {
  readonly dataStart: number;
  readonly dataBytes: number;
}

/** Longest header that is waited for. */
const LONGEST_HEADER = 1 << 17;

/**
 * Reads one array from a stream.
 *
 * @param parse the header from the bytes so far; undefined while more are needed (never when `ended`)
 * @param check compares what is declared with what the file can hold; throws before anything is allocated
 * @returns header, values, and the SHA-256 of all bytes of the stream
 * @throws DataError when the stream is shorter or longer than declared
 */
export async function readDeclared<H extends Declared>(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  parse: (head: Uint8Array, ended: boolean) => H | undefined,
  check: (header: H) => void,
): Promise<{ header: H; data: Uint8Array; sha256: string }> {
  const hash = createHash('sha256');
  let head: Uint8Array = new Uint8Array(0);
  let header: H | undefined;
  let data: Uint8Array = head;
  let filled = 0;
  const begin = (found: H): void => {
    check(found);
    header = found;
    data = allocate(found.dataBytes, name);
    take(head.subarray(found.dataStart));
  };
  const take = (values: Uint8Array): void => {
    if (filled + values.length > data.length) {
      throw new DataError(`${name} has bytes after its end: its header tells of ${data.length} bytes of values.`);
    }
    data.set(values, filled);
    filled += values.length;
  };
  for await (const chunk of chunks) {
    hash.update(chunk);
    if (header) {
      take(chunk);
      continue;
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const found = parse(head, head.length > LONGEST_HEADER);
    if (found) begin(found);
  }
  if (!header) begin(parse(head, true)!);
  if (filled < data.length) {
    throw new DataError(`${name} is truncated: its header tells of ${data.length} bytes of values, found ${filled}.`);
  }
  return { header: header!, data, sha256: hash.digest('hex') };
}

/** Bytes for an array, or a sentence where there are not so many. */
export function allocate(bytes: number, name: string): Uint8Array {
  try {
    return new Uint8Array(bytes);
  } catch {
    throw new DataError(`${name} needs an array of ${bytes} bytes, more than can be had here.`);
  }
}
