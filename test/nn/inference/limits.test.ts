/** What must not be folded, what must be noticed, what is refused, and what is given back. */
import { afterAll, describe, expect, test } from 'vitest';
import { ReferenceDevice } from '../../../src/devices/reference/device.ts';
import { openWasmDevice } from '../../../src/devices/wasm/device.ts';
import {
  add,
  affine,
  backward,
  liveTensorCount,
  OutOfMemoryError,
  onGradient,
  relu,
  type Tensor,
  tensor,
  tidy,
  withConvolution,
} from '../../../src/index.ts';
import {
  Activation,
  BatchNorm2d,
  Buffer,
  Conv2d,
  cnn,
  compileForInference,
  crossEntropy,
  Flatten,
  Linear,
  Module,
  miniResNet,
  Normalize,
  Sequential,
  SGD,
} from '../../../src/nn/index.ts';
import { collect } from '../../../src/nn/tracing.ts';
import { settle } from '../../support/garbage.ts';
import { compiledDifference, difference, imagesOf, plainly, unsettle, valuesOf } from './networks.ts';

const device = await openWasmDevice({ threads: 2 });
afterAll(() => device.destroy());

const SHAPE = [4, 8, 8, 1] as const;
const images = imagesOf(SHAPE, device);
const small = () =>
  unsettle(cnn({ imageShape: [8, 8, 1], widths: [4, 8], depth: 1, hidden: 6, dropout: 0.5 }).initialize({ device }));
const ready = <M extends Module>(model: M): M => unsettle(model.initialize({ device })).eval() as M;

/** A block of somebody else: what it does may change from call to call. */
class Own extends Module {
  readonly conv = new Conv2d(4, 4, 3);
  readonly norm = new BatchNorm2d(4);
  factor = 1;
  calls = 0;
  forward(x: Tensor): Tensor {
    this.calls++;
    const y = this.norm.call(this.conv.call(x));
    return affine(add(relu(y), y), this.factor, 0);
  }
}

const withOwn = (own: Own) =>
  new Sequential({
    conv: new Conv2d(1, 4, 3),
    norm: new BatchNorm2d(4),
    own,
    flatten: new Flatten(),
    logits: new Linear(256, 3),
  });

describe('what is known', () => {
  test('is named in the facts', async () => {
    const compiled = await compileForInference(small().eval(), SHAPE);
    const { weightBytes, activationBytes, preparedBytes, kernels, ...facts } = compiled.facts;
    expect(facts).toEqual({
      folded: [
        { layer: 'conv1_1', norm: 'norm1_1' },
        { layer: 'conv2_1', norm: 'norm2_1' },
      ],
      fusedActivations: ['act1_1', 'act2_1', 'actDense'],
      removed: ['dropout'],
      leftAlone: [],
      notRecorded: undefined,
    });
    // Rows of 64 elements for 36, 4, 288 and 8 values.
    expect(weightBytes).toBe(4 * (64 + 64 + 320 + 64));
    // The images as given, normalised, and of the first convolution.
    expect(activationBytes).toBe(4 * (256 + 256 + 1024));
    // At least the packed filters of the convolutions: 9 x 4 and 36 x 8 of them.
    expect(preparedBytes).toBeGreaterThanOrEqual(4 * (36 + 288));
    // Normalisation 2, convolutions 2, pools 2, dense layers 2.
    expect(kernels).toBe(8);
    compiled.dispose();
  });

  test('frozen input normalisation keeps its bits', async () => {
    const model = ready(new Sequential([new Normalize([0.3], [0.7]), new Flatten()]));
    expect(await compiledDifference(model, images)).toBe(0);
    model.dispose();
  });

  test('a layer that stands in two places is folded in each with the norm behind it', async () => {
    const conv = new Conv2d(4, 4, 3);
    const norm = new BatchNorm2d(4);
    const layers = { first: new Conv2d(1, 4, 3), conv, norm, again: conv, relu: new Activation('relu'), once: conv };
    const model = ready(new Sequential({ ...layers, norm3: new BatchNorm2d(4), flatten: new Flatten() }));
    const compiled = await compileForInference(model, SHAPE);
    expect(compiled.facts.folded).toHaveLength(2);
    compiled.dispose();
    expect(await compiledDifference(model, images)).toBeLessThan(5e-5);
    model.dispose();
  });

  test('a part of a model is compiled like a model', async () => {
    const body = new Sequential({ conv: new Conv2d(1, 4, 3), norm: new BatchNorm2d(4), flatten: new Flatten() });
    const model = ready(new Sequential({ body, logits: new Linear(256, 3) }));
    const compiled = await compileForInference(body, SHAPE);
    expect(compiled.facts.folded).toEqual([{ layer: 'body.conv', norm: 'body.norm' }]);
    expect(difference(await valuesOf(compiled.run(images)), await valuesOf(plainly(body, images)))).toBeLessThan(5e-5);
    model.arena.write('logits.bias', new Float32Array(3));
    expect(await valuesOf(compiled.run(images))).toHaveLength(1024);
    model.arena.write('body.norm.beta', new Float32Array(4));
    expect(() => compiled.run(images)).toThrow(/compileForInference/);
    compiled.dispose();
    model.dispose();
  });

  test('modes stay as they are, and a model in training mode is compiled as in evaluation mode', async () => {
    const model = small().train();
    const compiled = await compileForInference(model, SHAPE);
    const got = await valuesOf(compiled.run(images));
    expect(model.modules().every(({ isTraining }) => isTraining)).toBe(true);
    expect(difference(got, await valuesOf(plainly(model.eval(), images)))).toBeLessThan(5e-5);
    compiled.dispose();
    model.dispose();
  });
});

