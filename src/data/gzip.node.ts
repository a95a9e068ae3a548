/** Decompression of the data files, with an error that a person can act on. */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError } from '../devices/errors.ts';
import { type DataFile, FULL_EDITION } from './fashion-mnist.ts';

const gunzipAsync = promisify(gunzip);

/** No file of the data set is longer; a stream that goes on beyond this is not one of them. */
const LONGEST = 2 * FULL_EDITION.files[0].bytes;

/**
 * Decompresses a `.gz` file.
 *
 * @throws DataError naming the file and the sum its contents should have
 */
export async function decompress(compressed: Uint8Array, file: DataFile, location: string): Promise<Uint8Array> {
  try {
    return await gunzipAsync(compressed, { maxOutputLength: LONGEST });
  } catch (error) {
    throw new DataError(
      `${location} is damaged: its ${compressed.length} bytes do not decompress (${(error as Error).message}); ` +
        `SHA-256 of the decompressed bytes should be ${file.sha256}.`,
    );
  }
}
