/**
 * Builds `dist` before the package is packed, so that no tarball is without a program and a library. npm runs it for `npm
 * pack` and `npm publish`; with `--if-possible` for `npm ci` in a clone and for installs from git. A clone that has no
 * compiler yet gets the packages it was locked to; `--if-possible` leaves it alone, because `npm ci --omit=dev` means it.
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = (command, ...args) => execFileSync(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });

function hasCompiler() {
  try {
    createRequire(import.meta.url).resolve('typescript/package.json');
    return true;
  } catch {
    return false;
  }
}

if (!hasCompiler() && process.argv.includes('--if-possible')) {
  console.error('weft was not built: the development packages are not installed.');
} else {
  if (!hasCompiler()) run('npm', 'ci', '--no-fund', '--no-audit', '--ignore-scripts');
  run('npm', 'run', '--silent', 'build');
}
