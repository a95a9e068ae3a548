/**
 * safetensors: round trips of random files, a file written byte by byte from the format's description, and every kind of
 * damage, each of which must end in a CheckpointError that names the file (never in another exception, never in data).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../src/devices/errors.ts';
import { parseSafetensors, type SafetensorsArray, serializeSafetensors } from '../../src/interop/safetensors.ts';
import { readTorchGolden, torchGoldenAbsent, torchGoldenCases, torchGoldenDirectory } from '../support/shared.ts';

/** A file as the format describes it: length, header text, data. */
function file(header: unknown, data: number[] = []): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const encoded = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + encoded.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(encoded.length), true);
  bytes.set(encoded, 8);
  bytes.set(data, 8 + encoded.length);
  return bytes;
}

const shape = fc.array(fc.nat(4), { maxLength: 4 });
const tensor = fc
  .tuple(
    shape,
    fc.constantFrom(Float32Array, Float64Array, Int32Array, BigInt64Array, Uint8Array, Uint32Array),
    fc.infiniteStream(fc.nat(255)),
  )
  .map(([sizes, ArrayType, stream]) => {
    const count = sizes.reduce((product, size) => product * size, 1);
    const raw = new Uint8Array(count * ArrayType.BYTES_PER_ELEMENT);
    for (let i = 0; i < raw.length; i++) raw[i] = stream.next().value;
    return { shape: sizes, data: new ArrayType(raw.buffer) as SafetensorsArray };
  });
const contents = fc.uniqueArray(fc.tuple(fc.string({ unit: 'binary' }), tensor), {
  selector: ([name]) => name,
  maxLength: 6,
});
const bitsOf = (data: SafetensorsArray) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

