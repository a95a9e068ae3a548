/** The twin that fits where we run. */
import { isNode } from '../platform.ts';
import type { WasmHost } from './host.ts';

export async function openHost(): Promise<WasmHost> {
  return isNode ? (await import('./host.node.ts')).nodeHost : (await import('./host.browser.ts')).browserHost;
}