describe('what is not known', () => {
  test('a module of somebody else is called each time, as it is, and nothing is recorded', async () => {
    const own = new Own();
    const model = ready(withOwn(own));
    const compiled = await compileForInference(model, SHAPE);
    expect(own.calls).toBe(0);
    expect(compiled.facts.folded).toEqual([{ layer: 'conv', norm: 'norm' }]);
    expect(compiled.facts.leftAlone).toEqual([{ module: 'own', reason: 'its class, Own, is not of this library' }]);
    expect(compiled.facts.notRecorded).toMatch(/^own runs as it is/);
    for (const factor of [1, -2]) {
      own.factor = factor;
      const got = await valuesOf(compiled.run(images));
      expect(difference(got, await valuesOf(plainly(model, images)))).toBeLessThan(5e-5);
    }
    expect(own.calls).toBe(4);
    compiled.dispose();
    model.dispose();
  });

  test.each([
    [
      'a subclass',
      () =>
        new (class Scaled extends Conv2d {
          override forward(x: Tensor): Tensor {
            return affine(super.forward(x), 3, 0);
          }
        })(1, 4, 3),
      'its class, Scaled, is not of this library',
    ],
    [
      'a layer with a method of its own',
      () => {
        const conv = new Conv2d(1, 4, 3);
        const plain = conv.forward.bind(conv);
        conv.forward = x => affine(plain(x), 3, 0);
        return conv;
      },
      'its forward was replaced',
    ],
  ])('%s is not folded', async (_, make, reason) => {
    const model = ready(new Sequential({ conv: make(), norm: new BatchNorm2d(4), flatten: new Flatten() }));
    const compiled = await compileForInference(model, SHAPE);
    expect(compiled.facts.leftAlone).toEqual([{ module: 'conv', reason }]);
    expect(compiled.facts.folded).toEqual([]);
    expect(await valuesOf(compiled.run(images))).toEqual(await valuesOf(plainly(model, images)));
    compiled.dispose();
    model.dispose();
  });

  test('what such a module writes to is its own affair, but for what it shares with a folded layer', async () => {
    class Counting extends Module {
      readonly count = new Buffer([1], values => values.fill(0));
      readonly shared: Module;
      constructor(shared: Module) {
        super();
        this.shared = shared;
      }
      forward(x: Tensor): Tensor {
        x.device.write(this.count.value.storage, Float32Array.of(1));
        return x;
      }
    }
    const norm = new BatchNorm2d(4);
    const model = ready(new Sequential({ conv: new Conv2d(1, 4, 3), norm, counting: new Counting(norm) }));
    const compiled = await compileForInference(model, SHAPE);
    for (let i = 0; i < 2; i++) await valuesOf(compiled.run(images));
    device.write(norm.beta.value.storage, Float32Array.of(1, 2, 3, 4));
    expect(() => compiled.run(images)).toThrow(/compileForInference/);
    compiled.dispose();
    model.dispose();
  });

  test('a class with a replaced method is not folded', async () => {
    const model = ready(
      new Sequential({ conv: new Conv2d(1, 4, 3), norm: new BatchNorm2d(4), flatten: new Flatten() }),
    );
    const { forward } = BatchNorm2d.prototype;
    BatchNorm2d.prototype.forward = function (x) {
      return affine(forward.call(this, x), 2, 0);
    };
    try {
      const compiled = await compileForInference(model, SHAPE);
      expect(compiled.facts.leftAlone).toEqual([{ module: 'norm', reason: 'its forward was replaced' }]);
      expect(await valuesOf(compiled.run(images))).toEqual(await valuesOf(plainly(model, images)));
      compiled.dispose();
    } finally {
      BatchNorm2d.prototype.forward = forward;
    }
    model.dispose();
  });

  test('a layer with a gradient hook is not folded until the hook is gone', async () => {
    const model = small().eval();
    const conv = model.children().find(([name]) => name === 'conv1_1')![1] as Conv2d;
    const remove = onGradient(conv.weight.value, () => undefined);
    const hooked = await compileForInference(model, SHAPE);
    expect(hooked.facts.leftAlone).toEqual([
      { module: 'norm1_1', reason: 'a gradient hook hangs on a parameter of it or of conv1_1' },
    ]);
    expect(hooked.facts.folded.map(({ layer }) => layer)).toEqual(['conv2_1']);
    expect(difference(await valuesOf(hooked.run(images)), await valuesOf(plainly(model, images)))).toBeLessThan(5e-5);
    hooked.dispose();
    remove();
    const free = await compileForInference(model, SHAPE);
    expect(free.facts.folded).toHaveLength(2);
    free.dispose();
    model.dispose();
  });

  test('a traced layer is not folded', async () => {
    const model = small().eval();
    const { result } = collect(new Set(['conv2_1']), () => compileForInference(model, SHAPE));
    const compiled = await result;
    expect(compiled.facts.leftAlone).toEqual([{ module: 'norm2_1', reason: 'the output of conv2_1 is traced' }]);
    expect(compiled.facts.folded.map(({ layer }) => layer)).toEqual(['conv1_1']);
    compiled.dispose();
    model.dispose();
  });

  test('weights that leave float32 with their norm stay apart from it', async () => {
    const model = ready(
      new Sequential({ conv: new Conv2d(1, 4, 3), norm: new BatchNorm2d(4), flatten: new Flatten() }),
    );
    model.arena.write('conv.weight', new Float32Array(36).fill(1e20));
    model.arena.write('norm.gamma', new Float32Array(4).fill(1e30));
    model.arena.write('norm.runningVariance', new Float32Array(4).fill(1e20));
    const compiled = await compileForInference(model, SHAPE);
    expect(compiled.facts.leftAlone).toEqual([
      { module: 'norm', reason: 'the weights of conv with it are beyond float32' },
    ]);
    const faint = tidy(() => affine(images, 1e-10, 0));
    const got = await valuesOf(compiled.run(faint));
    expect(got.every(Number.isFinite)).toBe(true);
    expect(got).toEqual(await valuesOf(plainly(model, faint)));
    faint.dispose();
    compiled.dispose();
    model.dispose();
  });
});

