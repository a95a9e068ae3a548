/**
 * Packs what a GPU host needs that has nothing but Linux on x86-64, a Vulkan driver and Python 3, and no network:
 *
 *     npx tsx bench/gpu/pack.ts [--out weft-gpu.tar.xz | --folder DIR]
 *
 * Node (stripped), Dawn, the Vulkan loader, our code bundled, TensorFlow.js with its WebGPU backend bundled, the PyTorch
 * baseline, and a script that runs it all. README.md says what to do with it there.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { bundleTfjs } from '../peers/tfjs-bundle.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const BENCH = dirname(HERE.replace(/\/$/, ''));
/** What may be sent to such a host at once. */
const MOST_BYTES = 64 * 2 ** 20;
const LIBRARIES = ['/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu', '/usr/lib64', '/lib64'];

/** The entry points that the script on the host calls. */
const PROGRAMS = {
  conformance: join(HERE, 'conformance.ts'),
  bench: join(BENCH, 'main.ts'),
  overhead: join(BENCH, 'overhead.ts'),
  endurance: join(BENCH, 'endurance.ts'),
  kernels: join(HERE, 'kernels.ts'),
};
/** Not bundled: native, or peers that are found missing there. */
const EXTERNAL = ['webgpu', 'benchmark', 'esbuild', 'sharp', 'playwright-core', '@tensorflow/*', 'onnxruntime-node'];
/** Packages as they are, with the files they need: one is native, the other finds its companions by itself. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  webgpu: ['index.js', 'package.json', 'LICENSE.md', join('dist', 'linux-x64', 'dawn.node')],
  benchmark: ['benchmark.js', 'package.json', 'LICENSE'],
  lodash: ['lodash.js', 'package.json', 'LICENSE'],
  platform: ['platform.js', 'package.json', 'LICENSE'],
};

async function fill(folder: string): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('This packs the Node and the Dawn that are installed here, so it must run on Linux x86-64.');
  }
  mkdirSync(join(folder, 'app'), { recursive: true });
  await bundleOurs(join(folder, 'app'));
  await bundlePeers(join(folder, 'app'));
  packNode(folder);
  packPackages(folder);
  packLibraries(folder);
  copyFileSync(join(BENCH, 'torch_baseline.py'), join(folder, 'torch_baseline.py'));
  for (const name of ['run.sh', 'README.md']) copyFileSync(join(HERE, name), join(folder, name));
  chmodSync(join(folder, 'run.sh'), 0o755);
}

async function pack(out: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-gpu-'));
  try {
    await fill(folder);
    execFileSync('tar', ['-cJf', resolve(out), '-C', folder, '.'], { env: { ...process.env, XZ_OPT: '-6 -T0' } });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const bytes = statSync(out).size;
  console.log(`${out}: ${(bytes / 2 ** 20).toFixed(1)} MiB`);
  if (bytes > MOST_BYTES) throw new Error(`It must stay under ${MOST_BYTES / 2 ** 20} MiB.`);
}

async function bundleOurs(app: string): Promise<void> {
  await build({
    entryPoints: PROGRAMS,
    outdir: app,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outExtension: { '.js': '.mjs' },
    external: EXTERNAL,
    alias: { vitest: join(HERE, 'assertions.ts') },
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    logLevel: 'warning',
  });
}

async function bundlePeers(app: string): Promise<void> {
  try {
    await bundleTfjs(join(app, 'tfjs-webgpu.mjs'));
  } catch (error) {
    console.warn(`Without TensorFlow.js: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`);
  }
}

function packNode(folder: string): void {
  const node = join(folder, 'node');
  copyFileSync(realpathSync(process.execPath), node);
  chmodSync(node, 0o755);
  try {
    execFileSync('strip', ['--strip-unneeded', node], { stdio: 'ignore' });
  } catch {
    console.warn('There is no strip here; Node goes as it is.');
  }
}

function packPackages(folder: string): void {
  for (const [name, files] of Object.entries(PACKAGES)) {
    const from = dirname(createRequire(import.meta.url).resolve(name));
    for (const file of files) {
      const target = join(folder, 'node_modules', name, file);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(join(from, file), target);
    }
  }
}

/** The Vulkan loader, and the C++ runtime for hosts whose own is too old for this Node (used only then). */
function packLibraries(folder: string): void {
  for (const [place, name] of [
    ['vulkan', 'libvulkan.so.1'],
    ['c++', 'libstdc++.so.6'],
    ['c++', 'libgcc_s.so.1'],
  ]) {
    const found = LIBRARIES.map(each => join(each, name)).find(existsSync);
    if (!found) throw new Error(`${name} is not installed here (Debian: apt install libvulkan1 libstdc++6).`);
    mkdirSync(join(folder, 'lib', place), { recursive: true });
    copyFileSync(realpathSync(found), join(folder, 'lib', place, name));
  }
}

const { values } = parseArgs({
  options: { out: { type: 'string', default: 'weft-gpu.tar.xz' }, folder: { type: 'string' } },
});
// The folder alone is enough for a rehearsal here; making the archive takes a minute of processor time.
if (values.folder) await fill(resolve(values.folder));
else await pack(values.out);
