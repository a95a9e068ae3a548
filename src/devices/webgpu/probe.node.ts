/**
 * What adapter this machine offers, found out in a process of its own: Dawn and a driver are a hundred megabytes that a
 * machine without a GPU has no use for, they print warnings on stderr, and a broken driver ends the process that loads it.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { adapterDescription, isSoftwareAdapter } from './adapter.ts';
import { adapterRequest, dawnOptions, noAdapter } from './dawn.node.ts';
import type { AdapterOptions } from './options.ts';

const PATIENCE_MILLISECONDS = 30_000;

/** What the probing process prints: a line of JSON. */
type Found = { readonly info: GPUAdapterInfo } | { readonly error: string } | { readonly info: null };

/** Runs where neither TypeScript nor this package's modules can be loaded. */
const program = (webgpu: string, options: AdapterOptions): string => `
  const { create } = await import(${JSON.stringify(webgpu)});
  let found;
  try {
    const gpu = create(${JSON.stringify(dawnOptions(options.adapter))});
    const adapter = await gpu.requestAdapter(${JSON.stringify(adapterRequest(options))});
    const { vendor, architecture, device, description, isFallbackAdapter } = adapter?.info ?? {};
    found = { info: adapter && { vendor, architecture, device, description, isFallbackAdapter } };
  } catch (error) {
    found = { error: error.message };
  }
  console.log(JSON.stringify(found));
`;

/**
 * Why there is no hardware GPU to take; undefined where there is one.
 * @param webgpu the module of the npm package `webgpu`; tests name another one
 */
export async function whyNoHardware(
  options: AdapterOptions = {},
  webgpu: string = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href,
): Promise<string | undefined> {
  const found = await probe(program(webgpu, options));
  if (typeof found === 'string') return found;
  if ('error' in found) return noAdapter(options, found.error);
  if (found.info === null) return noAdapter(options);
  const adapter = { info: found.info } as GPUAdapter;
  if (isSoftwareAdapter(adapter)) return `${adapterDescription(adapter)}: the wasm device is faster.`;
  return undefined;
}

/** What the program found, or a sentence on how it ended. */
function probe(text: string): Promise<Found | string> {
  return new Promise(resolve => {
    const args = ['--input-type=module', '--eval', text];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: PATIENCE_MILLISECONDS,
    });
    let printed = '';
    child.stdout.on('data', data => {
      printed += data;
    });
    child.on('error', error =>
      resolve(`webgpu: the process that asks for an adapter did not start: ${error.message}.`),
    );
    child.on('close', (code, signal) => {
      const line = printed.trim().split('\n').at(-1);
      if (line) return resolve(JSON.parse(line) as Found);
      resolve(
        `webgpu: the process that asked for an adapter ended with ${signal ? `signal ${signal}` : `exit code ${code}`}.`,
      );
    });
  });
}
