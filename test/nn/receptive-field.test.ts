/** Receptive fields and where they lie: each is what the gradient of one value reaches, whatever padding and stride. */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import { unary as unaryKernel } from '../../src/kernels/elementwise/index.ts';
import {
  AvgPool2d,
  Conv2d,
  cnn,
  leNet5,
  MaxPool2d,
  Module,
  miniResNet,
  type ReceptiveField,
  receptiveFields,
  receptiveWindow,
  Sequential,
} from '../../src/nn/index.ts';
import { ShapeDevice } from '../../src/nn/shape-device.ts';

const device = new ReferenceDevice();
w.setDevice(device);

/** Pixels that change the value at `position` of a layer: the bounding box of its gradient, seeds drawn until no path is dead. */
async function reached(model: Module, layer: string, position: [number, number], shape: number[]): Promise<number[]> {
  model.eval(); // Batch statistics would see everything.
  let [top, left, bottom, right] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, -1, -1];
  for (let seed = 0; seed < 12; seed++) {
    const x = w.randomUniform([1, ...shape], { seed, low: -1 });
    const value = (images: w.Tensor) => {
      const map = model.trace(images, [layer]).activations[layer];
      return w.sum(w.slice(map, [0, ...position, 0], [1, 1, 1, map.shape[3]]));
    };
    const [gradient] = w.valueAndGrad(() => value(x), [x]).grads;
    (await gradient.data()).forEach((one, i) => {
      if (one === 0) return;
      const pixel = Math.floor(i / shape[2]);
      top = Math.min(top, Math.floor(pixel / shape[1]));
      bottom = Math.max(bottom, Math.floor(pixel / shape[1]));
      left = Math.min(left, pixel % shape[1]);
      right = Math.max(right, pixel % shape[1]);
    });
  }
  return [top, left, bottom - top + 1, right - left + 1];
}

/** The bounding box lies in the window that the field says. */
function expectWithin(found: number[], field: ReceptiveField, position: [number, number], shape: number[]): void {
  const said = receptiveWindow(field, position, [shape[0], shape[1]]);
  const [top, left, height, width] = found;
  const where = `${JSON.stringify(said)} at ${position}, reached ${found}`;
  expect(top, where).toBeGreaterThanOrEqual(said.top);
  expect(left, where).toBeGreaterThanOrEqual(said.left);
  expect(top + height, where).toBeLessThanOrEqual(said.top + said.height);
  expect(left + width, where).toBeLessThanOrEqual(said.left + said.width);
}

async function expectReached(model: Module, layer: string, shape: number[], positions: [number, number][]) {
  const field = receptiveFields(model, shape).get(layer)!;
  for (const position of positions) {
    const { top, left, height, width } = receptiveWindow(field, position, [shape[0], shape[1]]);
    expect([top, left, height, width], `${layer} at ${position}`).toEqual(await reached(model, layer, position, shape));
  }
}

/** A map times its own mean, and a strided look at its lower right part. */
class Gated extends Module {
  readonly conv = new Conv2d(1, 2, 3);
  readonly corner = new Corner();
  readonly gate = new Gate();

  forward(x: w.Tensor): w.Tensor {
    const map = this.conv.call(x);
    this.corner.call(map);
    return this.gate.call(map);
  }
}
class Corner extends Module {
  forward(x: w.Tensor): w.Tensor {
    return w.slice(w.pad(x, [0, 1, 0, 0], [0, 0, 2, 0]), [0, 4, 2, 0], [1, 3, 4, 2], [1, 2, 2, 1]);
  }
}
class Gate extends Module {
  forward(x: w.Tensor): w.Tensor {
    return w.mul(x, w.mean(x, [1, -2], true));
  }
}

