/**
 * Runs the tests: chooses the Vulkan driver (see vulkan.mjs), says which and why, and starts Vitest with it.
 * `node test/run.mjs [vitest arguments]`; WEFT_TEST_ADAPTER=lavapipe|swiftshader|installed|none forces a driver.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { chooseAdapter } from './vulkan.mjs';

let choice;
try {
  choice = chooseAdapter(process.env.WEFT_TEST_ADAPTER || undefined);
} catch (error) {
  console.error(error.message);
  process.exit(2);
}
console.log(choice.line);

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const child = spawn(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, ...choice.environment },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
});
