/**
 * How fast a folder of small pictures is read, and how much memory that takes: `openDataset` on 28 x 28 grey PNG files in a
 * process of its own, first without a cache and then with the one that the first wrote. Memory is the peak of the resident
 * size over what the process holds after its imports, as a multiple of the arrays that come out.
 *
 *     npx tsx bench/data/pictures.ts                    60,000 pictures, three rounds
 *     npx tsx bench/data/pictures.ts --pictures 2000 --rounds 1
 *
 * The first start finds the files in the page cache, as they have just been written: what is measured is listing, decoding
 * and keeping, not a disk.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { PNG } from 'pngjs';
import { wholeNumber } from '../../src/cli/options.ts';
import { CLASS_NAMES, readSample } from '../../src/data/index.node.ts';
import { writeJsonAtomically } from '../../src/train/atomic-file.node.ts';
import { runScript } from '../script.ts';
import { quantile } from '../statistics.ts';

interface Opening {
  readonly seconds: number;
  readonly arrayBytes: number;
  readonly peakBytes: number;
  readonly pictures: number;
  readonly sha256: string;
}

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const program = new Command('pictures')
  .description('speed and memory of reading a folder of pictures')
  .option('--pictures <n>', 'pictures in the folder', wholeNumber(20), 60_000)
  .option('--rounds <n>', 'times that the folder is read without a cache', wholeNumber(1), 3)
  .option('--out <file>', 'write the figures as JSON')
  .action(async ({ pictures, rounds, out }: { pictures: number; rounds: number; out?: string }) => {
    const scratch = mkdtempSync(join(tmpdir(), 'weft-bench-pictures-'));
    try {
      const folder = join(scratch, 'data');
      await writePictures(folder, pictures);
      const first: Opening[] = [];
      const second: Opening[] = [];
      for (let round = 0; round < rounds; round++) {
        const cache = join(scratch, `cache${round}`);
        first.push(await open(folder, cache));
        second.push(await open(folder, cache));
        rmSync(cache, { recursive: true });
      }
      const sums = new Set([...first, ...second].map(({ sha256 }) => sha256));
      if (sums.size !== 1) throw new Error('The readings do not give the same arrays.');
      const result = {
        command: ['npx tsx bench/data/pictures.ts', ...process.argv.slice(2)].join(' '),
        hardware: { processor: cpus()[0].model, cores: availableParallelism(), node: process.version },
        pictures,
        arrayBytes: first[0].arrayBytes,
        first: summary(first),
        second: summary(second),
      };
      console.log(`${pictures} pictures, arrays of ${(result.arrayBytes / 1e6).toFixed(1)} MB, medians of ${rounds}:`);
      for (const [name, of] of [
        ['without a cache', result.first],
        ['from the cache', result.second],
      ] as const) {
        console.log(
          `  ${name}: ${of.seconds.toFixed(2)} s, ${Math.round(of.picturesPerSecond)} pictures/s, ` +
            `peak ${of.peakOverArrays.toFixed(2)} times the arrays`,
        );
      }
      if (out !== undefined) await writeJsonAtomically(out, result);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });

function summary(openings: readonly Opening[]) {
  const median = (of: (opening: Opening) => number): number => quantile(openings.map(of), 0.5);
  return {
    seconds: median(({ seconds }) => seconds),
    picturesPerSecond: median(({ pictures, seconds }) => pictures / seconds),
    peakBytes: median(({ peakBytes }) => peakBytes),
    peakOverArrays: median(({ peakBytes, arrayBytes }) => peakBytes / arrayBytes),
    rounds: openings.map(({ seconds, peakBytes }) => ({ seconds, peakBytes })),
  };
}

/** The sample's garments over and over, five of six as training pictures. */
async function writePictures(folder: string, count: number): Promise<void> {
  const { train } = await readSample();
  const pixels = train.height * train.width;
  const parts = ['train', 'train', 'train', 'train', 'train', 'test'];
  for (const part of new Set(parts)) {
    for (const name of CLASS_NAMES) mkdirSync(join(folder, part, name.replace('/', '-')), { recursive: true });
  }
  for (let i = 0; i < count; i++) {
    const index = i % train.count;
    const png = new PNG({
      width: train.width,
      height: train.height,
      colorType: 0,
      inputColorType: 0,
      inputHasAlpha: false,
    });
    png.data = Buffer.from(train.images.subarray(index * pixels, (index + 1) * pixels));
    const bytes = PNG.sync.write(png, { colorType: 0, inputColorType: 0, inputHasAlpha: false });
    const name = CLASS_NAMES[train.labels[index]].replace('/', '-');
    writeFileSync(join(folder, parts[i % parts.length], name, `${String(i).padStart(6, '0')}.png`), bytes);
  }
}

/** Opens the folder in a process of its own. */
async function open(folder: string, cache: string): Promise<Opening> {
  const child = fileURLToPath(new URL('./open-pictures.ts', import.meta.url));
  const { stdout } = await run(process.execPath, ['--import', 'tsx', child, folder, cache], { cwd: ROOT });
  return JSON.parse(stdout);
}

await runScript(program);
