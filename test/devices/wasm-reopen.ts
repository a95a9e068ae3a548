/** Run as a process of its own by wasm-threads.test.ts: opens devices in turn, works on each, prints MiB at most resident. */
import { add, ones, openDevice } from '../../src/index.ts';

for (let i = 0; i < Number(process.argv[2]); i++) {
  const device = await openDevice('wasm', { wasm: { threads: 2 } });
  const sum = add(ones([8, 1024, 1024], { device }), 1);
  if ((await sum.data())[0] !== 2) throw new Error(`Device ${i} computes wrongly.`);
  await device.destroy();
}
console.log(Math.round(process.resourceUsage().maxRSS / 1024));
