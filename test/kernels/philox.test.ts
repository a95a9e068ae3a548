/**
 * Philox 4x32-10 against the known-answer vectors of its authors, and the numbers made from its bits against the moments
 * and frequencies they must have (chi-square bounds at six standard deviations: a fixed seed, so they never flake).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PhiloxStream,
  philox4x32,
  philoxBlock,
  streamNamed,
  type Words2,
  type Words4,
} from '../../src/kernels/random/philox.ts';

describe('philox4x32', () => {
  // Random123 1.14, tests/kat_vectors, lines "philox4x32 10".
  const knownAnswers: [Words4, Words2, Words4][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];

  it.each(knownAnswers)('counter %j, key %j', (counter, key, expected) => {
    expect(philox4x32(counter, key)).toEqual(expected);
  });

  it('equals the definition written with BigInt, for any counter and key', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        let [c0, c1, c2, c3] = counter.map(BigInt);
        let [k0, k1] = key.map(BigInt);
        const mask = 0xffffffffn;
        for (let round = 0; round < 10; round++) {
          const p0 = c0 * 0xd2511f53n;
          const p1 = c2 * 0xcd9e8d57n;
          [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
          k0 = (k0 + 0x9e3779b9n) & mask;
          k1 = (k1 + 0xbb67ae85n) & mask;
        }
        expect(philox4x32(counter, key)).toEqual([c0, c1, c2, c3].map(Number));
      }),
      { numRuns: 500 },
    );
  });
});

describe('PhiloxStream', () => {
  it('reads the blocks in order, keyed by (seed, stream), with the substream in the third counter word', () => {
    const stream = new PhiloxStream(7, 3, 5);
    const words = Array.from({ length: 10 }, () => stream.nextUint32());
    const blocks = [0, 1, 2].flatMap(block => philox4x32([block, 0, 5, 0], [7, 3]));
    expect(words).toEqual(blocks.slice(0, 10));
    expect(stream.position).toBe(10);
  });

  it('carries into the second counter word', () => {
    const stream = new PhiloxStream(1, 2);
    stream.position = 4 * (2 ** 32 + 9) + 1;
    const expected = new Uint32Array(4);
    philoxBlock(expected, 0, 9, 1, 0, 0, 1, 2);
    expect(stream.nextUint32()).toBe(expected[1]);
  });

  it('continues from its position, whatever was drawn before', () => {
    const first = new PhiloxStream(11);
    for (let i = 0; i < 5; i++) first.normal();
    first.below(1000);
    const second = new PhiloxStream(11);
    second.position = first.position;
    expect(Array.from({ length: 7 }, () => second.normal())).toEqual(Array.from({ length: 7 }, () => first.normal()));
  });

  it('gives uniforms that are multiples of 2^-24 in [0, 1), spread evenly', () => {
    const stream = new PhiloxStream(0, 1);
    const bins = new Array<number>(64).fill(0);
    const count = 64_000;
    for (let i = 0; i < count; i++) {
      const u = stream.uniform();
      expect(u >= 0 && u < 1 && Number.isInteger(u * 2 ** 24) && Math.fround(u) === u).toBe(true);
      bins[Math.floor(u * 64)]++;
    }
    const chiSquare = bins.reduce((sum, n) => sum + (n - count / 64) ** 2 / (count / 64), 0);
    expect(chiSquare).toBeLessThan(63 + 6 * Math.sqrt(2 * 63));
  });

  it('draws integers below n without bias, also where n is close to 2^32', () => {
    const stream = new PhiloxStream(0, 2);
    const bins = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) bins[stream.below(7)]++;
    const chiSquare = bins.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(6 + 6 * Math.sqrt(12));

    // Without rejection, multiplying by n = 3 * 2^30 would make every third value twice as likely.
    const n = 3 * 2 ** 30;
    const thirds = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) thirds[stream.below(n) % 3]++;
    for (const hits of thirds) expect(Math.abs(hits - 10_000)).toBeLessThan(6 * Math.sqrt(10_000 * (2 / 3)));
    expect(stream.below(1)).toBe(0);
  });

  it('draws normals with mean 0, variance 1 and normal tails', () => {
    const stream = new PhiloxStream(0, 3);
    const count = 100_000;
    let sum = 0;
    let squares = 0;
    let cubes = 0;
    let withinOne = 0;
    for (let i = 0; i < count; i++) {
      const z = stream.normal();
      sum += z;
      squares += z * z;
      cubes += z ** 3;
      if (Math.abs(z) < 1) withinOne++;
    }
    const sigma = 1 / Math.sqrt(count);
    expect(Math.abs(sum / count)).toBeLessThan(6 * sigma);
    expect(Math.abs(squares / count - 1)).toBeLessThan(6 * Math.SQRT2 * sigma);
    expect(Math.abs(cubes / count)).toBeLessThan(6 * Math.sqrt(15) * sigma);
    expect(Math.abs(withinOne / count - 0.682689492)).toBeLessThan(6 * 0.4654 * sigma);
  });

  it('names streams by FNV-1a', () => {
    // Test vectors of draft-eastlake-fnv, appendix C: "", "a", "foobar".
    expect([streamNamed(''), streamNamed('a'), streamNamed('foobar')]).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
  });

  it('refuses seeds and bounds that are not 32-bit whole numbers', () => {
    expect(() => new PhiloxStream(-1)).toThrow('A random seed must be a whole number from 0 to 4294967295, not -1.');
    expect(() => new PhiloxStream(1.5)).toThrow('A random seed');
    expect(() => new PhiloxStream(0, 2 ** 32)).toThrow('A random stream');
    expect(() => new PhiloxStream(0).below(0)).toThrow('No whole number lies in [0, 0).');
  });
});
