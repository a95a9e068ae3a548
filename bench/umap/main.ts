/**
 * UMAP of Fashion-MNIST, timed by part, judged by accuracy on the map; beside umap-learn's where it is asked for.
 *
 *   npx tsx bench/umap/main.ts [IMAGES] [--learn]
 *
 * IMAGES is 10000 (the first training images), or up to 70000 (all, test images last).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadFashionMnist } from '../../src/data/index.node.ts';
import { openWasmDevice } from '../../src/devices/wasm/device.ts';
import {
  fitPca,
  nearestNeighbours,
  neighbourAccuracy,
  type Points,
  pixelsOf,
  transformPca,
  trustworthiness,
  umap,
} from '../../src/explore/index.ts';

const device = await openWasmDevice();
const { train, test } = await loadFashionMnist();
const wanted = Number(process.argv.slice(2).find(argument => /^\d+$/.test(argument)) ?? 10_000);
const all = pixelsOf({ ...train, images: Buffer.concat([train.images, test.images]), count: train.count + test.count });
const count = Math.min(wanted, all.count);
const pixels: Points = { ...all, values: all.values.subarray(0, count * all.dimensions), count };
const labels = Uint8Array.from(Buffer.concat([train.labels, test.labels]).subarray(0, count));

const seconds: Record<string, number> = {};
async function timed<T>(part: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const value = await work();
  seconds[part] = Math.round(performance.now() - began) / 1000;
  return value;
}

const scores = await timed('components', async () =>
  transformPca(await fitPca(pixels, { components: 50, device }), pixels, device),
);
const neighbours = await timed('neighbours', () => nearestNeighbours(scores, 14, { device }));
const { embedding } = await timed('graph and layout', () => umap(scores, { device, precomputed: neighbours }));
console.log(JSON.stringify({ images: count, seconds, ...(await judged(embedding)) }));

if (process.argv.includes('--learn')) {
  const folder = mkdtempSync(join(tmpdir(), 'weft-umap-'));
  const [source, target] = ['scores.f64', 'map.f64'].map(name => join(folder, name));
  try {
    writeFileSync(source, Float64Array.from(scores.values));
    const program = join(import.meta.dirname, 'umap_learn.py');
    const run = spawnSync('/usr/bin/python3', [program, source, String(count), String(scores.dimensions), target]);
    if (run.status !== 0) throw new Error(`umap-learn: ${run.stderr}`);
    const bytes = readFileSync(target);
    const values = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    const map: Points = { values, count, dimensions: 2 };
    console.log(JSON.stringify({ of: 'umap-learn', ...JSON.parse(String(run.stdout)), ...(await judged(map)) }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
device.destroy();

/** Leave-one-out accuracy of ten neighbours on the map, and trustworthiness of a sample. */
async function judged(map: Points): Promise<Record<string, number>> {
  const sample = Uint32Array.from({ length: Math.min(1000, count) }, (_, i) => Math.floor((i * count) / 1000));
  return {
    accuracy: neighbourAccuracy(await nearestNeighbours(map, 10, { device }), labels, 10),
    trustworthiness: trustworthiness(scores, map, 12, count > 1000 ? sample : undefined),
  };
}
