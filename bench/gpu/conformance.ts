/**
 * The conformance suite without a test runner, for a GPU host that has none: every variant of every kernel on the adapter,
 * whether it would be chosen there or not, against the float64 loops, per element. Prints a line per family and every
 * failure; ends with exit code 1 when there was one.
 *
 *     node app/conformance.mjs [part of a family's name]
 */
import { openWebGpuDevice } from '../../src/devices/webgpu/open.node.ts';
import { cases as batchnorm } from '../../test/conformance/batchnorm.cases.ts';
import type { ConformanceCase } from '../../test/conformance/cases.ts';
import { cases as conv2d } from '../../test/conformance/conv2d.cases.ts';
import { cases as elementwise } from '../../test/conformance/elementwise.cases.ts';
import { cases as health } from '../../test/conformance/health.cases.ts';
import { cases as image } from '../../test/conformance/image.cases.ts';
import { cases as layout } from '../../test/conformance/layout.cases.ts';
import { cases as matmul } from '../../test/conformance/matmul.cases.ts';
import { cases as optimizer } from '../../test/conformance/optimizer.cases.ts';
import { cases as pool } from '../../test/conformance/pool.cases.ts';
import { cases as random } from '../../test/conformance/random.cases.ts';
import { cases as reduce } from '../../test/conformance/reduce.cases.ts';
import { cases as rescale } from '../../test/conformance/rescale.cases.ts';
import { cases as softmax } from '../../test/conformance/softmax.cases.ts';
import { applicableVariants, checkVariant, expect64 } from '../../test/conformance/suite.ts';

const FAMILIES: Readonly<Record<string, readonly ConformanceCase[]>> = {
  matmul,
  conv2d,
  batchnorm,
  pool,
  softmax,
  reduce,
  elementwise,
  layout,
  optimizer,
  random,
  image,
  rescale,
  health,
};

const wanted = process.argv[2] ?? '';
const device = await openWebGpuDevice();
console.log(`Conformance on ${device.info.description}`);
const { vendor, architecture, subgroupSize, features } = device.adapter;
console.log(
  `vendor ${vendor}, architecture ${architecture}, subgroups of ${subgroupSize || '?'}; ${[...features].join(', ')}`,
);
let failures = 0;
try {
  for (const [family, cases] of Object.entries(FAMILIES)) {
    if (!family.includes(wanted)) continue;
    const started = performance.now();
    const ran = new Map<string, number>();
    for (const one of cases) {
      const expected = expect64(one);
      for (const variant of applicableVariants(one, device)) {
        const name = `${one.kernel.name}/${variant}`;
        ran.set(name, (ran.get(name) ?? 0) + 1);
        try {
          await checkVariant(one, device, variant, expected);
        } catch (error) {
          failures++;
          console.log(`FAILED ${family}: ${one.title}: ${(error as Error).message}`);
        }
      }
    }
    const seconds = ((performance.now() - started) / 1e3).toFixed(1);
    const runs = [...ran.values()].reduce((sum, count) => sum + count, 0);
    console.log(`${family}: ${cases.length} cases, ${ran.size} variants, ${runs} runs, ${seconds} s`);
  }
} finally {
  await device.destroy();
}
console.log(failures === 0 ? 'All variants agree with the reference.' : `${failures} FAILURES`);
process.exitCode = failures === 0 ? 0 : 1;
