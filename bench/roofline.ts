/**
 * Draws the roofline picture of results again, beside their JSON, as `npm run bench` does at its end:
 *
 *     npx tsx bench/roofline.ts bench/results/X.json [more.json ...]
 */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { UsageError } from '../src/devices/errors.ts';
import type { Results } from './results.ts';
import { rooflinePath, writeRoofline } from './roofline-picture.ts';
import { runScript } from './script.ts';

async function read(path: string): Promise<Results> {
  try {
    const results = JSON.parse(await readFile(path, 'utf8')) as Results;
    if (Array.isArray(results.rows)) return results;
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
  throw new UsageError(`${path} holds no results of npm run bench.`);
}

await runScript(
  new Command('roofline')
    .description('draw the roofline picture of results again')
    .argument('<results...>', 'JSON files of npm run bench')
    .action(async (paths: string[]) => {
      for (const path of paths) {
        const isDrawn = await writeRoofline(path, await read(path));
        console.log(isDrawn ? `Written: ${rooflinePath(path)}` : `${path}: no ceilings or no kernels, so no picture.`);
      }
    }),
);
