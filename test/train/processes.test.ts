/** One command and one seed give one network, process after process, however busy the machine is. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const PROGRAM = fileURLToPath(new URL('training-process.ts', import.meta.url));
/** Bundled, so that a process starts at once; as deep in the repository as the files that look for its assets. */
const BUNDLE = fileURLToPath(new URL(`../../.cache/tests/training-process-${process.pid}.mjs`, import.meta.url));
const PROCESSES = 10;

test('the same training in ten processes, on one thread and on two, gives the same bits', async () => {
  await build({
    entryPoints: [PROGRAM],
    outfile: BUNDLE,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  try {
    const runs = Array.from({ length: PROCESSES }, async (_, i) => {
      const env = { ...process.env, WEFT_THREADS: String(1 + (i % 2)), WEFT_RELAXED_SIMD: '' };
      const { stdout } = await promisify(execFile)(process.execPath, [BUNDLE], { env });
      return stdout.trim();
    });
    const printed = await Promise.all(runs);
    expect(printed[0]).toMatch(/^[0-9a-f]{64} (fused|separate)$/);
    expect(printed).toEqual(Array(PROCESSES).fill(printed[0]));
  } finally {
    rmSync(BUNDLE, { force: true });
  }
}, 300_000);
