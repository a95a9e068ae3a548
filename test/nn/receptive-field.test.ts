/** Receptive fields and where they lie: each is what the gradient of one value reaches, whatever padding and stride. */
import { describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import * as w from '../../src/index.ts';
import {
  AvgPool2d,
  Conv2d,
  cnn,
  leNet5,
  MaxPool2d,
  Module,
  miniResNet,
  receptiveFields,
  receptiveWindow,
  Sequential,
} from '../../src/nn/index.ts';

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

test('a window beyond the image is empty, not negative', () => {
  const field = { start: [-8, 0], jump: [4, 4], size: [3, 3], positions: [9, 9] } as const;
  expect(receptiveWindow(field, [0, 0], [20, 20])).toEqual({ top: 0, left: 0, height: 0, width: 3 });
  expect(receptiveWindow(field, [3, 5], [20, 20])).toEqual({ top: 4, left: 20, height: 3, width: 0 });
});