describe('a model that has changed', () => {
  const again =
    /run: the model's weights or statistics were written to.*call compileForInference\(model, shape\) again/;
  const changes: [string, (model: Sequential) => void][] = [
    ['a write', model => model.arena.write('logits.bias', new Float32Array(10))],
    [
      'a step',
      model => {
        const optimizer = new SGD(model, { learningRate: 0.1 });
        tidy(() => {
          const labels = tensor(Int32Array.of(1, 2, 3, 4), [4], { device });
          backward(crossEntropy(model.train().call(images), labels));
        });
        optimizer.step();
        optimizer.dispose();
      },
    ],
    ['running statistics', model => void tidy(() => model.train().call(images))],
    ['another beginning', model => void model.initialize({ device, seed: 9 })],
    ['another device', model => void model.initialize({ device: new ReferenceDevice() })],
    ['disposal', model => model.dispose()],
  ];
  test.each(changes)('by %s is noticed by full and smaller batches', async (_, change) => {
    const model = small();
    const compiled = await compileForInference(model, SHAPE);
    const one = imagesOf([1, 8, 8, 1], device);
    await valuesOf(compiled.run(images));
    await valuesOf(compiled.run(one));
    change(model);
    expect(() => compiled.run(images)).toThrow(again);
    expect(() => compiled.run(one)).toThrow(again);
    compiled.dispose();
    model.dispose();
  });

  test('is compiled anew', async () => {
    const model = small().eval();
    const before = await compileForInference(model, SHAPE);
    model.arena.write('norm1_1.runningMean', new Float32Array(4).fill(0.7));
    expect(() => before.run(images)).toThrow(again);
    expect(await compiledDifference(model, images)).toBeLessThan(5e-5);
    before.dispose();
    model.dispose();
  });
});

