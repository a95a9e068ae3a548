/**
 * Compiled programs: each module is assembled, compiled and instantiated once per device, found again by its key. Its
 * bytes also lie in the shared memory for as long as the device lives, where a worker compiles them when it first needs
 * them (V8 then finds the machine code of the first compilation in its own cache).
 */
import { DeviceError } from '../errors.ts';
import type { WasmProgram } from './assembler/module.ts';
import type { WasmHost } from './host.ts';
import type { LiveMemory, WasmMemory } from './memory.ts';

export interface LoadedProgram {
  readonly key: string;
  readonly id: number;
  /** Where the bytes lie in shared memory, for the workers; 0 without threads. */
  readonly address: number;
  readonly bytes: number;
  readonly entries: ReadonlyMap<string, LoadedEntry>;
}

export interface LoadedEntry {
  readonly program: LoadedProgram;
  readonly index: number;
  readonly call: (...args: number[]) => void;
}

export class Programs {
  readonly #loaded = new Map<string, LoadedProgram>();
  readonly #host: WasmHost;
  readonly #memory: WasmMemory;
  readonly #wide: boolean;
  readonly #live: () => LiveMemory;

  constructor(host: WasmHost, memory: WasmMemory, wide: boolean, live: () => LiveMemory) {
    this.#host = host;
    this.#memory = memory;
    this.#wide = wide;
    this.#live = live;
  }

  /** An exported function of a program. Throws DeviceError when the program does not compile or lacks the entry. */
  entry(program: WasmProgram, name: string): LoadedEntry {
    let loaded = this.#loaded.get(program.key);
    if (!loaded) {
      loaded = this.#load(program);
      this.#loaded.set(program.key, loaded);
    }
    const entry = loaded.entries.get(name);
    if (!entry) {
      throw new DeviceError(
        `wasm: program "${program.key}" has no entry "${name}"; it has ${[...loaded.entries.keys()].join(', ')}.`,
      );
    }
    return entry;
  }

  #load(program: WasmProgram): LoadedProgram {
    const { memory, shared } = this.#memory;
    const wide = this.#wide && program.wide;
    const bytes = program.bytes(shared);
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(this.#host.compile(bytes, { wide }), { env: { memory } });
    } catch (error) {
      throw new DeviceError(`wasm: program "${program.key}" did not compile: ${(error as Error).message}`);
    }
    const entries = new Map<string, LoadedEntry>();
    const address = shared ? this.#publish(bytes) : 0;
    const loaded = { key: program.key, id: this.#loaded.size, address, bytes: bytes.length, entries };
    Object.entries(instance.exports).forEach(([name, call], index) => {
      entries.set(name, { program: loaded, index, call: call as LoadedEntry['call'] });
    });
    return loaded;
  }

  #publish(bytes: Uint8Array): number {
    const { address } = this.#memory.allocate(bytes.length, this.#live());
    this.#memory.views.u8.set(bytes, address);
    return address;
  }
}
