/** How Dawn is asked for an adapter, and what is said where it has none. Loads nothing of Dawn itself. */
import type { AdapterOptions } from './options.ts';

// Experimental features need `allow_unsafe_apis`; without quantization timestamps are exact instead of 100 us steps.
const DAWN_OPTIONS = ['enable-dawn-features=allow_unsafe_apis', 'disable-dawn-features=timestamp_quantization'];

const INSTALL_HINT =
  'Install a graphics driver with Vulkan (on Debian or Ubuntu `apt install libvulkan1 mesa-vulkan-drivers` gives a ' +
  'software one), or use --device wasm.';

/** What `create` takes. */
export const dawnOptions = (adapter: string | undefined): string[] =>
  adapter === undefined ? DAWN_OPTIONS : [...DAWN_OPTIONS, `adapter=${adapter}`];

/** What `requestAdapter` takes. */
export const adapterRequest = ({ powerPreference, forceSoftware }: AdapterOptions): GPURequestAdapterOptions => ({
  powerPreference: powerPreference ?? 'high-performance',
  forceFallbackAdapter: forceSoftware ?? false,
});

/** One sentence on an adapter that cannot be had, and what to do. */
export function noAdapter({ adapter, forceSoftware }: AdapterOptions, error?: unknown): string {
  if (error !== undefined) return `webgpu: no adapter: ${firstLine(error)} ${INSTALL_HINT}`;
  const which = adapter ? ` named "${adapter}"` : forceSoftware ? ' that runs in software' : '';
  return `webgpu: this machine has no adapter${which}. ${INSTALL_HINT}`;
}

function firstLine(error: unknown): string {
  const line = String((error as Error).message ?? error).split('\n')[0];
  return line.endsWith('.') ? line : `${line}.`;
}