describe('safetensors', () => {
  it('reads back what it wrote, bit for bit', () => {
    fc.assert(
      fc.property(contents, fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }), (tensors, metadata) => {
        fc.pre(tensors.every(([name]) => name !== '__metadata__'));
        const bytes = serializeSafetensors(tensors, metadata);
        const parsed = parseSafetensors(bytes, 'file');
        expect(parsed.metadata).toEqual(metadata);
        expect([...parsed.tensors.keys()].sort()).toEqual(tensors.map(([name]) => name).sort());
        for (const [name, source] of tensors) {
          const entry = parsed.tensors.get(name)!;
          expect(entry.shape).toEqual(source.shape);
          expect(entry.data.constructor).toBe(source.data.constructor);
          expect(bitsOf(entry.data)).toEqual(bitsOf(source.data));
        }
        // The order in which tensors are given does not show.
        expect(serializeSafetensors(tensors.toReversed(), metadata)).toEqual(bytes);
      }),
    );
  });

  it('reads a file written from the description, also at an odd offset of a larger buffer', () => {
    const data = [0, 0, 128, 63, 0, 0, 0, 192, 7, 255, 255, 255, 255, 255, 255, 255, 255];
    const header = {
      __metadata__: { epoch: '3' },
      weight: { dtype: 'F32', shape: [1, 2], data_offsets: [0, 8] },
      flag: { dtype: 'U8', shape: [], data_offsets: [8, 9] },
      step: { dtype: 'I64', shape: [1], data_offsets: [9, 17] },
    };
    const plain = file(header, data);
    const shifted = new Uint8Array(plain.length + 3);
    shifted.set(plain, 3);
    for (const bytes of [plain, shifted.subarray(3)]) {
      const { tensors, metadata } = parseSafetensors(bytes, 'file');
      expect(metadata).toEqual({ epoch: '3' });
      expect(tensors.get('weight')).toEqual({ dtype: 'F32', shape: [1, 2], data: new Float32Array([1, -2]) });
      expect(tensors.get('flag')).toEqual({ dtype: 'U8', shape: [], data: new Uint8Array([7]) });
      expect(tensors.get('step')).toEqual({ dtype: 'I64', shape: [1], data: new BigInt64Array([-1n]) });
    }
  });

  it('aligns every tensor to its element size', () => {
    const bytes = serializeSafetensors([
      ['a', { shape: [3], data: new Uint8Array(3) }],
      ['b', { shape: [1], data: new Float32Array(1) }],
      ['c', { shape: [1], data: new Float64Array(1) }],
    ]);
    const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(headerLength % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
    expect(header.c.data_offsets).toEqual([0, 8]);
    expect(header.b.data_offsets).toEqual([8, 12]);
    expect(header.a.data_offsets).toEqual([12, 15]);
  });

  const f32 = (begin: number, end: number, sizes: unknown = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape: sizes,
    data_offsets: [begin, end],
  });
  const eight = [1, 2, 3, 4, 5, 6, 7, 8];
  const huge = new Uint8Array(16).fill(0xff);
  const cases: [string, Uint8Array, RegExp][] = [
    ['an empty file', new Uint8Array(0), /it has 0 bytes, too few for a header\.$/],
    ['a header length beyond all measure', huge, /its header claims 18446744073709551615 bytes/],
    ['a cut header', file({ a: f32(0, 8) }, eight).subarray(0, 20), /it is truncated, its header needs \d+ bytes/],
    ['a header that is not JSON', file('{"a": '), /its header is not JSON/],
    [
      'a header that is not UTF-8',
      file('{"ä":1}').map(byte => (byte === 0xa4 ? 0x20 : byte)),
      /its header is not JSON/,
    ],
    ['a header that is a list', file('[]'), /its header is not a JSON object/],
    ['metadata that is not text', file({ __metadata__: { a: 1 } }), /its __metadata__ is not a map of texts/],
    ['a tensor that is a number', file({ a: 1 }), /tensor "a" is not described by an object/],
    ['an unknown dtype', file({ a: { ...f32(0, 8), dtype: 'F8' } }, eight), /tensor "a" has dtype "F8", known are F32/],
    [
      'a dtype of the prototype',
      file({ a: { ...f32(0, 8), dtype: 'toString' } }, eight),
      /tensor "a" has dtype "toString"/,
    ],
    ['a negative size', file({ a: f32(0, 8, [-2]) }, eight), /tensor "a" has shape \[-2\]/],
    ['a shape that is no list', file({ a: f32(0, 8, 2) }, eight), /tensor "a" has shape 2/],
    ['missing offsets', file({ a: { dtype: 'F32', shape: [2] } }, eight), /tensor "a" has data_offsets undefined/],
    ['backward offsets', file({ a: f32(8, 0, [2]) }, eight), /tensor "a" lies at bytes 8 to 0 of 8/],
    ['offsets beyond the end', file({ a: f32(0, 12) }, eight), /tensor "a" lies at bytes 0 to 12 of 8 \(truncated/],
    ['another number of bytes', file({ a: f32(0, 8, [3]) }, eight), /takes 12 bytes, its data_offsets span 8/],
    [
      'a shape whose product overflows',
      file({ a: f32(0, 8, [2 ** 52, 2 ** 52]) }, eight),
      /takes [\d.e+]+ bytes, its data_offsets span 8/,
    ],
    ['an overlap', file({ a: f32(0, 8), b: f32(4, 8) }, eight), /tensor "b" overlaps tensor "a" at byte 4/],
    ['a gap', file({ a: f32(0, 4), b: f32(8, 12) }, [...eight, 1, 2, 3, 4]), /bytes 4 to 8, before tensor "b", belong/],
    [
      'a name that stands twice',
      file(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        [1, 2, 3, 4],
      ),
      /its header names "a" twice/,
    ],
    [
      'the same name in two spellings',
      file(
        '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      ),
      /its header names "a" twice/,
    ],
    [
      'a property that stands twice',
      file('{"a":{"dtype":"F32","dtype":"U8","shape":[4],"data_offsets":[0,4]}}', [1, 2, 3, 4]),
      /its header names "dtype" twice/,
    ],
    ['metadata that stands twice', file('{"__metadata__":{"a":"{\\"","a":"}"}}'), /its header names "a" twice/],
    [
      'names that a terminal would obey',
      file({ '\u001b[2J\u009b31m\u202egnp': f32(0, 12) }, eight),
      /tensor "\\u001b\[2J\\u\{9b\}31m\\u\{202e\}gnp" lies/,
    ],
    ['a name longer than a page', file({ ['x'.repeat(5000)]: f32(0, 12) }, eight), /tensor "x{100}\.\.\." lies/],
    [
      'a shape of thousands of axes',
      file({ a: f32(0, 8, Array(5000).fill(2)) }, eight),
      /F32 \[(2, ){8}\.\.\.\] takes/,
    ],
    [
      'infinitely many values times none',
      file({ a: f32(0, 8, [...Array(40).fill(2 ** 52), 0]) }, eight),
      /takes 0 bytes, its data_offsets span 8/,
    ],
    ['bytes at the end', file({ a: f32(0, 4) }, eight), /its last 4 bytes belong to no tensor/],
  ];
  it.each(cases)('refuses %s', (_, bytes, message) => {
    const read = () => parseSafetensors(bytes, 'runs/a.safetensors');
    expect(read).toThrow(CheckpointError);
    expect(read).toThrow(/^runs\/a\.safetensors is no sound safetensors file: /);
    expect(read).toThrow(message);
  });

  it('keeps names apart that only look alike, and the same name at different depths', () => {
    const u8 = (begin: number) => ({ dtype: 'U8', shape: [1], data_offsets: [begin, begin + 1] });
    const header = {
      __metadata__: { shape: '"a":{', dtype: 'x' },
      a: u8(0),
      'a:': u8(1),
      'a\\"': u8(2),
      '{"a"': u8(3),
    };
    const { tensors } = parseSafetensors(file(header, [1, 2, 3, 4]), 'file');
    expect([...tensors.keys()]).toEqual(['a', 'a:', 'a\\"', '{"a"']);
  });

  it('refuses thousands of tensors that share one range before it fills memory with their copies', () => {
    const length = 2 ** 20;
    const entry = { dtype: 'U8', shape: [length], data_offsets: [0, length] };
    const header = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`tensor${i}`, entry]));
    const bytes = file(header, Array(length).fill(0));
    const before = process.memoryUsage().arrayBuffers;
    expect(() => parseSafetensors(bytes, 'file')).toThrow(/tensor "tensor1" overlaps tensor "tensor0" at byte 0/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50 * length);
  });

  it('meets any cut and any changed byte with CheckpointError or with data of the promised shape', () => {
    const whole = serializeSafetensors(
      [
        ['conv.weight', { shape: [2, 3], data: new Float32Array(6).fill(1.5) }],
        ['labels', { shape: [5], data: new Uint8Array(5) }],
      ],
      { epoch: '1' },
    );
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseSafetensors(whole.subarray(0, length), 'cut')).toThrow(CheckpointError);
    }
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const damaged = whole.slice();
        damaged[at] = value;
        try {
          for (const { shape: sizes, data } of parseSafetensors(damaged, 'damaged').tensors.values()) {
            expect(data.length).toBe(sizes.reduce((product, size) => product * size, 1));
          }
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses to write what could not be read back', () => {
    const data = new Float32Array(2);
    expect(() => serializeSafetensors([['a', { shape: [3], data }]])).toThrow(
      'Tensor "a" cannot be saved: [3] does not hold its 2 values.',
    );
    expect(() => serializeSafetensors([['__metadata__', { shape: [2], data }]])).toThrow(CheckpointError);
    const twice = [
      ['a', { shape: [2], data }],
      ['a', { shape: [2], data: new Float64Array(2) }],
    ] as const;
    expect(() => serializeSafetensors(twice)).toThrow('Tensor "a" cannot be saved under this name.');
    expect(() => serializeSafetensors([['a', { shape: [2], data }]], { epoch: 1 as any })).toThrow(CheckpointError);
    expect(() => serializeSafetensors([['a', { shape: [2], data: [1, 2] as any }]])).toThrow(CheckpointError);
  });
});

