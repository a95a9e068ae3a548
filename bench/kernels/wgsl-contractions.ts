/**
 * Every WGSL variant of matrix multiplication and convolution on the shapes of the project's networks: GFLOP/s per
 * variant, the one the device would choose marked with a star. Times are wall-clock bests and, on software adapters, also
 * processor time divided by the number of cores: that is what the kernel would take on an idle machine, and it holds
 * still when others use the machine.
 *
 *     npx tsx bench/kernels/wgsl-contractions.ts [--only TEXT] [--repeat 5]
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Kernel } from '../../src/devices/kernel.ts';
import { sizeOf } from '../../src/devices/shape.ts';
import { release } from '../../src/devices/storage.ts';
import { chooseVariant } from '../../src/devices/variants.ts';
import { openWebGpuDevice } from '../../src/devices/webgpu/open.node.ts';
import { conv2d, conv2dInputGradient, conv2dWeightGradient } from '../../src/kernels/conv2d/index.ts';
import { matmul } from '../../src/kernels/matmul/index.ts';

interface Case {
  readonly name: string;
  readonly kernel: Kernel;
  readonly shapes: readonly (readonly number[])[];
  readonly params: unknown;
}

function product(name: string, a: number[], b: number[], transposeA = false, transposeB = false): Case {
  return { name, kernel: matmul, shapes: [a, b], params: { transposeA, transposeB, activation: 'none' } };
}

/** A convolution of `kernel` x `kernel` with padding that keeps the size, and its gradients. */
function convolution(size: number, channels: number, filters: number, kernel = 3, stride = 1): Case[] {
  const pad = (kernel - 1) / 2;
  const geometry = { strides: [stride, stride], padding: [pad, pad, pad, pad], dilations: [1, 1], groups: 1 };
  const outputs = Math.floor((size + 2 * pad - kernel) / stride) + 1;
  const [x, w] = [
    [128, size, size, channels],
    [kernel, kernel, channels, filters],
  ];
  const y = [128, outputs, outputs, filters];
  const name = `${kernel}x${kernel} ${channels}-${filters} @${size}${stride > 1 ? ` /${stride}` : ''}`;
  return [
    { name: `conv ${name}`, kernel: conv2d, shapes: [x, w], params: { ...geometry, activation: 'none' } },
    {
      name: `input gradient ${name}`,
      kernel: conv2dInputGradient,
      shapes: [y, w],
      params: { ...geometry, inputSize: [size, size] },
    },
    {
      name: `weight gradient ${name}`,
      kernel: conv2dWeightGradient,
      shapes: [x, y],
      params: { ...geometry, kernelSize: [kernel, kernel] },
    },
  ];
}

const cases: Case[] = [
  product('matmul 1024', [1024, 1024], [1024, 1024]),
  product('matmul 1024 A transposed', [1024, 1024], [1024, 1024], true),
  product('matmul 1024 B transposed', [1024, 1024], [1024, 1024], false, true),
  product('dense 128 x 3136 x 128', [128, 3136], [3136, 128]),
  product('dense weight gradient', [128, 3136], [128, 128], true),
  product('dense input gradient', [128, 128], [3136, 128], false, true),
  product('dense 128 x 128 x 10', [128, 128], [128, 10]),
  ...convolution(28, 32, 64),
  ...convolution(28, 32, 32),
  ...convolution(14, 64, 64),
  ...convolution(28, 32, 64, 3, 2),
  ...convolution(28, 32, 64, 1, 2),
  ...convolution(28, 1, 32),
];

const { values } = parseArgs({ options: { only: { type: 'string' }, repeat: { type: 'string', default: '5' } } });
const device = await openWebGpuDevice();
const repeat = Number(values.repeat);
console.log(`${device.info.description}\n`);
console.log(
  `${'case'.padEnd(34)}${'variant'.padEnd(30)}${'ms'.padStart(9)}${'GF/s'.padStart(9)}${'GF/s idle'.padStart(11)}`,
);
for (const { name, kernel, shapes, params } of cases) {
  if (values.only && !name.includes(values.only)) continue;
  const specs = shapes.map(shape => ({ shape, dtype: 'float32' as const }));
  const operands = [...specs, ...kernel.infer(specs, params)].map(({ shape }) => {
    const storage = device.allocate(sizeOf(shape), 'float32');
    device.write(
      storage,
      Float32Array.from({ length: storage.length }, () => Math.random() - 0.5),
    );
    return { storage, shape };
  });
  const inputs = operands.slice(0, specs.length);
  const outputs = operands.slice(specs.length);
  const chosen = chooseVariant(kernel.name, kernel.wgsl, specs, params, device.adapter).name;
  for (const variant of kernel.wgsl) {
    if (!variant.applies(specs, params, device.adapter)) continue;
    let [wall, processor] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let run = 0; run <= repeat; run++) {
      const start = performance.now();
      const before = process.cpuUsage();
      device.run(kernel, inputs, outputs, params, { variant: variant.name });
      await device.sync();
      const used = process.cpuUsage(before);
      if (run === 0) continue;
      wall = Math.min(wall, performance.now() - start);
      processor = Math.min(processor, (used.user + used.system) / 1000 / cpus().length);
    }
    const rate = (milliseconds: number) => (kernel.cost(specs, params).flops / milliseconds / 1e6).toFixed(1);
    const idle = device.info.isSoftware ? rate(processor) : '';
    const label = `${variant.name}${variant.name === chosen ? ' *' : ''}`;
    console.log(
      `${name.padEnd(34)}${label.padEnd(30)}${wall.toFixed(2).padStart(9)}${rate(wall).padStart(9)}${idle.padStart(11)}`,
    );
  }
  for (const { storage } of operands) release(storage);
}
await device.destroy();
