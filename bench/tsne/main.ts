/**
 * t-SNE of Fashion-MNIST from pixels to map: where the time goes, how good the maps are, and against scikit-learn.
 *
 *     npx tsx bench/tsne/main.ts [--points 10000,30000,70000] [--scikit-learn] [--exact] [--json FILE]
 *
 * 70,000 points are the training images, then the test images. `--scikit-learn` runs /usr/bin/python3 with python3-sklearn on
 * the same components, right after each of our maps, and judges both by one evaluator (on for up to 30,000 points, where it
 * takes minutes); `--exact` adds the divergence over all pairs of larger maps too.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import {
  fewerNeighbours,
  fitPca,
  klDivergence,
  nearestNeighbours,
  neighbourAccuracy,
  neighbourVotes,
  type Points,
  selectPoints,
  transformPca,
  transformTsne,
  trustworthiness,
  tsne,
} from '../../src/explore/index.ts';
import { obtainData } from '../../src/study/index.node.ts';

const LARGEST_JUDGED = 30_000;

const { values: options } = parseArgs({
  options: {
    points: { type: 'string', default: '10000,30000,70000' },
    'scikit-learn': { type: 'boolean', default: false },
    exact: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const device = await openWasmDevice();
const { train, test } = await obtainData({}, { show() {}, note: console.error });
const size = train.height * train.width * train.channels;
const images = new Uint8Array(train.images.length + test.images.length);
images.set(train.images);
images.set(test.images, train.images.length);
const labels = Uint8Array.from([...train.labels, ...test.labels]);
const scratch = mkdtempSync(join(tmpdir(), 'weft-tsne-'));
const every = (count: number): Uint32Array =>
  Uint32Array.from({ length: Math.min(count, 1000) }, (_, i) => Math.floor((i * count) / Math.min(count, 1000)));

async function measure(count: number) {
  const seconds: Record<string, number> = {};
  const timed = async <T>(part: string, work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const value = await work();
    seconds[part] = (performance.now() - began) / 1000;
    return value;
  };
  const pixels: Points = { values: images.subarray(0, count * size), count, dimensions: size, scale: 1 / 255 };
  const points = await timed('components', async () =>
    transformPca(await fitPca(pixels, { components: 50, device }), pixels, device),
  );
  const neighbours = await timed('neighbours', () => nearestNeighbours(points, 90, { device }));
  const { embedding, kl } = await timed('affinities and 750 steps', () =>
    tsne(points, { device, precomputed: neighbours }),
  );
  const all = Object.values(seconds).reduce((sum, part) => sum + part, 0);
  const result: Record<string, unknown> = { count, seconds, all, peakGiB: process.resourceUsage().maxRSS / 2 ** 20 };
  const accuracy = neighbourAccuracy(await nearestNeighbours(embedding, 10, { device }), labels.subarray(0, count), 10);
  Object.assign(result, { neighbourKl: kl, accuracy });
  result.trustworthiness = trustworthiness(points, embedding, 12, every(count));
  const isJudged = options.exact || count <= LARGEST_JUDGED;
  if (isJudged) result.kl = await klDivergence(points, embedding, { device, neighbours });
  if (count <= train.count) result.placedAccuracy = await placed(points, embedding, pixels);
  if (options['scikit-learn'] && count <= LARGEST_JUDGED) {
    const began = performance.now();
    const other = scikitLearn(points);
    // Ours has the components already, as scikit-learn does.
    const own = all - seconds.components;
    const otherKl = await klDivergence(points, other.map, { device, neighbours: fewerNeighbours(neighbours, 90) });
    Object.assign(result, {
      scikitLearn: {
        seconds: other.seconds,
        kl: otherKl,
        ratio: other.seconds / own,
        klRatio: Number(result.kl) / otherKl,
      },
      minutes: (performance.now() - began) / 60_000,
    });
  }
  return result;
}

/** Share of the test images whose neighbours on the map vote for their class, once they are placed on it. */
async function placed(points: Points, embedding: Points, pixels: Points): Promise<number> {
  const pca = await fitPca(pixels, { components: 50, device });
  const fresh = await transformPca(
    pca,
    { values: test.images, count: test.count, dimensions: size, scale: 1 / 255 },
    device,
  );
  const places = await transformTsne(embedding, points, fresh, { device });
  const around = await nearestNeighbours(places, 10, { device, among: embedding });
  const votes = neighbourVotes(around, labels.subarray(0, points.count), 10);
  return votes.reduce((right, vote, i) => right + Number(vote === test.labels[i]), 0) / test.count;
}

function scikitLearn(points: Points): { seconds: number; map: Points } {
  const [from, to] = ['points.f64', 'map.f64'].map(file => join(scratch, file));
  writeFileSync(
    from,
    Float64Array.from(
      selectPoints(
        points,
        Array.from({ length: points.count }, (_, i) => i),
      ).values,
    ),
  );
  const script = new URL('scikit_learn.py', import.meta.url).pathname;
  const said = execFileSync('/usr/bin/python3', [script, from, String(points.count), String(points.dimensions), to]);
  const bytes = readFileSync(to);
  const values = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  return { seconds: JSON.parse(said.toString()).seconds, map: { values, count: points.count, dimensions: 2 } };
}

const results: unknown[] = [];
try {
  for (const count of options.points!.split(',').map(Number)) {
    const result = await measure(count);
    results.push(result);
    console.log(
      JSON.stringify(result, (_, value) => (typeof value === 'number' ? Number(value.toPrecision(5)) : value)),
    );
  }
} finally {
  rmSync(scratch, { recursive: true });
  await device.destroy();
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
