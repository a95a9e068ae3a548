/**
 * Finding Fashion-MNIST: the search order, every way a file can be damaged, a download that is cut off. Most tests search
 * for the small edition, so that they need no data set on the machine; the server is a local one.
 */
import { spawnSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  cacheDirectory,
  type DataProgress,
  type LoadOptions,
  loadFashionMnist,
  readDirectory,
  readSample,
  SAMPLE_DIRECTORY,
  searchEdition,
} from '../../src/data/fashion-mnist.node.ts';
import {
  assembleFashionMnist,
  CLASS_NAMES,
  type FashionMnist,
  FULL_EDITION,
  SAMPLE_EDITION,
} from '../../src/data/fashion-mnist.ts';
import { DataError } from '../../src/devices/errors.ts';

const names = SAMPLE_EDITION.files.map(file => file.name);
const [trainImages, trainLabels] = names;
const sumOf = (name: string) => SAMPLE_EDITION.files.find(file => file.name === name)!.sha256;

let scratch: string;
let notes: string[];
let server: Server | undefined;

/** Searches for the small edition in places that are empty unless a test fills them. */
function search(options: LoadOptions = {}): Promise<FashionMnist> {
  return searchEdition(SAMPLE_EDITION, {
    cacheDir: join(scratch, 'cache'),
    systemDir: join(scratch, 'system'),
    baseUrl: 'http://127.0.0.1:1/', // nothing listens there
    aptGet: join(scratch, 'no-apt-get'),
    onProgress: (progress: DataProgress) => {
      if (progress.kind === 'note') notes.push(progress.message);
    },
    ...options,
  });
}

/** Bytes compared as bytes: `toEqual` takes seconds over millions of them. */
function expectSameImages(found: FashionMnist, expected: FashionMnist): void {
  for (const split of ['train', 'test'] as const) {
    expect(Buffer.compare(found[split].images, expected[split].images)).toBe(0);
    expect(Buffer.compare(found[split].labels, expected[split].labels)).toBe(0);
  }
}

