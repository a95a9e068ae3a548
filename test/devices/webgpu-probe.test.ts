/** `auto` asks for an adapter in a process of its own: every way it can end becomes a sentence, and harms nobody. */
import { expect, test } from 'vitest';
import { whyNoHardware } from '../../src/devices/webgpu/probe.node.ts';

/** A module in the place of Dawn's. */
const dawn = (adapter: string): string =>
  `data:text/javascript,${encodeURIComponent(`export const create = () => ({ requestAdapter: async () => { ${adapter} } });`)}`;
const info = (description: string, isFallbackAdapter = false): string =>
  `return { info: ${JSON.stringify({ vendor: 'v', architecture: 'a', device: 'd', description, isFallbackAdapter })} };`;

test.each([
  ['a GPU', info('A real GPU'), undefined],
  ['a software adapter', info('llvmpipe'), /^llvmpipe \(software: runs on the CPU\): the wasm device is faster\.$/],
  ['a fallback adapter', info('Something', true), /^Something \(software/],
  ['no adapter', 'return null;', /^webgpu: this machine has no adapter\. Install a graphics driver/],
  ['an error', `throw new Error('no Vulkan\\nat all');`, /^webgpu: no adapter: no Vulkan\. Install/],
  [
    'a driver that ends the process',
    'process.abort();',
    /^webgpu: the process that asked for an adapter ended with (signal SIGABRT|exit code 134)\.$/,
  ],
  ['a driver that prints', `console.log('noise'); ${info('A real GPU')}`, undefined],
])('%s', async (_, adapter, expected) => {
  const reason = await whyNoHardware({}, dawn(adapter));
  if (expected === undefined) expect(reason).toBeUndefined();
  else expect(reason).toMatch(expected);
});

test('a package that is not installed', async () => {
  expect(await whyNoHardware({}, 'file:///nowhere/webgpu.js')).toMatch(/ended with exit code 1\.$/);
});
