/** `weft doctor` says what became of kernels in a process of their own, also when that process does not survive them. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { probeInChild } from '../../src/cli/kernel-probe.ts';

const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

test('kernels run until they are optimised, on as many threads as the device has', async () => {
  const result = await probeInChild(['--import', 'tsx', CLI, 'doctor', '--probe']);
  expect(result).toEqual({ calls: expect.any(Number), threads: expect.any(Number) });
  expect((result as { calls: number }).calls).toBeGreaterThanOrEqual(3000);
});

test.each([
  ['process.abort()', /^a process that ran kernels ended with (signal SIGABRT|exit code 134)/],
  ["console.error('# Check failed: x.'); process.exit(133)", 'exit code 133 ("Check failed: x.")'],
  ["process.kill(process.pid, 'SIGTRAP')", /ended with (signal SIGTRAP|exit code 133)/],
])('a process that ends with %s is told, and harms nobody', async (program, expected) => {
  const result = await probeInChild(['--eval', program]);
  expect('failure' in result && result.failure).toMatch(expected);
});

test('a program that cannot be found is told', async () => {
  const result = await probeInChild(['/nonexistent/program.mjs']);
  expect('failure' in result && result.failure).toContain('exit code 1');
});
