/**
 * The package as a stranger gets it: packed from a clone that was never built, installed from the tarball, imported, typed
 * and bundled in a project of its own.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REPOSITORY } from './support/shared.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-package-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const project = join(folder, 'project');
const installed = join(project, 'node_modules', 'weft');

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

beforeAll(() => {
  // The working tree as it is, without what was built; packages by a link, so that nothing is downloaded.
  const clone = join(folder, 'clone');
  const files = run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], REPOSITORY).split('\0');
  mkdirSync(clone);
  writeFileSync(join(folder, 'files'), files.filter(name => name !== '' && !name.startsWith('test/')).join('\n'));
  run('tar', ['cf', join(folder, 'clone.tar'), '--ignore-failed-read', '-T', join(folder, 'files')], REPOSITORY);
  run('tar', ['xf', join(folder, 'clone.tar')], clone);
  symlinkSync(join(REPOSITORY, 'node_modules'), join(clone, 'node_modules'));
  run('npm', ['pack', '--silent', '--pack-destination', folder], clone);
  // Installed by hand: npm would fetch every dependency anew.
  mkdirSync(installed, { recursive: true });
  const tarball = readdirSync(folder).find(name => name.endsWith('.tgz'))!;
  run('tar', ['xf', join(folder, tarball), '--strip-components=1'], installed);
  for (const name of readdirSync(join(REPOSITORY, 'node_modules'))) {
    if (name !== 'weft' && !name.startsWith('.')) {
      symlinkSync(join(REPOSITORY, 'node_modules', name), join(project, 'node_modules', name));
    }
  }
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }');
}, 300_000);

test('packed from a clone that was never built, it has its program and its library', () => {
  expect(readdirSync(installed)).toEqual(expect.arrayContaining(['dist', 'models', 'assets', 'package.json']));
  expect(run(process.execPath, [join(installed, 'dist/cli/main.js'), '--help'], project)).toContain('weft');
  const program = "import { tensor } from 'weft'; console.log(typeof tensor);";
  expect(run(process.execPath, ['--input-type=module', '--eval', program], project).trim()).toBe('function');
});

describe('types', () => {
  const source = `
    import { openDevice, type Device } from 'weft';
    import { loadFashionMnist, epochBatches } from 'weft/data';
    import { encodePng, escapeHtml } from 'weft/report';
    import * as study from 'weft/study';
    import { miniResNet } from 'weft/nn';
    export const all = [openDevice, loadFashionMnist, epochBatches, encodePng, escapeHtml, study, miniResNet];
    export type D = Device;
  `;
  test.each([
    ['bundler', 'esnext'],
    ['nodenext', 'nodenext'],
  ])(
    'with moduleResolution %s every declaration is right, none skipped',
    (resolution, module) => {
      writeFileSync(join(project, 'user.ts'), source);
      const settings = ['--moduleResolution', resolution, '--module', module, '--target', 'es2023', '--types', 'node'];
      const tsc = join(REPOSITORY, 'node_modules', '.bin', 'tsc');
      expect(
        run(
          tsc,
          ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', 'false', ...settings, 'user.ts'],
          project,
        ),
      ).toBe('');
    },
    120_000,
  );
});

describe('a bundle takes what it uses', () => {
  test.each([
    ['weft/interop', 'parseNpy', 10_000],
    ['weft/report', 'escapeHtml', 10_000],
  ])('%s: %s', async (entry, name, most) => {
    const { outputFiles } = await build({
      stdin: { contents: `import { ${name} as x } from '${entry}'; console.log(x)`, resolveDir: project },
      bundle: true,
      minify: true,
      format: 'esm',
      write: false,
    });
    expect(outputFiles[0].contents.length).toBeLessThan(most);
  });

  test('the assembler keeps the methods that its younger files add', async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: `
          import { openDevice, matmul, tensor } from 'weft';
          const device = await openDevice('wasm', { wasm: { threads: 1 } });
          const x = tensor([1, 2, 3, 4], [2, 2], { device });
          console.log([...(await matmul(x, x).data())].join());
          await device.destroy();
        `,
        resolveDir: project,
      },
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      external: ['webgpu', 'sharp'],
      write: false,
    });
    writeFileSync(join(project, 'bundled.mjs'), outputFiles[0].contents);
    expect(run(process.execPath, ['bundled.mjs'], project).trim()).toBe('7,10,15,22');
  });
});