describe('what the gradient of one value reaches', () => {
  test('valid and padded, strided and dilated, uneven padding, pools', async () => {
    const model = new Sequential({
      a: new Conv2d(1, 2, 3, { stride: 2, padding: 'same' }),
      b: new Conv2d(2, 2, [3, 2], { padding: 'valid', dilation: [1, 2] }),
      c: new MaxPool2d(3, { stride: 2, padding: 1 }),
      d: new AvgPool2d(2, { stride: 1 }),
    }).initialize({ seed: 3 });
    const shape = [24, 21, 1];
    await expectReached(model, 'a', shape, [
      [0, 0],
      [5, 4],
      [11, 10],
    ]);
    await expectReached(model, 'b', shape, [
      [0, 0],
      [9, 8],
      [4, 3],
    ]);
    await expectReached(model, 'c', shape, [
      [0, 0],
      [2, 1],
      [4, 4],
    ]);
    await expectReached(model, 'd', shape, [
      [0, 0],
      [1, 2],
    ]);
  });

  test('the models of the study: plain, residual, LeNet-5', async () => {
    const plain = cnn({ imageShape: [16, 16, 1], widths: [2, 3], hidden: 4 }).initialize({ seed: 1 });
    const last = [...receptiveFields(plain, [16, 16, 1])].filter(([, { positions }]) => positions[0] === 8).at(-1)![0];
    await expectReached(
      plain,
      last,
      [16, 16, 1],
      [
        [0, 0],
        [3, 4],
      ],
    );
    const residual = miniResNet({ widths: [2, 3, 4] }).initialize({ seed: 1 });
    await expectReached(
      residual,
      'stage2',
      [28, 28, 1],
      [
        [0, 3],
        [7, 6],
      ],
    );
    await expectReached(
      leNet5().initialize({ seed: 2 }),
      'pool2',
      [28, 28, 1],
      [
        [0, 0],
        [2, 4],
      ],
    );
  });

  test('a part cut out in steps after padding, and a map times its mean', async () => {
    const model = new Gated().initialize({ seed: 2 });
    const shape = [10, 12, 1];
    await expectReached(model, 'corner', shape, [
      [0, 0],
      [2, 3],
    ]);
    await expectReached(model, 'gate', shape, [
      [0, 0],
      [9, 11],
      [4, 0],
    ]);
  });
});

/** A function of images as a layer. */
class Layer extends Module {
  readonly f: (x: w.Tensor) => w.Tensor;
  constructor(f: (x: w.Tensor) => w.Tensor) {
    super();
    this.f = f;
  }
  forward(x: w.Tensor): w.Tensor {
    return this.f(x);
  }
}

const behindConv = (f: (x: w.Tensor) => w.Tensor): Module =>
  new Sequential({ conv: new Conv2d(1, 2, 3, { padding: 'valid' }), last: new Layer(f) }).initialize({ seed: 4 });
const everyPlace = ([height, width]: readonly number[]): [number, number][] =>
  Array.from({ length: height * width }, (_, i) => [Math.floor(i / width), i % width]);

