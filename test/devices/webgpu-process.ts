/** Run as a process of its own by webgpu-lifetime.test.ts: uses the device in one of the ways a program may end. */
import { openWebGpuDevice } from '../../src/devices/webgpu/open.node.ts';
import { affine, spin } from './webgpu-kernels.ts';

const device = await openWebGpuDevice();
const length = 1 << 12;
const [x, y] = [device.allocate(length, 'float32'), device.allocate(length, 'float32')];
device.write(x, new Float32Array(length).fill(3));
const run = () => {
  const operands = [[{ storage: x, shape: [length] }], [{ storage: y, shape: [length] }]] as const;
  device.run(affine, operands[0], operands[1], { scale: 2, shift: 1 });
  for (let i = 0; i < 80; i++) device.run(spin, operands[0], operands[1], { rounds: 500 });
};
run();

const endings: Record<string, () => Promise<void> | void> = {
  'just ends': async () => console.log((await device.read(y))[0]),
  'just ends with work under way': () => console.log(3),
  exits: async () => {
    console.log((await device.read(y))[0]);
    process.exit(0);
  },
  'exits with work and a read under way': () => {
    void device.read(y);
    console.log(3);
    process.exit(0);
  },
  'exits while it waits': () => {
    void device.sync();
    setTimeout(() => {
      console.log(3);
      process.exit(0);
    }, 2);
  },
  'destroys and ends': async () => {
    console.log((await device.read(y))[0]);
    await device.destroy();
  },
};
await endings[process.argv[2]]();
