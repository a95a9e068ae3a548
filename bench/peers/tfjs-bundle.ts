/**
 * TensorFlow.js with its WebGPU backend and its gradients, for Node. Three things stand between the packages and Node: the
 * gradients live in a file that only a bundler can load (ES module syntax in a CommonJS package), the backend starts in
 * pages only, and it asks a global `navigator` for its adapter. So the packages are bundled once, with the first question
 * answered by yes and the second by us: Dawn's adapter, the same that our own device runs on.
 */
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as TfjsCore from '@tensorflow/tfjs-core';

/** What the bundle asks in place of `navigator`. */
const NAVIGATOR = 'weftBenchNavigator';

const ENTRY = `
export * from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
export { version_core } from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
`;

/** Where packages of peers may lie that the repository does not have. */
const elsewhere = (): string[] => (process.env.WEFT_PEERS ? [join(process.env.WEFT_PEERS, 'node_modules')] : []);

/**
 * Writes the bundle.
 * @throws Error of the bundler when a package is not installed
 */
export async function bundleTfjs(file: string): Promise<void> {
  const { build } = await import('esbuild');
  await build({
    stdin: { contents: ENTRY, resolveDir: fileURLToPath(new URL('.', import.meta.url)), loader: 'js' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    // The modules that the gradients import too, not a second copy of everything.
    mainFields: ['module', 'main'],
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    outfile: file,
    logLevel: 'silent',
    nodePaths: [...elsewhere(), fileURLToPath(new URL('../../node_modules', import.meta.url))],
    define: { navigator: `globalThis.${NAVIGATOR}` },
    plugins: [
      {
        name: 'outside of pages',
        setup({ onLoad }) {
          onLoad({ filter: /tfjs-backend-webgpu[\\/]dist[\\/]webgpu_util\.js$/ }, async ({ path }) => {
            const source = await readFile(path, 'utf8');
            const contents = source.replace(
              /export function isWebGPUSupported\(\) \{[\s\S]*?\n\}/,
              'export function isWebGPUSupported() { return true; }',
            );
            if (contents === source) throw new Error('webgpu_util.js is not as expected.');
            return { contents, loader: 'js' };
          });
        },
      },
    ],
  });
}

/**
 * TensorFlow.js from a bundle: the one in WEFT_TFJS_BUNDLE, or one made now.
 * @param requestAdapter gives it its adapter
 */
export async function loadTfjsWebGpu(requestAdapter: () => Promise<GPUAdapter>): Promise<typeof TfjsCore> {
  let file = process.env.WEFT_TFJS_BUNDLE;
  if (!file) {
    const folder = join(tmpdir(), `weft-bench-${process.getuid?.() ?? 'user'}`);
    mkdirSync(folder, { recursive: true });
    file = join(folder, 'tfjs-webgpu.mjs');
    await bundleTfjs(file);
  }
  const { globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  Object.assign(globalThis, { [NAVIGATOR]: { gpu: { requestAdapter }, userAgent: 'node' } });
  return (await import(pathToFileURL(file).href)) as typeof TfjsCore;
}
