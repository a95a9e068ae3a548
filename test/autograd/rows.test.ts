/**
 * What the rows say of the operations is true: the examples run what they are examples of, the kernels named are those
 * that run, DeepSHAP's classes hold in numbers, and nothing that the library shows is left out. That every operation has a
 * row is the compiler's business.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { beforeEach, describe, expect, test } from 'vitest';
import { OPERATIONS_FILE, operationsReference } from '../../scripts/operations.ts';
import * as shown from '../../src/autograd/ops/index.ts';
import type { Example } from '../../src/autograd/row.ts';
import { nodeOf, type TapeNode } from '../../src/autograd/tape.ts';
import type { Operand } from '../../src/devices/device.ts';
import type { Kernel } from '../../src/devices/kernel.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { broadcastShapes } from '../../src/devices/shape.ts';
import * as w from '../../src/index.ts';
import { KERNEL_FAMILIES, KERNELS } from '../../src/kernels/by-name.ts';
import { asFunctionOf, carriesGradient, inputsOf, operandsOf, ROWS } from '../support/examples.ts';
import { REPOSITORY } from '../support/shared.ts';

/** Notes which kernels run. */
class ListeningDevice extends ReferenceDevice {
  readonly heard = new Set<string>();
  override run<P>(kernel: Kernel<P>, inputs: readonly Operand[], outputs: readonly Operand[], params: P): void {
    this.heard.add(kernel.name);
    super.run(kernel, inputs, outputs, params);
  }
}

const device = new ListeningDevice();
beforeEach(() => w.setDevice(device));

/** The value of an example, all of whose inputs but constants are watched. */
function watchedCall(example: Example): { watched: w.Tensor[]; y: w.Tensor } {
  const inputs = inputsOf(example, device);
  const watched = inputs.filter((_, i) => !example.inputs[i].isConstant).map(w.watch);
  return { watched, y: example.run(...inputs) };
}

/** The nodes behind a value. */
function graphOf(y: w.Tensor): TapeNode[] {
  const found = new Set<TapeNode>();
  const follow = (node: TapeNode | undefined): void => {
    if (!node || found.has(node)) return;
    found.add(node);
    node.parents.forEach(follow);
  };
  follow(nodeOf(y));
  return [...found];
}

describe.each(ROWS)('%s', (name, row) => {
  const [first] = row.examples;

  test('stands under its own name, in one sentence', () => {
    expect(row.op.name).toBe(name);
    expect(row.about).toMatch(/^\S.*\.$/);
    expect(row.about).not.toMatch(/\. [A-Z]/);
    expect(row.about.length).toBeLessThanOrEqual(120);
  });

  test('every example runs it', () => {
    for (const example of row.examples) {
      const names = graphOf(watchedCall(example).y).map(({ op }) => op?.name);
      expect(names, example.title).toContain(name);
    }
  });

  test('its kernels run: the first for the value, all of them for value and gradients', () => {
    device.heard.clear();
    first.run(...inputsOf(first, device));
    if (row.kernels.length > 0) expect([...device.heard]).toContain(row.kernels[0].name);
    for (const example of row.examples) {
      const { watched, y } = watchedCall(example);
      if (y.dtype === 'float32') w.gradients(y, watched, { upstream: w.onesLike(y) });
    }
    expect([...device.heard]).toEqual(expect.arrayContaining(row.kernels.map(kernel => kernel.name)));
  });

  test(`is ${row.linearity}`, () => CLASSES[row.linearity](first, row));
});

// ------------------------------------------------------------------------------------------------------ linearity

const at = (example: Example, seed: number): w.Tensor[] => operandsOf(example, inputsOf(example, device, seed));
const middle = (a: w.Tensor, b: w.Tensor): w.Tensor => w.mul(w.add(a, b), 0.5);
const read = async (x: w.Tensor): Promise<number[]> => Array.from(await x.data());

/**
 * How far sum(gradient (x - b)) is from f(x) - f(b), all with random weights, and relative to the terms; the gradient is
 * taken where `where` says.
 */