describe('what is refused', () => {
  const refusals: [string, (model: Sequential) => Promise<unknown>, RegExp][] = [
    [
      'no module',
      () => compileForInference({} as Module, SHAPE),
      /compileForInference: model must be a module, not an object/,
    ],
    ['no shape of images', model => compileForInference(model, [4, 64]), /shape must be \[N, H, W, C\], not \[4, 64\]/],
    ['no image', model => compileForInference(model, [0, 8, 8, 1]), /shape\[0\] must be .* at least 1, not 0/],
    [
      'images that the layers do not take',
      model => compileForInference(model, [4, 8, 8, 3]),
      /normalize|broadcast|channels|fit/,
    ],
  ];
  test.each(refusals)('%s, and nothing is left', async (_, compile, sentence) => {
    const model = small();
    await settle();
    const [bytes, tensors] = [device.memory().liveBytes, liveTensorCount()];
    await expect(compile(model)).rejects.toThrow(sentence);
    expect(device.memory().liveBytes).toBe(bytes);
    expect(liveTensorCount()).toBe(tensors);
    expect(await compiledDifference(model.eval(), images)).toBeLessThan(5e-5);
    model.dispose();
  });

  test('more than memory holds, and nothing is left', async () => {
    const narrow = await openWasmDevice({ threads: 1, maximumPages: 512 });
    const model = cnn({ imageShape: [8, 8, 1], widths: [4], depth: 1, hidden: 6 }).initialize({ device: narrow });
    await settle();
    const [bytes, tensors] = [narrow.memory().liveBytes, liveTensorCount()];
    // 16 MiB of images, 64 of the first convolution's output; 32 are there.
    await expect(compileForInference(model, [2 ** 16, 8, 8, 1])).rejects.toThrow(OutOfMemoryError);
    expect(narrow.memory().liveBytes).toBe(bytes);
    expect(liveTensorCount()).toBe(tensors);
    await narrow.destroy();
  });

  test('a model that is not initialised', async () => {
    await expect(compileForInference(cnn(), SHAPE)).rejects.toThrow(/has not been initialised/);
  });

  test('images of another shape, type or device, and anything after disposal', async () => {
    const model = small();
    const compiled = await compileForInference(model, SHAPE);
    for (const shape of [
      [5, 8, 8, 1],
      [4, 8, 9, 1],
      [4, 64],
      [0, 8, 8, 1],
    ]) {
      expect(() => compiled.run(imagesOf(shape, device))).toThrow(
        /run: images must have the shape \[4, 8, 8, 1\], or fewer/,
      );
    }
    expect(() => compiled.run(imagesOf(SHAPE, new ReferenceDevice()))).toThrow(/wasm\), not float32 on reference/);
    expect(() => compiled.run(tensor(new Uint8Array(256), SHAPE, { device }))).toThrow(/not uint8 on wasm/);
    expect(() => compiled.run([1] as never)).toThrow(/images must be a tensor of images, not \[1\]/);
    compiled.dispose();
    compiled.dispose();
    expect(() => compiled.run(images)).toThrow(/has been disposed; call compileForInference\(model, shape\) again/);
    model.dispose();
  });

  test('captures around it', async () => {
    const model = small();
    const compiled = await compileForInference(model, SHAPE);
    expect(() => device.capture(() => void compiled.run(images))).toThrow(/run: .*inside a capture/);
    let compiling: Promise<unknown> | undefined;
    device
      .capture(() => {
        compiling = compileForInference(model, SHAPE);
        compiling.catch(() => {});
      })
      .dispose();
    await expect(compiling).rejects.toThrow(/compileForInference: .*inside a capture/);
    expect(await valuesOf(compiled.run(images))).toHaveLength(40);
    compiled.dispose();
    model.dispose();
  });
});

