/** Order of an epoch: permutations, stratified splits and batches, each against its defining property. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { epochBatches, shuffledIndices, stratifiedFolds, stratifiedSplit } from '../../src/data/batches.ts';
import { UsageError } from '../../src/devices/errors.ts';

const seed = fc.integer({ min: 0, max: 0xffffffff });
const ascending = (a: number, b: number) => a - b;

describe('shuffledIndices', () => {
  it('is a permutation, the same for the same seed and epoch', () => {
    fc.assert(
      fc.property(fc.nat(300), seed, seed, (count, s, epoch) => {
        const order = shuffledIndices(count, s, epoch);
        expect([...order].sort(ascending)).toEqual(Array.from({ length: count }, (_, index) => index));
        expect(shuffledIndices(count, s, epoch)).toEqual(order);
      }),
    );
  });

  it('differs between epochs and between seeds', () => {
    const first = shuffledIndices(1000, 0, 0);
    expect(shuffledIndices(1000, 0, 1)).not.toEqual(first);
    expect(shuffledIndices(1000, 1, 0)).not.toEqual(first);
  });

  it('keeps its order from version to version', () => {
    // Fisher-Yates from the last index down over Philox 4x32-10, key (0, FNV-1a of "shuffle"), counter word 2 = epoch 0,
    // each bounded draw the high word of bits * n: computed once in Python from this description.
    expect([...shuffledIndices(8, 0, 0)]).toEqual([4, 7, 1, 2, 3, 0, 6, 5]);
  });

  it('makes every order of four equally likely', () => {
    const counts = new Map<string, number>();
    const draws = 24_000;
    for (let epoch = 0; epoch < draws; epoch++) {
      const order = shuffledIndices(4, 1, epoch).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - draws / 24) ** 2 / (draws / 24), 0);
    expect(chiSquare).toBeLessThan(23 + 6 * Math.sqrt(2 * 23));
  });
});

describe('stratifiedSplit', () => {
  it('holds out exactly the number asked for, in the proportions of the classes, and loses no image', () => {
    const labels = fc.uint8Array({ minLength: 2, maxLength: 200, max: 9 });
    fc.assert(
      fc.property(labels, fc.nat(1000), seed, (values, part, s) => {
        const wanted = part % values.length;
        fc.pre(wanted > 0);
        const { train, heldOut } = stratifiedSplit(values, wanted, s);
        expect(heldOut.length).toBe(wanted);
        expect([...train, ...heldOut].sort(ascending)).toEqual(Array.from(values, (_, index) => index));
        expect([...heldOut].sort(ascending)).toEqual([...heldOut]);
        expect([...train].sort(ascending)).toEqual([...train]);
        for (let label = 0; label < 10; label++) {
          const members = values.filter(value => value === label).length;
          const held = heldOut.filter(index => values[index] === label).length;
          expect(Math.abs(held - (members * wanted) / values.length)).toBeLessThan(1);
        }
        expect(stratifiedSplit(values, wanted, s)).toEqual({ train, heldOut });
      }),
    );
  });

  it('takes a share, and another choice for another seed', () => {
    const labels = Uint8Array.from({ length: 1000 }, (_, index) => index % 10);
    const { train, heldOut } = stratifiedSplit(labels, 0.1, 0);
    expect([train.length, heldOut.length]).toEqual([900, 100]);
    expect(stratifiedSplit(labels, 0.1, 1).heldOut).not.toEqual(heldOut);
    expect(stratifiedSplit(labels, 0, 0).train.length).toBe(1000);
  });

  it.each([-0.1, 1000, 1500, 10.5, Number.NaN])('refuses to hold out %d of 1000', holdOut => {
    expect(() => stratifiedSplit(new Uint8Array(1000), holdOut, 0)).toThrow(UsageError);
  });
});

describe('epochBatches', () => {
  it('cuts the order into full batches and a rest, or drops the rest', () => {
    fc.assert(
      fc.property(fc.nat(100), fc.integer({ min: 1, max: 30 }), (count, batchSize) => {
        const order = shuffledIndices(count, 0, 0);
        const batches = epochBatches(order, batchSize);
        expect(batches.flatMap(batch => [...batch])).toEqual([...order]);
        for (const batch of batches.slice(0, -1)) expect(batch.length).toBe(batchSize);
        const full = epochBatches(order, batchSize, true);
        expect(full).toEqual(batches.filter(batch => batch.length === batchSize));
        expect(full.length).toBe(Math.floor(count / batchSize));
      }),
    );
  });

  it.each([0, -1, 1.5])('refuses a batch size of %d', batchSize => {
    expect(() => epochBatches(new Uint32Array(3), batchSize)).toThrow(UsageError);
  });
});

describe('folds', () => {
  it('divide all images, each class evenly, and follow from the seed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 12, maxLength: 150 }),
        fc.integer({ min: 2, max: 7 }),
        (labels, folds) => {
          const parts = stratifiedFolds(labels, folds, 4);
          expect(parts).toHaveLength(folds);
          const all = parts.flatMap(part => [...part]).sort((a, b) => a - b);
          expect(all).toEqual(Array.from(labels, (_, index) => index));
          const counts = (part: Uint32Array) => [0, 1, 2, 3, 4, 5].map(c => part.filter(i => labels[i] === c).length);
          for (let c = 0; c < 6; c++) {
            const ofClass = parts.map(part => counts(part)[c]);
            expect(Math.max(...ofClass) - Math.min(...ofClass)).toBeLessThanOrEqual(1);
          }
          const sizes = parts.map(({ length }) => length);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
          expect(stratifiedFolds(labels, folds, 4)).toEqual(parts);
        },
      ),
    );
    const labels = new Uint8Array(40);
    expect(stratifiedFolds(labels, 4, 1)).not.toEqual(stratifiedFolds(labels, 4, 2));
  });

  it('fewer than two, or more than images, are refused', () => {
    for (const folds of [1, 4, 1.5]) expect(() => stratifiedFolds([0, 0, 1], folds, 0)).toThrow(UsageError);
  });
});
