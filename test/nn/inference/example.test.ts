/** The example of the README runs, and recognises what the package's CNN recognises. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { REPOSITORY } from '../../support/shared.ts';

test('examples/inference.ts', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', 'examples/inference.ts'], {
    cwd: REPOSITORY,
    env: { ...process.env, WEFT_THREADS: '1' },
  });
  expect(stdout).toMatch(/^4 batch norms folded, 5 activations fused$/m);
  const [, accuracy] = stdout.match(/^accuracy on 1000 test images: ([\d.]+)$/m)!;
  // The model's own on the sample; a fold that is wrong anywhere is far below.
  expect(Number(accuracy)).toBeGreaterThan(0.92);
});
