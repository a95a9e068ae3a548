/** The training images of Fashion-MNIST where Debian's package has installed them, for tests that need the real ones. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseIdx } from '../../src/data/idx.ts';

const DIRECTORY = '/usr/share/datasets/fashion-mnist';

/** Undefined where the package is not installed. */
export function readSystemFashionMnist(): { images: Uint8Array; labels: Uint8Array } | undefined {
  const read = (name: string, rank: number) =>
    parseIdx(gunzipSync(readFileSync(join(DIRECTORY, name))), name, rank).data;
  if (!existsSync(join(DIRECTORY, 'train-images-idx3-ubyte.gz'))) return undefined;
  return { images: read('train-images-idx3-ubyte.gz', 3), labels: read('train-labels-idx1-ubyte.gz', 1) };
}