async function incompleteness(example: Example, where: (x: w.Tensor, b: w.Tensor) => w.Tensor): Promise<number> {
  const f = asFunctionOf(example, inputsOf(example, device));
  const [xs, bs] = [at(example, 1), at(example, 31)];
  const difference = w.sub(f(...xs), f(...bs));
  const upstream = w.randomNormal(difference.shape, { seed: 99 });
  const points = xs.map((x, i) => where(x, bs[i]));
  const gradients = w.grad(() => f(...points), points, { upstream });
  const explained = gradients.map((g, i) => w.sum(w.mul(g, w.sub(xs[i], bs[i])))).reduce((a, b) => w.add(a, b));
  const actual = w.mul(difference, upstream);
  const scale = Math.max(1, await w.sum(w.abs(actual)).item());
  return Math.abs((await w.sub(w.sum(actual), explained).item()) / scale);
}

/** Elements in turn from the one and the other. */
function mixed(x: w.Tensor, b: w.Tensor): w.Tensor {
  const takesFirst = w.tensor(
    Int32Array.from({ length: x.size }, (_, i) => i % 2),
    x.shape,
  );
  return w.where(takesFirst, x, b);
}

/** What goes into each element of the value is what lies at its place in operands of the value's shape. */
async function expectElementByElement(example: Example): Promise<void> {
  const f = asFunctionOf(example, inputsOf(example, device));
  const spread = (operands: w.Tensor[]): w.Tensor[] => {
    const shape = operands.map(x => x.shape).reduce((a, b) => broadcastShapes(a, b, 'operands'));
    return operands.map(x => w.broadcastTo(x, shape));
  };
  const [xs, bs] = [spread(at(example, 1)), spread(at(example, 31))];
  const y = f(...xs);
  expect(y.shape).toEqual(xs[0].shape);
  expect(await read(y)).toEqual(await read(f(...at(example, 1))));
  expect(await read(f(...xs.map((x, i) => mixed(x, bs[i]))))).toEqual(await read(mixed(y, f(...bs))));
}

type Row = (typeof ROWS)[number][1];

const CLASSES: Record<Row['linearity'], (example: Example, row: Row) => Promise<void> | void> = {
  async linear(example) {
    expect(await incompleteness(example, x => x)).toBeLessThan(1e-12);
    expect(await incompleteness(example, (_, b) => b)).toBeLessThan(1e-12);
  },
  async bilinear(example) {
    expect(await incompleteness(example, x => x)).toBeGreaterThan(1e-6);
    expect(await incompleteness(example, middle)).toBeLessThan(1e-12);
    expect(example.inputs.filter(carriesGradient).length).toBeGreaterThanOrEqual(2);
  },
  async quadratic(example) {
    expect(await incompleteness(example, x => x)).toBeGreaterThan(1e-6);
    expect(await incompleteness(example, middle)).toBeLessThan(1e-12);
    expect(example.inputs).toHaveLength(1);
  },
  async elementwise(example) {
    expect(example.inputs).toHaveLength(1);
    await expectElementByElement(example);
  },
  async pairwise(example) {
    expect(example.inputs).toHaveLength(2);
    await expectElementByElement(example);
  },
  async extremum(example) {
    const inputs = inputsOf(example, device);
    const elements = await read(inputs[0]);
    for (const value of await read(example.run(...inputs))) expect(elements).toContain(value);
  },
  composed: (_, { op }) => expect(op.decompose).toBeTypeOf('function'),
  async open(example) {
    expect(await incompleteness(example, x => x)).toBeGreaterThan(1e-6);
    expect(await incompleteness(example, middle)).toBeGreaterThan(1e-6);
  },
  async stop(example) {
    const { watched, y } = watchedCall(example);
    expect(nodeOf(y)).toBeDefined();
    for (const gradient of w.gradients(y, watched, { upstream: w.onesLike(y) })) {
      expect(new Set(await read(gradient))).toEqual(new Set([0]));
    }
  },
};

