/** A page on loopback that runs a program made of this library's sources. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export interface PageServer {
  readonly url: string;
  /** The Content-Security-Policy of pages fetched from now on. */
  policy: string;
  close(): Promise<void>;
}

/**
 * Serves a cross-origin isolated page with one module.
 * @param program its text; imports of files are relative to the repository's root
 */
export async function servePage(program: string): Promise<PageServer> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: fileURLToPath(new URL('../..', import.meta.url)), loader: 'ts' },
    bundle: true,
    format: 'esm',
    // What only Node loads stays an import that a page never reaches.
    external: ['*.node.ts', 'node:*'],
    write: false,
  });
  const state = { policy: '' };
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
    response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
    response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    if (state.policy) response.setHeader('Content-Security-Policy', state.policy);
    response.end(isScript ? outputFiles[0].text : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => new Promise<void>(resolve => server.close(() => resolve())),
  });
}