describe('operations that move places (each was passed over as one that does not)', () => {
  const shape = [8, 9, 1]; // 6 x 7 behind the convolution

  test.each<[string, (x: w.Tensor) => w.Tensor, number[]]>([
    ['rows picked by index', x => w.gather(x, w.tensor(Int32Array.of(5, 0, 2), [3], { device: x.device }), 1), [3, 7]],
    ['maps one above the other', x => w.concat([x, w.slice(x, [0, 0, 0, 0], [1, 2, 7, 2])], 1), [8, 7]],
    ['a map turned over', x => w.flip(x, [1]), [6, 7]],
    ['one value for all places', x => w.broadcastTo(w.mean(x, [1, 2], true), [1, 6, 7, 2]), [6, 7]],
    ['pixels moved into channels', x => w.reshape(x, [1, 3, 2, 14]), [3, 2]],
    ['a product with every row', x => w.matmul(x, w.ones([2, 3], { device: x.device })), [6, 7]],
    ['height and width exchanged', x => w.transpose(x, [0, 2, 1, 3]), [7, 6]],
    ['channels first', x => w.transpose(x, [0, 3, 1, 2]), [2, 6]],
    ['channels first and last again', x => w.transpose(w.relu(w.transpose(x, [0, 3, 1, 2])), [0, 2, 3, 1]), [6, 7]],
  ])('%s: no more is reached than is said', async (_, f, places) => {
    const model = behindConv(f);
    const field = receptiveFields(model, shape).get('last')!;
    expect(field.positions).toEqual(places);
    for (const position of [[0, 0], places.map(n => n - 1)] as [number, number][]) {
      expectWithin(await reached(model, 'last', position, shape), field, position, shape);
    }
  });

  test.each<[string, number, number, number]>([
    ['stride 1', 3, 1, 1],
    ['stride 2', 3, 2, 1],
    ['stride 2, even filters', 4, 2, 1],
    ['stride 3, filters that leave gaps', 2, 3, 0],
  ])(
    'a transposed convolution, %s: no more is reached than is said, and at most two pixels less',
    async (_, k, stride, padding) => {
      const [height, width] = [stride * 5 + k - 2 * padding, stride * 6 + k - 2 * padding];
      const model = behindConv(x => {
        const filters = w.randomNormal([k, k, 2, 2], { seed: 9, device: x.device });
        return w.conv2dTranspose(x, filters, [height, width], { stride, padding });
      });
      const field = receptiveFields(model, shape).get('last')!;
      expect(field.positions).toEqual([height, width]);
      for (const position of everyPlace([5, 4])) {
        const found = await reached(model, 'last', position, shape);
        if (found[2] < 0) continue; // between filters
        expectWithin(found, field, position, shape);
        const said = receptiveWindow(field, position, [shape[0], shape[1]]);
        expect(said.height - found[2]).toBeLessThanOrEqual(2);
        expect(said.width - found[3]).toBeLessThanOrEqual(2);
      }
    },
  );

  test('what follows a flattened map sees all of it', () => {
    const sees = (f: (x: w.Tensor) => w.Tensor) => receptiveFields(behindConv(f), shape).get('last')!;
    for (const f of [w.softmax, w.logSoftmax, (x: w.Tensor) => w.sum(x, 1, true), (x: w.Tensor) => w.argMax(x)]) {
      expect(sees(x => f(w.flatten(x)))).toMatchObject({ start: [0, 0], size: [8, 9], positions: [1, 1] });
    }
    expect(sees(w.softmax)).toMatchObject({ start: [0, 0], size: [3, 3], positions: [6, 7] });
  });

  test('a kernel of which nothing is known is named, not passed over', () => {
    const shapes = new ShapeDevice(() => {});
    const storage = shapes.allocate(4, 'float32');
    const operand = { storage, shape: [1, 2, 2, 1] };
    shapes.setField(storage, { size: [1, 1], jump: [1, 1], start: [0, 0], positions: [2, 2] });
    expect(() => shapes.run({ ...unaryKernel, name: 'mystery' }, [operand], [operand], { op: 'relu' })).toThrow(
      'What the kernel "mystery" sees of an image is not known',
    );
  });
});

test('multiply-adds of a transposed convolution count as those of a convolution', () => {
  const model = behindConv(x =>
    w.conv2dTranspose(x, w.ones([3, 3, 2, 2], { device: x.device }), [6, 7], { padding: 1 }),
  );
  const last = model.summary([8, 9, 1]).layers.find(({ name }) => name === 'last')!;
  expect(last.macs).toBe(last.flops / 2);
  expect(last.macs).toBeGreaterThan(0);
});

test('a window beyond the image is empty, not negative', () => {
  const field = { start: [-8, 0], jump: [4, 4], size: [3, 3], positions: [9, 9] } as const;
  expect(receptiveWindow(field, [0, 0], [20, 20])).toEqual({ top: 0, left: 0, height: 0, width: 3 });
  expect(receptiveWindow(field, [3, 5], [20, 20])).toEqual({ top: 4, left: 20, height: 3, width: 0 });
});
