/**
 * Which Vulkan driver the tests run WGSL on. What the machine has installed comes first: a GPU, or Mesa's lavapipe. A
 * machine with nothing gets SwiftShader and the Vulkan loader out of the dev-dependency `@sparticuz/chromium`, unpacked
 * into node_modules/.cache, so WGSL is executed everywhere. Dawn finds the loader by name only, hence the library path
 * must be set before the process that uses it starts; that is why tests have a launcher.
 *
 * Plain JavaScript: this runs before anything is built.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';

const require = createRequire(import.meta.url);
const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Asks Dawn, in a process of its own, which adapter it finds under `environment`; undefined if none. */
function probe(environment) {
  const script = `
    const { create } = await import(${JSON.stringify(import.meta.resolve('webgpu'))});
    const adapter = await create([]).requestAdapter();
    if (!adapter) throw new Error('no adapter');
    const device = await adapter.requestDevice();
    console.log(JSON.stringify(adapter.info.description || adapter.info.device || adapter.info.vendor));
    device.destroy();`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    timeout: 60_000,
  });
  const line = stdout?.trim().split('\n').pop() ?? '';
  if (status === 0 && line.startsWith('"')) return { adapter: JSON.parse(line) };
  const lines = (stderr ?? '').split('\n').filter(each => /error|libvulkan|cannot/i.test(each));
  return { reason: lines[0]?.trim() ?? `the probe ended with status ${status}` };
}

/** The manifest of an installed lavapipe. */
function lavapipeManifest() {
  for (const folder of ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/local/share/vulkan/icd.d']) {
    const names = existsSync(folder) ? readdirSync(folder) : [];
    const name = names.find(each => each.startsWith('lvp_icd') && each.endsWith('.json'));
    if (name) return join(folder, name);
  }
  return undefined;
}

/** The regular files of a tar archive (POSIX ustar, short names). */
export function* tarEntries(archive) {
  const text = (start, length) => archive.toString('latin1', start, start + length).replace(/\0[\s\S]*$/, '');
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const isFile = archive[at + 156] === 0 || archive[at + 156] === '0'.charCodeAt(0);
    if (isFile) yield { name: text(at, 100), contents: archive.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

const SWIFTSHADER_FILES = ['libvk_swiftshader.so', 'vk_swiftshader_icd.json', 'libvulkan.so.1'];

/** Unpacks SwiftShader and the loader (once per version of the package) and returns their folder. */
export function unpackSwiftShader() {
  const packageFolder = dirname(dirname(dirname(require.resolve('@sparticuz/chromium'))));
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  const cache = join(root, 'node_modules', '.cache', 'weft-swiftshader');
  const folder = join(cache, version);
  if (SWIFTSHADER_FILES.every(name => existsSync(join(folder, name)))) return folder;
  mkdirSync(cache, { recursive: true });
  const partial = mkdtempSync(join(cache, 'unpacking-'));
  const archive = brotliDecompressSync(readFileSync(join(packageFolder, 'bin', 'swiftshader.tar.br')));
  for (const { name, contents } of tarEntries(archive)) {
    if (SWIFTSHADER_FILES.includes(name)) writeFileSync(join(partial, name), contents, { mode: 0o755 });
  }
  chmodSync(partial, 0o755);
  try {
    renameSync(partial, folder);
  } catch (error) {
    // Another run put it in place meanwhile, which is just as good.
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

function driver(manifest, libraries) {
  const paths = [libraries, process.env.LD_LIBRARY_PATH].filter(Boolean);
  return {
    // Older loaders know the second name only.
    VK_DRIVER_FILES: manifest,
    VK_ICD_FILENAMES: manifest,
    ...(paths.length > 0 ? { LD_LIBRARY_PATH: paths.join(':') } : {}),
  };
}

const candidates = {
  installed: () => ({}),
  lavapipe: () => {
    const manifest = lavapipeManifest();
    if (!manifest) throw new Error('no lvp_icd*.json is installed');
    return driver(manifest);
  },
  swiftshader: () => {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      throw new Error(`the packed SwiftShader is for Linux on x64, this is ${process.platform} on ${process.arch}`);
    }
    const folder = unpackSwiftShader();
    return driver(join(folder, 'vk_swiftshader_icd.json'), folder);
  },
};

/**
 * Chooses the adapter for the tests.
 * @param wanted `installed`, `lavapipe`, `swiftshader` or `none`; undefined takes the first of installed and swiftshader
 * @returns the environment to start the tests with, and one line that says what was chosen and why
 * @throws Error with one sentence if the wanted adapter cannot be had
 */
export function chooseAdapter(wanted) {
  if (wanted === 'none') {
    return { environment: driver('/nonexistent'), line: 'WebGPU tests are skipped: WEFT_TEST_ADAPTER is "none".' };
  }
  const names = wanted ? [wanted] : ['installed', 'swiftshader'];
  const reasons = [];
  for (const name of names) {
    if (!(name in candidates)) {
      throw new Error(`WEFT_TEST_ADAPTER is "${name}" but must be installed, lavapipe, swiftshader or none.`);
    }
    try {
      const environment = candidates[name]();
      const { adapter, reason } = probe(environment);
      if (adapter) {
        const asked = wanted ? ', as WEFT_TEST_ADAPTER asks' : '';
        const why = reasons.length > 0 ? `, because ${reasons.join('; ')}` : asked;
        return { environment, line: `WebGPU tests run on ${adapter} (${name}${why}).` };
      }
      reasons.push(`${name}: ${reason}`);
    } catch (error) {
      reasons.push(`${name}: ${error.message}`);
    }
  }
  const why = reasons.join('; ');
  if (wanted) throw new Error(`The adapter that WEFT_TEST_ADAPTER asks for cannot be had: ${why}.`);
  return { environment: {}, line: `WebGPU tests are skipped, no adapter can be had: ${why}.` };
}
