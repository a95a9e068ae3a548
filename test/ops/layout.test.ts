/**
 * Operations that move elements, on every device and dtype they take: each against its definition (which element of the
 * input stands where in the output) and against its inverse, for random shapes with sizes of 0 and 1.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { DType } from '../../src/devices/dtype.ts';
import { ShapeError } from '../../src/devices/errors.ts';
import * as w from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { arrayOf, at, build, check, compute, shapeOfRank, upload } from './property.ts';

const dtype = fc.constantFrom<DType>('float32', 'int32', 'uint32', 'uint8');
const words = fc.constantFrom<DType>('float32', 'int32', 'uint32');
const bytes = fc.nat(99);
const array = (minimum: number, maximum: number) => shapeOfRank(minimum, maximum).chain(shape => arrayOf(shape, bytes));
const anArray = (minimum: number, maximum: number, types = dtype) =>
  fc.record({ x: array(minimum, maximum), type: types });

const permutationOf = (rank: number) =>
  fc.shuffledSubarray(
    Array.from({ length: rank }, (_, axis) => axis),
    { minLength: rank, maxLength: rank },
  );

/** Per axis: first element, number of elements, step; all within the shape. */
const windowOf = (shape: readonly number[]) =>
  fc
    .tuple(
      ...shape.map(extent =>
        extent === 0
          ? fc.constant({ start: 0, size: 0, step: 1 })
          : fc
              .record({ start: fc.nat(extent - 1), step: fc.constantFrom(1, 1, 2, 3, -1, -2), full: fc.nat(4) })
              .map(({ start, step, full }) => {
                const room = step > 0 ? Math.ceil((extent - start) / step) : Math.ceil((start + 1) / -step);
                return { start, size: Math.min(full, room), step };
              }),
      ),
    )
    .map(axes => ({
      starts: axes.map(({ start }) => start),
      sizes: axes.map(({ size }) => size),
      steps: axes.map(({ step }) => step),
    }));

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`layout on ${name}`, () => {
    afterAll(() => device?.destroy());

    test('transpose moves axis perm[i] to axis i; the inverse permutation moves it back', () =>
      check(
        anArray(0, 5).chain(one => fc.record({ one: fc.constant(one), perm: permutationOf(one.x.shape.length) })),
        async ({ one: { x, type }, perm }) => {
          const inverse = perm.map((_, axis) => perm.indexOf(axis));
          const [y, back] = await compute(() => {
            const y = w.transpose(upload(x, device!, type), perm);
            return [y, w.transpose(y, inverse)];
          });
          const shape = perm.map(axis => x.shape[axis]);
          expect(y).toEqual(
            build(shape, position =>
              at(
                x,
                inverse.map(axis => position[axis]),
              ),
            ),
          );
          expect(back).toEqual(x);
        },
      ));

    test('slice takes every step-th element, walking backwards for negative steps', () =>
      check(
        anArray(0, 4).chain(one => fc.record({ one: fc.constant(one), window: windowOf(one.x.shape) })),
        async ({ one: { x, type }, window: { starts, sizes, steps } }) => {
          const [y] = await compute(() => w.slice(upload(x, device!, type), starts, sizes, steps));
          expect(y).toEqual(
            build(sizes, position =>
              at(
                x,
                position.map((i, axis) => starts[axis] + i * steps[axis]),
              ),
            ),
          );
        },
      ));

    test('flipping twice changes nothing', () =>
      check(
        anArray(1, 4),
        async ({ x, type }) => {
          const [once, twice] = await compute(() => {
            const once = w.flip(upload(x, device!, type), [0, -1]);
            return [once, w.flip(once, [0, -1])];
          });
          const last = x.shape.length - 1;
          const mirrored = (position: number[]) =>
            position.map((i, axis) => (axis === 0 || axis === last ? x.shape[axis] - 1 - i : i));
          expect(once).toEqual(build(x.shape, position => at(x, mirrored(position))));
          expect(twice).toEqual(x);
        },
        20,
      ));

    test('pad surrounds by a value, its mirror image or its edge; slice takes the surroundings away', () =>
      check(
        fc.record({
          one: anArray(1, 4, words),
          around: fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { minLength: 4, maxLength: 4 }),
          mode: fc.constantFrom('constant' as const, 'reflect' as const, 'edge' as const),
          value: bytes,
        }),
        async ({ one: { x, type }, around, mode, value }) => {
          const reach = (size: number) => (mode === 'reflect' ? Math.max(0, size - 1) : size === 0 ? 0 : 3);
          const limited = x.shape.map((size, axis) => around[axis].map(n => Math.min(n, reach(size))));
          const before = limited.map(([n]) => n);
          const after = limited.map(([, n]) => n);
          const [y, back] = await compute(() => {
            const y = w.pad(upload(x, device!, type), before, after, { mode, value });
            return [y, w.slice(y, before, x.shape)];
          });
          const shape = x.shape.map((size, axis) => before[axis] + size + after[axis]);
          expect(y).toEqual(
            build(shape, position => {
              const inner = position.map((i, axis) => {
                const own = i - before[axis];
                const end = x.shape[axis] - 1;
                if (mode === 'edge') return Math.min(Math.max(own, 0), end);
                if (mode === 'reflect') return own < 0 ? -own : own > end ? 2 * end - own : own;
                return own;
              });
              const isInside = inner.every((i, axis) => i >= 0 && i < x.shape[axis]);
              return isInside ? at(x, inner) : value;
            }),
          );
          expect(back).toEqual(x);
        },
      ));

    test('slices of a concatenation are its parts', () =>
      check(
        fc
          .record({
            shape: shapeOfRank(1, 4),
            axis: fc.nat(3),
            sizes: fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
            type: dtype,
          })
          .chain(({ shape, axis, sizes, type }) => {
            const along = axis % shape.length;
            const parts = sizes.map(size =>
              arrayOf(
                shape.map((n, i) => (i === along ? size : n)),
                bytes,
              ),
            );
            return fc.record({ along: fc.constant(along), parts: fc.tuple(...parts), type: fc.constant(type) });
          }),
        async ({ along, parts, type }) => {
          const rank = parts[0].shape.length;
          const [joined, ...again] = await compute(() => {
            const tensors = parts.map(part => upload(part, device!, type));
            const joined = w.concat(tensors, along % 2 === 0 ? along : along - rank);
            let start = 0;
            const again = tensors.map(({ shape }) => {
              const starts = shape.map((_, axis) => (axis === along ? start : 0));
              start += shape[along];
              return w.slice(joined, starts, shape);
            });
            return [joined, ...again];
          });
          const total = parts.reduce((sum, { shape }) => sum + shape[along], 0);
          expect(joined.shape).toEqual(parts[0].shape.map((size, axis) => (axis === along ? total : size)));
          expect(again).toEqual(parts);
        },
      ));

    test('stack puts a new axis anywhere, counted from either end', () =>
      check(
        fc.record({ x: array(0, 3), axis: fc.nat(3), negative: fc.boolean() }),
        async ({ x, axis, negative }) => {
          const rank = x.shape.length + 1;
          const along = axis % rank;
          const doubled = { shape: x.shape, data: x.data.map(value => 2 * value) };
          const [y] = await compute(() =>
            w.stack([upload(x, device!), upload(doubled, device!)], negative ? along - rank : along),
          );
          const shape = [...x.shape.slice(0, along), 2, ...x.shape.slice(along)];
          expect(y).toEqual(
            build(shape, position => {
              const own = position.filter((_, i) => i !== along);
              return at(position[along] === 0 ? x : doubled, own);
            }),
          );
        },
        20,
      ));

    test('gather is take; by a permutation and its inverse it changes nothing', () =>
      check(
        anArray(1, 4).chain(one =>
          fc.nat(3).chain(some => {
            const axis = some % one.x.shape.length;
            const extent = one.x.shape[axis];
            return fc.record({
              one: fc.constant(one),
              axis: fc.constant(axis),
              perm: permutationOf(extent),
              indices:
                extent === 0
                  ? fc.constant({ shape: [0], data: [] })
                  : shapeOfRank(0, 2).chain(shape => arrayOf(shape, fc.nat(extent - 1))),
            });
          }),
        ),
        async ({ one: { x, type }, axis, perm, indices }) => {
          const inverse = perm.map((_, i) => perm.indexOf(i));
          const order = (values: number[]) => upload({ shape: [values.length], data: values }, device!, 'int32');
          const [taken, back] = await compute(() => {
            const tensor = upload(x, device!, type);
            return [
              w.gather(tensor, upload(indices, device!, 'int32'), axis),
              w.gather(w.gather(tensor, order(perm), axis - x.shape.length), order(inverse), axis),
            ];
          });
          const rank = indices.shape.length;
          const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
          expect(taken).toEqual(
            build(shape, position =>
              at(x, [
                ...position.slice(0, axis),
                at(indices, position.slice(axis, axis + rank)),
                ...position.slice(axis + rank),
              ]),
            ),
          );
          expect(back).toEqual(x);
        },
      ));

    test('scatterAdd is what gather of it sums to: a histogram', () =>
      check(
        fc.array(fc.integer({ min: -1, max: 6 }), { maxLength: 30 }),
        async labels => {
          const [counts, encoded] = await compute(() => {
            const indices = upload({ shape: [labels.length], data: labels }, device!, 'int32');
            const ones = w.ones([labels.length], { device: device! });
            return [w.scatterAdd(ones, indices, 6), w.sum(w.oneHot(indices, 6), 0)];
          });
          const expected = Array.from({ length: 6 }, (_, value) => labels.filter(label => label === value).length);
          // Labels outside of 0..5 count nowhere.
          expect(counts.data).toEqual(expected);
          expect(encoded.data).toEqual(expected);
        },
        20,
      ));

    test('reshape keeps the order and fills in -1', () =>
      check(
        anArray(0, 4),
        async ({ x, type }) => {
          const [flat, back] = await compute(() => {
            const flat = w.reshape(upload(x, device!, type), x.data.length === 0 ? [0] : [-1]);
            return [flat, w.reshape(flat, x.shape)];
          });
          expect(flat).toEqual({ shape: [x.data.length], data: x.data });
          expect(back).toEqual(x);
        },
        20,
      ));

    test('what cannot be is refused, and the shapes are named', () => {
      const x = w.zeros([2, 3], { device });
      const refusals: [() => unknown, string][] = [
        [() => w.reshape(x, [4, -1]), 'reshape: [2, 3] cannot become [4, -1].'],
        [() => w.reshape(x, [-1, -1]), 'reshape: [2, 3] cannot become [-1, -1].'],
        [() => w.reshape(x, [7]), 'reshape: [2, 3] cannot become [7].'],
        [() => w.reshape(x, [-6, -1]), 'reshape: [2, 3] cannot become [-6, -1].'],
        [() => w.transpose(x, [0, 0]), '[0, 0] is not a permutation of the axes of [2, 3].'],
        [() => w.slice(x, [0, 0], [2, 4]), '4 elements from 0 in steps of 1 do not lie within axis 1 of [2, 3].'],
        [() => w.concat([x, w.zeros([2, 2], { device })], 0), 'shapes [2, 3] and [2, 2] differ beside axis 0.'],
        [() => w.concat([]), 'nothing to join'],
        [() => w.stack([]), 'nothing to join'],
        [() => w.stack([x, x], 4), 'axis 4 does not exist'],
        [() => w.concat([x, x], 2), 'axis 2 does not exist in a tensor of rank 2.'],
        [() => w.pad(x, [0, 3], [0, 0], { mode: 'reflect' }), 'do not fit mode'],
        [() => w.pad(x, [1], [1]), 'must hold one integer per axis of [2, 3].'],
        [() => w.broadcastTo(x, [3, 3]), 'shapes [2, 3] and [3, 3] do not broadcast.'],
        [() => w.broadcastTo(x, [3]), '[2, 3] does not repeat to [3].'],
        [() => w.gather(x, w.zeros([1], { device, dtype: 'int32' }), 2), 'axis 2 does not exist'],
      ];
      for (const [f, words] of refusals) {
        expect(f).toThrow(ShapeError);
        expect(f).toThrow(words);
      }
    });
  });
}
