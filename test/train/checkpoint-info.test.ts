/** The plain part of a checkpoint as a stranger could write it: whatever it says, one sentence and nothing allocated. */
import { describe, expect, test } from 'vitest';
import { CheckpointError } from '../../src/devices/errors.ts';
import { ReferenceDevice } from '../../src/devices/reference/device.ts';
import { parseSafetensors, type SafetensorsEntry, serializeSafetensors } from '../../src/interop/safetensors.ts';
import { buildModel, MODEL_NAMES, type ModelSpec, SGD } from '../../src/nn/index.ts';
import { historyOf, optimizerStepsOf } from '../../src/train/checkpoint-info.ts';
import { checkpointInfo, encodeCheckpoint, restoreCheckpoint } from '../../src/train/index.ts';

const device = new ReferenceDevice();
const MODEL: ModelSpec = { name: 'cnn', options: { imageShape: [8, 8, 1], widths: [2], depth: 1, hidden: 4 } };
const INFO = { model: MODEL, device: 'reference', adapter: 'here', seed: 4 };
const built = buildModel(MODEL).initialize({ device });
const SOUND = parseSafetensors(await encodeCheckpoint(built, INFO), 'sound');

/** The checksum that files are written with: it protects from accidents, anybody can compute it. */
function checksum(tensors: ReadonlyMap<string, { data: ArrayBufferView }>, text: string): string {
  let hash = 0x811c9dc5;
  const add = (words: Iterable<number>): void => {
    for (const word of words) hash = Math.imul(hash ^ word, 0x01000193);
  };
  const encoder = new TextEncoder();
  add(encoder.encode(text));
  for (const name of [...tensors.keys()].sort()) {
    const { buffer, byteOffset, byteLength } = tensors.get(name)!.data;
    add(encoder.encode(name));
    add(new Uint32Array(buffer, byteOffset, byteLength / 4));
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

function written(
  info: unknown,
  { tensors = SOUND.tensors, steps = '0' }: { tensors?: Map<string, SafetensorsEntry>; steps?: string } = {},
): Uint8Array {
  const text = typeof info === 'string' ? info : JSON.stringify(info);
  const metadata = { format: 'weft-checkpoint-1', info: text, optimizerSteps: steps };
  return serializeSafetensors(tensors, { ...metadata, checksum: checksum(tensors, `${text}${steps}`) });
}

const DATA = { kind: 'other', classNames: ['a', 'b'], imageShape: [8, 8, 1], preparation: [] };
const withOptions = (options: object, name = 'cnn') => ({ ...INFO, model: { name, options } });
const withCnn = (options: object) => withOptions({ ...MODEL.options, ...options });

test('what weft writes is read, of every model', async () => {
  expect(checkpointInfo(written(INFO), 'file')).toEqual(INFO);
  const withData = { ...INFO, data: DATA };
  expect(checkpointInfo(written(withData), 'file')).toEqual(withData);
  for (const name of MODEL_NAMES) {
    const model = { name, options: {} } as ModelSpec;
    const one = buildModel(model).initialize({ device });
    expect(checkpointInfo(await encodeCheckpoint(one, { ...INFO, model }), 'file').model).toEqual(model);
    one.dispose();
  }
});

describe('is refused with one sentence', () => {
  test.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /its plain part is no JSON/],
    ['null', null, /its plain part is null, not an object/],
    ['a number', 7, /its plain part is 7/],
    ['a list', [INFO], /not an object/],
    ['no model', { ...INFO, model: undefined }, /its model is undefined, not an object/],
    ['a model that is a text', { ...INFO, model: 'cnn' }, /its model is "cnn"/],
    ['data that is a list', { ...INFO, data: [] }, /its data is \[\], not an object/],
    [
      'data of no kind',
      { ...INFO, data: { ...DATA, kind: 'shoes' } },
      /its data\.kind is "shoes", not one of fashion-mnist/,
    ],
    ['class names that are numbers', { ...INFO, data: { ...DATA, classNames: [1] } }, /data\.classNames is \[1\]/],
    [
      'data without a size',
      { ...INFO, data: { ...DATA, imageShape: [8] } },
      /data\.imageShape is \[8\], not a list of three/,
    ],
    ['no preparation', { ...INFO, data: { ...DATA, preparation: undefined } }, /data\.preparation is undefined/],
    ['no options', { ...INFO, model: { name: 'cnn' } }, /its model\.options is undefined/],
    ['an unknown model', withOptions({}, 'vgg'), /its model\.name is "vgg", not one of cnn/],
    ['a model of the prototype', withOptions({}, 'toString'), /its model\.name is "toString"/],
    [
      'a name that a terminal would obey',
      withOptions({}, 'cnn\u001b[31m\u009b2J\u202e'),
      /"cnn\\u001b\[31m\\u\{9b\}2J\\u\{202e\}"/,
    ],
    ['an unknown option', withCnn({ width: 3 }), /has an option "width"; there are /],
    ['widths that are a text', withCnn({ widths: 'abc' }), /its model\.options\.widths is "abc"/],
    ['a width of 0', withCnn({ widths: [0] }), /its model\.options\.widths is \[0\]/],
    ['a fractional depth', withCnn({ depth: 1.5 }), /its model\.options\.depth is 1\.5/],
    ['an image of two axes', withCnn({ imageShape: [8, 8] }), /imageShape is \[8, 8\], not a list of three/],
    ['dropout of 1', withCnn({ dropout: 1 }), /its model\.options\.dropout is 1/],
    ['an unknown activation', withCnn({ activation: 'relux' }), /its model\.options\.activation is "relux"/],
    ['numbers that ask for terabytes', withCnn({ widths: [1e9] }), /is \[3, 3, 1, 1000000000\], and it holds one of/],
    ['a dense layer for terabytes', withCnn({ hidden: 2 ** 40 }), /and it holds one of/],
    ['another number of classes', withCnn({ classes: 11 }), /is \[4, 11\], and it holds one of \[4, 10\]|is \[11\]/],
    ['a thousand million layers', withCnn({ depth: 1e9 }), /has at least 1000000000 layers, and it holds \d+ arrays/],
    [
      'a thousand million blocks',
      withOptions({ widths: [1], blocks: [1e9] }, 'mini-resnet'),
      /at least 1000000000 layers/,
    ],
    ['options that do not go together', withCnn({ filterSize: [3, 3] }), /cannot be built: cnn: 2 filter sizes/],
    ['a model with other layers', withOptions({}, 'lenet5'), /its model lenet5 has a "/],
    ['no device', { ...INFO, device: 3 }, /its device is 3, not a text/],
    ['a seed beyond 32 bits', { ...INFO, seed: 2 ** 32 }, /its seed is 4294967296/],
    ['a position that is a number', { ...INFO, position: 3 }, /its position is 3/],
    [
      'a position before the start',
      { ...INFO, position: { epoch: -1, batch: 0, step: 0 } },
      /its position\.epoch is -1/,
    ],
  ])('%s', (_, info, message) => {
    const before = device.memory().liveBytes;
    const read = () => checkpointInfo(written(info), 'a.safetensors');
    expect(read).toThrow(CheckpointError);
    expect(read).toThrow(/^a\.safetensors is no checkpoint that can be used: [^\n]*\.$/);
    expect(read).toThrow(message);
    expect(device.memory().liveBytes).toBe(before);
  });

  test('a file with an array too many, whose name is shown as plain text', () => {
    const tensors = new Map(SOUND.tensors).set('extra\u001b[2J', {
      dtype: 'F32',
      shape: [1],
      data: new Float32Array(1),
    });
    expect(() => checkpointInfo(written(INFO, { tensors }), 'file')).toThrow(
      /it holds "extra\\u001b\[2J", which its model/,
    );
    expect(() => restoreCheckpoint(written(INFO, { tensors }), 'file', built)).toThrow(/has no "extra\\u\{1b\}\[2J"/);
  });

  test.each(['', '-1', '1e3', 'NaN', '9'.repeat(400)])('optimizer steps %j', steps => {
    expect(() => optimizerStepsOf({ optimizerSteps: steps }, 'file')).toThrow(CheckpointError);
    const optimizer = new SGD(built, { learningRate: 0.1 });
    const before = optimizer.stepCount;
    expect(() => restoreCheckpoint(written(INFO, { steps }), 'file', built, { optimizer })).toThrow(CheckpointError);
    expect(optimizer.stepCount).toBe(before);
    optimizer.dispose();
  });

  test.each<[unknown, RegExp]>([
    [undefined, /its history is undefined/],
    [{}, /its history\.losses is undefined/],
    [{ losses: ['1'], epochs: [], partial: { loss: 0, hits: 0, seconds: 0 } }, /its history\.losses is \["1"\]/],
    [{ losses: [], epochs: [3], partial: { loss: 0, hits: 0, seconds: 0 } }, /its history\.epochs is \[3\]/],
    [{ losses: [], epochs: [{}], partial: { loss: 0, hits: 0, seconds: 0 } }, /its history\.epochs\[0\]\.epoch is/],
    [{ losses: [], epochs: [], partial: {} }, /its history\.partial\.loss is undefined/],
  ])('a run that would go on with the history %j', (history, message) => {
    expect(() => historyOf({ ...INFO, history }, 'file')).toThrow(message);
    expect(() => historyOf({ ...INFO, history }, 'file')).toThrow(CheckpointError);
  });
});