async function copyOfSample(name: string): Promise<string> {
  const directory = join(scratch, name);
  await mkdir(directory, { recursive: true });
  for (const file of names) await cp(join(SAMPLE_DIRECTORY, `${file}.gz`), join(directory, `${file}.gz`));
  return directory;
}

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>(resolve => {
    server!.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/data`;
}

const serveSample: RequestListener = (request, response) => {
  const name = request.url!.replace('/data/', '');
  void readFile(join(SAMPLE_DIRECTORY, name)).then(
    bytes => response.end(bytes),
    () => response.writeHead(404).end(),
  );
};

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'weft-test-'));
  notes = [];
  vi.stubEnv('WEFT_DATA', '');
});

afterEach(async () => {
  vi.unstubAllEnvs();
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  await rm(scratch, { recursive: true, force: true });
});

describe('the sample', () => {
  it('is balanced, whole, and says that it is one', async () => {
    const { train, test, source, isSample } = await readSample();
    expect(isSample).toBe(true);
    expect(source).toEqual({ kind: 'sample', path: SAMPLE_DIRECTORY });
    for (const [set, count] of [
      [train, 3000],
      [test, 1000],
    ] as const) {
      expect(set).toMatchObject({ count, height: 28, width: 28, channels: 1 });
      expect(set.images.length).toBe(count * 784);
      const perClass = CLASS_NAMES.map((_, label) => set.labels.filter(value => value === label).length);
      expect(perClass).toEqual(new Array(10).fill(count / 10));
    }
    expect((await readdir(SAMPLE_DIRECTORY)).sort()).toEqual(
      ['LICENSE', 'README.md', ...names.map(name => `${name}.gz`)].sort(),
    );
  });
});

describe('a directory the user names', () => {
  it('is read, files plain or gzip-compressed', async () => {
    const directory = await copyOfSample('mine');
    for (const name of names.slice(0, 2)) {
      const packed = join(directory, `${name}.gz`);
      await writeFile(join(directory, name), gunzipSync(await readFile(packed)));
      await rm(packed);
    }
    const found = await search({ dir: directory });
    expect(found.source).toEqual({ kind: 'directory', path: directory });
    expectSameImages(found, await readSample());
    expect(notes).toEqual([]);
  });

  it('may come from WEFT_DATA, and an argument goes before it', async () => {
    const directory = await copyOfSample('mine');
    vi.stubEnv('WEFT_DATA', directory);
    expect((await search()).source).toEqual({ kind: 'directory', path: directory });
    await expect(search({ dir: join(scratch, 'other') })).rejects.toThrow(DataError);
  });

  it('may hold the sample where the full set is expected, and says so', async () => {
    const found = await loadFashionMnist({ dir: await copyOfSample('mine') });
    expect([found.isSample, found.train.count]).toEqual([true, 3000]);
  });

  const damages: [string, (bytes: Buffer) => Buffer | undefined, (path: string) => string | RegExp][] = [
    [
      'missing',
      () => undefined,
      () => `has no ${trainLabels} or ${trainLabels}.gz (SHA-256 of the decompressed bytes: ${sumOf(trainLabels)}).`,
    ],
    [
      'cut off',
      bytes => bytes.subarray(0, 700),
      path =>
        `${path} is damaged: its 700 bytes do not decompress (unexpected end of file); ` +
        `SHA-256 of the decompressed bytes should be ${sumOf(trainLabels)}.`,
    ],
    [
      'no gzip at all',
      () => Buffer.from('<html>'),
      path =>
        `${path} is damaged: its 6 bytes do not decompress (incorrect header check); ` +
        `SHA-256 of the decompressed bytes should be ${sumOf(trainLabels)}.`,
    ],
    [
      'truncated before it was compressed',
      bytes => gzipSync(gunzipSync(bytes).subarray(0, 1000)),
      path => `${path} is truncated: expected 3008 bytes for shape [3000], found 1000 bytes; SHA-256`,
    ],
    [
      'of the wrong magic number',
      bytes => gzipSync(gunzipSync(bytes).fill(3, 3, 4)),
      path => `${path} has the wrong magic number: expected 0x00000801, found 0x00000803`,
    ],
    [
      'whole but changed in one label',
      bytes => gzipSync(gunzipSync(bytes).fill(9, 100, 101)),
      path => `${path} is not the file it should be: its checksum differs; SHA-256 of the decompressed bytes: expected`,
    ],
  ];
  it.each(damages)('is an error in one sentence when a file is %s', async (_, damage, message) => {
    const directory = await copyOfSample('mine');
    await copyOfSample('system'); // would serve, but must not be tried
    const path = join(directory, `${trainLabels}.gz`);
    const damaged = damage(await readFile(path));
    if (damaged === undefined) await rm(path);
    else await writeFile(path, damaged);
    const error = await search({ dir: directory }).then(
      () => undefined,
      reason => reason,
    );
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toContain(message(path));
    expect(error.message).toContain(sumOf(trainLabels));
    expect(error.message).not.toContain('\n');
    expect(notes).toEqual([]);
  });

  it('names both sums of a file with another checksum', async () => {
    const files = await readDirectory(SAMPLE_DIRECTORY, SAMPLE_EDITION);
    const changed = files.get(trainImages)!.bytes.slice();
    changed[5000] ^= 1;
    files.set(trainImages, { bytes: changed, location: 'a file' });
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', changed)).toString('hex');
    await expect(assembleFashionMnist(files, { kind: 'memory', path: 'memory' })).rejects.toThrow(
      `a file is not the file it should be: its checksum differs; SHA-256 of the decompressed bytes: ` +
        `expected ${sumOf(trainImages)}, found ${digest}.`,
    );
  });
});

describe('the search', () => {
  it('takes the cache before the system, and the system before a download', async () => {
    const system = await copyOfSample('system');
    expect((await search()).source).toEqual({ kind: 'system', path: system });
    const cache = await copyOfSample('cache');
    expect((await search()).source).toEqual({ kind: 'cache', path: cache });
    expect(notes).toEqual([]);
  });

  it('says that the cache is damaged before it goes on', async () => {
    const cache = await copyOfSample('cache');
    const system = await copyOfSample('system');
    await writeFile(join(cache, `${trainImages}.gz`), 'half');
    expect((await search()).source).toEqual({ kind: 'system', path: system });
    expect(notes).toEqual([expect.stringContaining(`${trainImages}.gz is damaged`)]);
  });

  it('falls back on the sample in so many words, quickly, when nothing can be had', async () => {
    const started = performance.now();
    const found = await search();
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(found).toMatchObject({ isSample: true, source: { kind: 'sample' } });
    expect(notes[0]).toBe('Downloading Fashion-MNIST from http://127.0.0.1:1/');
    expect(notes[1]).toMatch(/^http:\/\/127\.0\.0\.1:1\/.*\.gz cannot be downloaded: .+\.$/);
    expect(notes).toContainEqual(expect.stringMatching(/no-apt-get is not on this machine\.$/));
    expect(notes.at(-1)).toMatch(/^Using sample data: 3000 training and 1000 test images/);
  });

  it('neither downloads nor calls apt-get when offline', async () => {
    let asked = 0;
    const baseUrl = await serve((_, response) => {
      asked++;
      response.end();
    });
    expect((await search({ offline: true, baseUrl })).source.kind).toBe('sample');
    expect(asked).toBe(0);
    expect(notes[0]).toBe('Offline: Fashion-MNIST is not downloaded.');
  });
});

describe('a download', () => {
  it('fills the cache, counts the bytes, and is not repeated', async () => {
    const seen: DataProgress[] = [];
    const baseUrl = await serve(serveSample);
    const found = await search({ baseUrl, onProgress: progress => seen.push(progress) });
    expect(found.source).toEqual({ kind: 'download', path: join(scratch, 'cache') });
    expectSameImages(found, await readSample());
    const last = seen.filter(progress => progress.kind === 'bytes').at(-1)!;
    expect(last.received).toBe((await readFile(join(SAMPLE_DIRECTORY, `${trainImages}.gz`))).length);
    expect((await readdir(join(scratch, 'cache'))).sort()).toEqual(names.map(name => `${name}.gz`).sort());
    expect((await search()).source.kind).toBe('cache');
  });

  it('replaces only what the cache lacks or has damaged', async () => {
    const cache = await copyOfSample('cache');
    await rm(join(cache, `${trainLabels}.gz`));
    await writeFile(join(cache, trainImages), 'a damaged plain file beside the packed one');
    const asked: string[] = [];
    const baseUrl = await serve((request, response) => {
      asked.push(request.url!);
      serveSample(request, response);
    });
    expect((await search({ baseUrl })).source.kind).toBe('download');
    expect(asked).toEqual([`/data/${trainLabels}.gz`]);
    expect((await search()).source.kind).toBe('cache');
  });

  it('that is cut off leaves nothing that counts as data', async () => {
    const baseUrl = await serve((request, response) => {
      if (!request.url!.includes(trainImages)) return serveSample(request, response);
      void readFile(join(SAMPLE_DIRECTORY, `${trainImages}.gz`)).then(bytes => {
        response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 1000), () => response.destroy());
      });
    });
    expect((await search({ baseUrl })).source.kind).toBe('sample');
    expect(notes).toContainEqual(expect.stringContaining(`${trainImages}.gz cannot be downloaded: `));
    expect(await readdir(join(scratch, 'cache'))).not.toContainEqual(expect.stringContaining(trainImages));
  });

  it.each([
    ['another file', gzipSync(Buffer.alloc(3008)), 'has the wrong magic number'],
    ['a login page', Buffer.from('<html>please log in</html>'), 'is damaged'],
  ])('of %s is refused and not stored', async (_, bytes, complaint) => {
    const baseUrl = await serve((_request, response) => response.end(bytes));
    expect((await search({ baseUrl })).source.kind).toBe('sample');
    expect(notes).toContainEqual(expect.stringContaining(complaint));
    expect(await readdir(join(scratch, 'cache'))).toEqual([]);
  });

  it('from a server that refuses or never answers is given up', async () => {
    const refusing = await serve((_, response) => response.writeHead(503).end());
    await search({ baseUrl: refusing });
    expect(notes).toContainEqual(expect.stringContaining('the server answered 503 Service Unavailable.'));
    server!.close();
    const silent = await serve(() => {});
    await search({ baseUrl: silent, connectTimeout: 100 });
    expect(notes).toContainEqual(expect.stringContaining('cannot be downloaded: no answer within 0.1 s.'));
  });

  it.each([
    ['that says how much it sends', true, /the server sends 1000000000000 bytes, the file has at most \d+\.$/],
    ['that does not', false, /the server sends more than \d+ bytes, the file has at most \d+\.$/],
  ])('leaves a server that has more to send than the file has, %s', async (_, isSaid, message) => {
    let sent = 0;
    const left: Promise<void>[] = [];
    const baseUrl = await serve((_request, response) => {
      response.writeHead(200, isSaid ? { 'content-length': 1e12 } : {});
      const timer = setInterval(() => {
        sent += 2 ** 14;
        response.write(new Uint8Array(2 ** 14));
      }, 1);
      left.push(new Promise(resolve => response.on('close', resolve)));
      response.on('close', () => clearInterval(timer));
    });
    expect((await search({ baseUrl })).source.kind).toBe('sample');
    await Promise.all(left);
    expect(left).toHaveLength(1);
    expect(sent).toBeLessThan(4 * 2 ** 20);
    expect(notes).toContainEqual(expect.stringMatching(message));
  });

  it('works where the cache cannot be written, and says that it is not kept', async () => {
    await writeFile(join(scratch, 'file'), '');
    const found = await search({ baseUrl: await serve(serveSample), cacheDir: join(scratch, 'file', 'cache') });
    expect(found.source.kind).toBe('download');
    expect(notes[0]).toMatch(/cannot be written \(ENOTDIR\); what is obtained now is not kept\.$/);
  });
});

const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0;
describe.skipIf(!hasDpkg)(`the package ${hasDpkg ? '' : '(skipped: no dpkg-deb)'}`, () => {
  /** An apt-get that builds the .deb itself, to test all but Debian's servers. */
  async function fakeAptGet(script: string): Promise<string> {
    const path = join(scratch, 'apt-get');
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
    return path;
  }
  const buildPackage = `
    mkdir -p tree/DEBIAN tree/usr/share/datasets/fashion-mnist
    cp "${SAMPLE_DIRECTORY}"/*.gz tree/usr/share/datasets/fashion-mnist/
    printf 'Package: dataset-fashion-mnist\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b.c>\\nDescription: test\\n' > tree/DEBIAN/control
    dpkg-deb --build tree dataset-fashion-mnist_1_all.deb >/dev/null`;

  it('is fetched, unpacked and cached when the download fails', async () => {
    const found = await search({ aptGet: await fakeAptGet(buildPackage) });
    expect(found.source).toEqual({ kind: 'debian-package', path: join(scratch, 'cache') });
    expectSameImages(found, await readSample());
    expect((await search()).source.kind).toBe('cache');
  });

  it('is found through package lists of its own when the machine has none', async () => {
    const aptGet = await fakeAptGet(`
      case "$*" in
        *update*) mkdir -p lists && touch lists/known; exit 0 ;;
      esac
      [ -e lists/known ] || { echo 'E: Unable to locate package dataset-fashion-mnist' >&2; exit 100; }
      ${buildPackage}`);
    expect((await search({ aptGet })).source.kind).toBe('debian-package');
    expect(notes).toContainEqual(expect.stringContaining('fetching the package lists into a temporary directory'));
  });

  it('that cannot be had is said with the reason apt gives', async () => {
    const aptGet = await fakeAptGet(`echo 'E: Failed to fetch http://deb  Could not resolve' >&2; exit 100`);
    expect((await search({ aptGet })).source.kind).toBe('sample');
    expect(notes).toContainEqual(expect.stringContaining('failed (E: Failed to fetch http://deb  Could not resolve).'));
  });
});

describe('the cache directory', () => {
  it('follows WEFT_CACHE, then XDG_CACHE_HOME, then the home directory', () => {
    expect(cacheDirectory({ WEFT_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a/fashion-mnist');
    expect(cacheDirectory({ XDG_CACHE_HOME: '/b' })).toBe('/b/weft/fashion-mnist');
    expect(cacheDirectory({})).toMatch(/\/\.cache\/weft\/fashion-mnist$/);
  });
});

const system = '/usr/share/datasets/fashion-mnist';
const installed = (await readDirectory(system, FULL_EDITION)).size === 4;
describe.skipIf(!installed)(
  `the full set ${installed ? '' : '(skipped: dataset-fashion-mnist is not installed)'}`,
  () => {
    it('has 60,000 and 10,000 images, 6,000 and 1,000 of each class', async () => {
      const { train, test, isSample } = await loadFashionMnist({ dir: system });
      expect([isSample, train.count, test.count]).toEqual([false, 60_000, 10_000]);
      for (const set of [train, test]) {
        const perClass = new Array<number>(10).fill(0);
        for (const label of set.labels) perClass[label]++;
        expect(perClass).toEqual(new Array(10).fill(set.count / 10));
      }
      // Published statistics of the training images: mean 0.2860, standard deviation 0.3530 (of values in [0, 1]).
      let sum = 0;
      let squares = 0;
      for (const value of train.images) {
        sum += value;
        squares += value * value;
      }
      const mean = sum / train.images.length;
      expect(mean / 255).toBeCloseTo(0.286, 4);
      expect(Math.sqrt(squares / train.images.length - mean * mean) / 255).toBeCloseTo(0.353, 4);
    });

    it('gives the committed sample again', async () => {
      const { train, test } = await loadFashionMnist({ dir: system });
      const sample = await readSample();
      for (const [set, part] of [
        [train, sample.train],
        [test, sample.test],
      ] as const) {
        // Every sample image occurs in the full split, in the same order, with its label.
        let at = 0;
        for (let index = 0; index < part.count; index++) {
          const image = Buffer.from(part.images.subarray(index * 784, (index + 1) * 784));
          while (at < set.count && image.compare(set.images, at * 784, (at + 1) * 784) !== 0) at++;
          expect(at).toBeLessThan(set.count);
          expect(set.labels[at++]).toBe(part.labels[index]);
        }
      }
    });
  },
);