describe('what comes out', () => {
  test('is valid until the next run, and says so', async () => {
    const model = small();
    const compiled = await compileForInference(model, SHAPE);
    const first = compiled.run(images);
    const reading = first.data();
    expect(first.node).toBeUndefined();
    const second = compiled.run(images);
    expect(() => affine(first, 2, 0)).toThrow(/overwritten in place.*clone/);
    expect(await reading).toEqual(await second.data());
    compiled.dispose();
    model.dispose();
  });

  test('within another way of convolution is what the model gives there', async () => {
    const model = unsettle(
      cnn({ imageShape: [8, 8, 1], widths: [16], depth: 2, hidden: 6 }).initialize({ device }),
    ).eval();
    const compiled = await compileForInference(model, SHAPE);
    const direct = await valuesOf(withConvolution('direct', () => compiled.run(images)));
    expect(direct).not.toEqual(await valuesOf(compiled.run(images)));
    const plain = await valuesOf(withConvolution('direct', () => plainly(model, images)));
    expect(difference(direct, plain)).toBeLessThan(5e-6);
    compiled.dispose();
    model.dispose();
  });

  test('of an error in between is nothing', async () => {
    class Failing extends Module {
      forward(x: Tensor): Tensor {
        affine(x, 2, 0);
        throw new Error('no');
      }
    }
    const model = ready(
      new Sequential({ conv: new Conv2d(1, 4, 3), norm: new BatchNorm2d(4), failing: new Failing() }),
    );
    const compiled = await compileForInference(model, SHAPE);
    await settle();
    const [bytes, tensors] = [device.memory().liveBytes, liveTensorCount()];
    expect(() => compiled.run(images)).toThrow('no');
    expect(device.memory().liveBytes).toBe(bytes);
    expect(liveTensorCount()).toBe(tensors);
    compiled.dispose();
    model.dispose();
  });

  test('takes no more memory run by run, and all of it goes back', async () => {
    const model = miniResNet({ widths: [8, 16], blocks: [1, 1] }).initialize({ device });
    await settle();
    const before = device.memory();
    const compiled = await compileForInference(model, SHAPE);
    const one = imagesOf([1, 8, 8, 1], device);
    await valuesOf(compiled.run(images));
    await valuesOf(compiled.run(one));
    await settle();
    const [bytes, tensors] = [device.memory().liveBytes, liveTensorCount()];
    for (let i = 0; i < 5; i++) {
      await valuesOf(compiled.run(images));
      await valuesOf(compiled.run(one));
    }
    expect(device.memory().liveBytes).toBe(bytes);
    expect(liveTensorCount()).toBe(tensors);
    one.dispose();
    compiled.dispose();
    expect(device.memory().liveBytes).toBe(before.liveBytes);
    expect(device.memory().liveAllocations).toBe(before.liveAllocations);
    model.dispose();
  });
});
