/** Opens the host of the platform that this code runs on: Node or a browser. */
import { isNode } from '../platform.ts';
import type { WasmHost } from './host.ts';

export async function openHost(): Promise<WasmHost> {
  return isNode ? (await import('./host.node.ts')).nodeHost : (await import('./host.browser.ts')).browserHost;
}