describe.skipIf(torchGoldenDirectory === undefined)(`safetensors of other makers ${torchGoldenAbsent}`, () => {
  it('reads every golden file, and writing it again changes no value', () => {
    const cases = torchGoldenCases();
    expect(cases.length).toBeGreaterThan(30);
    for (const { file: name } of cases) {
      const { tensors, metadata } = readTorchGolden(name);
      expect(tensors.size).toBeGreaterThan(0);
      const again = parseSafetensors(serializeSafetensors(tensors, metadata), name);
      for (const [key, { dtype, shape: sizes, data }] of tensors) {
        const copy = again.tensors.get(key)!;
        expect([copy.dtype, copy.shape]).toEqual([dtype, sizes]);
        expect(Buffer.compare(bitsOf(copy.data), bitsOf(data)), `${name}: ${key}`).toBe(0);
      }
    }
  });

  it('finds in a ReLU file what ReLU means', () => {
    const { tensors } = readTorchGolden('activation-relu.safetensors');
    const x = tensors.get('x')!.data as Float32Array;
    const y = tensors.get('y')!.data as Float32Array;
    expect(y.length).toBe(x.length);
    expect(Array.from(x, value => Math.max(value, 0) + 0)).toEqual(Array.from(y, value => value + 0));
  });
});
