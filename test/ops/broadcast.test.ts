/**
 * NumPy's broadcasting on every device: two or three operands of random shapes (sizes of 0 and 1, missing axes) against a
 * host implementation that looks every element up, and the gradients, which sum over the axes that were repeated.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { ShapeError } from '../../src/devices/errors.ts';
import { broadcastShapes, formatShape } from '../../src/devices/shape.ts';
import * as w from '../../src/index.ts';
import { openTestDevices } from '../support/devices.ts';
import { arrayOf, at, build, check, compute, type HostArray, positionsOf, shapeOfRank, upload } from './property.ts';

/** A shape that broadcasts to `target`: leading axes dropped, others of size 1. */
const operandShape = (target: readonly number[]) =>
  fc
    .tuple(fc.nat(target.length), fc.array(fc.boolean(), { minLength: target.length, maxLength: target.length }))
    .map(([dropped, ones]) => target.map((size, axis) => (ones[axis] ? 1 : size)).slice(dropped));

/** `count` operands and a gradient of the shape that they broadcast to. */
const operands = (count: number) =>
  shapeOfRank(0, 4)
    .chain(target => fc.array(operandShape(target), { minLength: count, maxLength: count }))
    .chain(shapes => {
      const joint = shapes.reduce<number[]>((all, shape) => broadcastShapes(all, shape), []);
      return fc.record({
        inputs: fc.tuple(...shapes.map(shape => arrayOf(shape))),
        upstream: arrayOf(joint),
      });
    });

/** Sums `g` over all positions that `shape` repeats. */
function summedTo(g: HostArray, shape: readonly number[]): HostArray {
  const totals = new Map<string, number>();
  for (const position of positionsOf(g.shape)) {
    const own = position.slice(position.length - shape.length).map((i, axis) => (shape[axis] === 1 ? 0 : i));
    totals.set(String(own), (totals.get(String(own)) ?? 0) + at(g, position));
  }
  return build(shape, position => totals.get(String(position)) ?? 0);
}

const combine = (shape: readonly number[], f: (...values: number[]) => number, ...arrays: HostArray[]): HostArray =>
  build(shape, position => f(...arrays.map(array => at(array, position))) + 0);

/** Value and gradients of `f` at the operands. */
function withGradients(
  device: Device,
  inputs: readonly HostArray[],
  upstream: HostArray,
  f: (...xs: w.Tensor[]) => w.Tensor,
): Promise<HostArray[]> {
  return compute(() => {
    const xs = inputs.map(input => upload(input, device));
    const { value, grads } = w.valueAndGrad(() => f(...xs), xs, { upstream: upload(upstream, device) });
    return [value, ...grads];
  });
}

for (const { name, device } of await openTestDevices()) {
  describe.skipIf(!device)(`broadcasting on ${name}`, () => {
    afterAll(() => device?.destroy());

    test('add: every operand gets the gradient summed over its repetitions', () =>
      check(operands(2), async ({ inputs: [a, b], upstream }) => {
        const [y, da, db] = await withGradients(device!, [a, b], upstream, w.add);
        expect(y).toEqual(combine(upstream.shape, (p, q) => p + q, a, b));
        expect(da).toEqual(summedTo(upstream, a.shape));
        expect(db).toEqual(summedTo(upstream, b.shape));
      }));

    test('mul: the gradient is weighted by the other operand', () =>
      check(operands(2), async ({ inputs: [a, b], upstream }) => {
        const [y, da, db] = await withGradients(device!, [a, b], upstream, w.mul);
        expect(y).toEqual(combine(upstream.shape, (p, q) => p * q, a, b));
        expect(da).toEqual(
          summedTo(
            combine(upstream.shape, (g, q) => g * q, upstream, b),
            a.shape,
          ),
        );
        expect(db).toEqual(
          summedTo(
            combine(upstream.shape, (g, p) => g * p, upstream, a),
            b.shape,
          ),
        );
      }));

    test('where: each branch gets the gradient of the places it was chosen for', () =>
      check(operands(3), async ({ inputs: [c, a, b], upstream }) => {
        const [y, da, db] = await compute(() => {
          const [condition, x, z] = [upload(c, device!, 'int32'), upload(a, device!), upload(b, device!)];
          const { value, grads } = w.valueAndGrad(() => w.where(condition, x, z), [x, z], {
            upstream: upload(upstream, device!),
          });
          return [value, ...grads];
        });
        expect(y).toEqual(combine(upstream.shape, (k, p, q) => (k !== 0 ? p : q), c, a, b));
        expect(da).toEqual(
          summedTo(
            combine(upstream.shape, (k, g) => (k !== 0 ? g : 0), c, upstream),
            a.shape,
          ),
        );
        expect(db).toEqual(
          summedTo(
            combine(upstream.shape, (k, g) => (k !== 0 ? 0 : g), c, upstream),
            b.shape,
          ),
        );
      }));

    test('broadcastTo repeats, sumTo sums back', () =>
      check(operands(1), async ({ inputs: [x] }) => {
        const target = [2, ...x.shape.map(size => (size === 1 ? 3 : size))];
        const repeated = build(target, position => at(x, position));
        const [y, back] = await compute(() => {
          const y = w.broadcastTo(upload(x, device!), target);
          return [y, w.sumTo(y, x.shape)];
        });
        expect(y).toEqual(repeated);
        expect(back).toEqual(summedTo(repeated, x.shape));
      }));

    test('comparisons and integer arithmetic broadcast alike', () =>
      check(operands(2), async ({ inputs: [a, b], upstream: { shape } }) => {
        const [less, equal, product] = await compute(() => {
          const [x, y] = [upload(a, device!, 'int32'), upload(b, device!, 'int32')];
          return [w.less(x, y), w.equal(x, y), w.mul(x, y)];
        });
        expect(less).toEqual(combine(shape, (p, q) => Number(p < q), a, b));
        expect(equal).toEqual(combine(shape, (p, q) => Number(p === q), a, b));
        expect(product).toEqual(combine(shape, (p, q) => p * q, a, b));
      }));

    test('a number stands for a tensor of rank 0', () =>
      check(
        operands(1),
        async ({ inputs: [x] }) => {
          const results = await compute(() => {
            const t = upload(x, device!);
            return [w.add(t, 2), w.sub(3, t), w.mul(-2, t), w.maximum(t, 1), w.greater(2, t)];
          });
          const expected = [
            (v: number) => v + 2,
            (v: number) => 3 - v,
            (v: number) => -2 * v,
            (v: number) => Math.max(v, 1),
            (v: number) => Number(2 > v),
          ];
          expected.forEach((f, i) => {
            expect(results[i]).toEqual(combine(x.shape, f, x));
          });
        },
        15,
      ));

    test('shapes that do not broadcast are named, and nothing stays allocated', () =>
      check(
        fc.tuple(shapeOfRank(1, 3), shapeOfRank(1, 3), fc.constantFrom([2, 3], [3, 2], [4, 0], [0, 5])),
        async ([a, b, [p, q]]) => {
          const [left, right] = [
            [...a, p],
            [...b, q],
          ];
          const before = device!.memory().liveAllocations;
          const [x, y] = [w.zeros(left, { device }), w.zeros(right, { device })];
          for (const f of [w.add, w.div, w.maximum, w.less]) {
            expect(() => f(x, y)).toThrow(ShapeError);
            expect(() => f(x, y)).toThrow(`${formatShape(left)} and ${formatShape(right)}`);
          }
          w.dispose(x, y);
          expect(device!.memory().liveAllocations).toBe(before);
        },
        10,
      ));
  });
}