// ----------------------------------------------------------------------------------------------------- completeness

describe('nothing is left out', () => {
  test('every operation has an example with a gradient to check, or lets none pass', () => {
    const unchecked = ROWS.filter(
      ([, { linearity, examples }]) =>
        linearity !== 'stop' && !examples.some(({ inputs }) => inputs.some(carriesGradient)),
    );
    expect(unchecked.map(([name]) => name)).toEqual([]);
  });

  test('every function that the library shows belongs to a row, and the other way round', () => {
    // A gradient of which only the output is known, any function by its name, and a pair of sizes.
    const others = ['reluGradientFromOutput', 'unary', 'toPair'];
    const functions = new Set(ROWS.flatMap(([, row]) => row.functions ?? []));
    const strangers = Object.entries(shown).filter(([, f]) => !functions.has(f as never));
    expect(strangers.map(([name]) => name).sort()).toEqual([...others, 'logSumExp', 'logicalNot'].sort());
    for (const f of functions) expect(Object.values(shown)).toContain(f);
  });

  test('every kernel runs an operation, or is known to serve something else', () => {
    const ofOperations = new Set(ROWS.flatMap(([, row]) => row.kernels.map(({ name }) => name)));
    for (const name of ofOperations) expect(KERNELS.has(name), name).toBe(true);
    const others: Record<string, readonly string[]> = {
      elementwise: ['fill', 'accumulate'], // creation, sums of gradients
      fourier: ['realFourier2d', 'gridForces'], // t-SNE
      health: ['firstNonFinite'],
      image: [...KERNEL_FAMILIES.get('image')!].map(({ name }) => name), // batches, augmentation, explanations
      likeness: ['gaussianSums', 'divergenceSums'], // the exact divergence of a map
      nearest: ['keepNearest'], // neighbours
      optimizer: [...KERNEL_FAMILIES.get('optimizer')!].map(({ name }) => name),
      random: ['randomBits', 'randomUniform', 'bernoulli', 'advanceState'],
      rescale: ['rescale'], // DeepSHAP
      tsne: [...KERNEL_FAMILIES.get('tsne')!].map(({ name }) => name),
    };
    const idle = [...KERNELS.keys()].filter(name => !ofOperations.has(name));
    expect(idle.sort()).toEqual(Object.values(others).flat().sort());
  });

  test('operations that share a kernel see alike and count alike: a kernel does not know which one runs it', () => {
    const known = new Map<string, Row>();
    for (const [name, row] of ROWS) {
      const kernel = row.kernels.at(0)?.name;
      if (kernel === undefined) continue;
      const other = known.get(kernel) ?? row;
      expect([row.reach, row.isContraction], name).toEqual([other.reach, other.isContraction]);
      known.set(kernel, row);
    }
  });
});

describe('docs/operations.md', () => {
  test('is what the rows say (npx tsx scripts/operations.ts writes it)', () => {
    expect(readFileSync(OPERATIONS_FILE, 'utf8')).toBe(operationsReference());
  });

  test('points at files that are there', () => {
    const targets = [...operationsReference().matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target);
    expect(targets.length).toBeGreaterThan(30);
    const missing = targets.filter(target => !existsSync(join(dirname(OPERATIONS_FILE), target)));
    expect(missing).toEqual([]);
  });
});

describe('a bundle', () => {
  async function bundleOf(file: string): Promise<string> {
    const { outputFiles } = await build({
      stdin: { contents: `export * from './${file}';`, resolveDir: REPOSITORY, sourcefile: 'entry.ts' },
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      charset: 'utf8',
      write: false,
    });
    return outputFiles[0].text;
  }

  test('of everything that the core shows holds no row', async () => {
    const text = await bundleOf('src/index.ts');
    for (const [name, { about }] of ROWS) expect(text.includes(about), name).toBe(false);
  });

  test('of the index holds them all', async () => {
    const text = await bundleOf('src/autograd/ops/rows.ts');
    for (const [name, { about }] of ROWS) expect(text.includes(about), name).toBe(true);
  });
});
