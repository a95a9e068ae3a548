/**
 * Run as a process of its own by wasm-threads.test.ts: opens devices in turn, works on each, prints how many shared memories
 * were made and MiB at most resident.
 */
import { add, ones, openDevice } from '../../src/index.ts';

let memories = 0;
WebAssembly.Memory = class extends WebAssembly.Memory {
  constructor(descriptor: WebAssembly.MemoryDescriptor) {
    super(descriptor);
    if (descriptor.shared) memories++;
  }
};

for (let i = 0; i < Number(process.argv[2]); i++) {
  const device = await openDevice('wasm', { wasm: { threads: 2 } });
  const sum = add(ones([8, 1024, 1024], { device }), 1);
  if ((await sum.data())[0] !== 2) throw new Error(`Device ${i} computes wrongly.`);
  await device.destroy();
}
console.log(JSON.stringify({ memories, resident: Math.round(process.resourceUsage().maxRSS / 1024) }));
