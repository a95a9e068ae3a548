/** Layouts: each conversion against the index formula that defines it, and every pair against being inverse. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../src/devices/errors.ts';
import {
  flattenedLinearFromTorch,
  flattenedLinearToTorch,
  type HostTensor,
  hwioToOihw,
  nchwToNhwc,
  nhwcToNchw,
  oihwToHwio,
  permuteAxes,
  transposeLinear,
} from '../../src/interop/torch-layout.ts';

/** An array whose values are their own positions, so that no two are alike. */
function counted(shape: number[]): HostTensor<Int32Array> {
  const count = shape.reduce((product, size) => product * size, 1);
  return { shape, data: Int32Array.from({ length: count }, (_, index) => index) };
}

const size = fc.integer({ min: 1, max: 5 });
const sizes4 = fc.tuple(size, size, size, size);

describe('torch layouts', () => {
  it('OIHW to HWIO and back', () => {
    fc.assert(
      fc.property(sizes4, ([O, I, H, W]) => {
        const torch = counted([O, I, H, W]);
        const ours = oihwToHwio(torch);
        expect(ours.shape).toEqual([H, W, I, O]);
        for (let o = 0; o < O; o++)
          for (let i = 0; i < I; i++)
            for (let h = 0; h < H; h++)
              for (let w = 0; w < W; w++)
                expect(ours.data[((h * W + w) * I + i) * O + o]).toBe(torch.data[((o * I + i) * H + h) * W + w]);
        expect(hwioToOihw(ours)).toEqual(torch);
      }),
    );
  });

  it('NCHW to NHWC and back', () => {
    fc.assert(
      fc.property(sizes4, ([N, C, H, W]) => {
        const torch = counted([N, C, H, W]);
        const ours = nchwToNhwc(torch);
        expect(ours.shape).toEqual([N, H, W, C]);
        for (let n = 0; n < N; n++)
          for (let c = 0; c < C; c++)
            for (let h = 0; h < H; h++)
              for (let w = 0; w < W; w++)
                expect(ours.data[((n * H + h) * W + w) * C + c]).toBe(torch.data[((n * C + c) * H + h) * W + w]);
        expect(nhwcToNchw(ours)).toEqual(torch);
      }),
    );
  });

  it('linear weights, [out, in] to [in, out] and back', () => {
    fc.assert(
      fc.property(size, size, (outputs, inputs) => {
        const torch = counted([outputs, inputs]);
        const ours = transposeLinear(torch);
        expect(ours.shape).toEqual([inputs, outputs]);
        for (let o = 0; o < outputs; o++)
          for (let i = 0; i < inputs; i++) expect(ours.data[i * outputs + o]).toBe(torch.data[o * inputs + i]);
        expect(transposeLinear(ours)).toEqual(torch);
      }),
    );
  });

  it('a linear layer after Flatten gives the same outputs on both sides', () => {
    fc.assert(
      fc.property(sizes4, fc.infiniteStream(fc.integer({ min: -9, max: 9 })), ([out, C, H, W], stream) => {
        const inputs = C * H * W;
        const draw = (count: number) => Int32Array.from({ length: count }, () => stream.next().value);
        const torchWeights = { shape: [out, inputs], data: draw(out * inputs) };
        const torchImage = { shape: [1, C, H, W], data: draw(inputs) };
        const ours = flattenedLinearFromTorch(torchWeights, { height: H, width: W, channels: C });
        const image = nchwToNhwc(torchImage);
        for (let o = 0; o < out; o++) {
          let expected = 0;
          let found = 0;
          for (let i = 0; i < inputs; i++) {
            expected += torchWeights.data[o * inputs + i] * torchImage.data[i];
            found += ours.data[i * out + o] * image.data[i];
          }
          expect(found).toBe(expected);
        }
        expect(ours.shape).toEqual([inputs, out]);
        expect(flattenedLinearToTorch(ours, { height: H, width: W, channels: C })).toEqual(torchWeights);
      }),
    );
  });

  it('keeps the array type and leaves the source alone', () => {
    const source = { shape: [1, 2, 1, 2], data: new BigInt64Array([1n, 2n, 3n, 4n]) };
    expect(nchwToNhwc(source).data).toEqual(new BigInt64Array([1n, 3n, 2n, 4n]));
    expect(source.data).toEqual(new BigInt64Array([1n, 2n, 3n, 4n]));
    expect(nchwToNhwc({ shape: [0, 3, 2, 2], data: new Float32Array(0) }).shape).toEqual([0, 2, 2, 3]);
  });

  it('refuses shapes that do not fit, naming them', () => {
    expect(() => oihwToHwio(counted([2, 3]))).toThrow('OIHW needs 4 axes; the array has shape [2, 3].');
    expect(() => permuteAxes(counted([2, 3]), [0, 0])).toThrow(ShapeError);
    expect(() => permuteAxes({ shape: [2, 3], data: new Float32Array(5) }, [1, 0])).toThrow(ShapeError);
    expect(() => flattenedLinearFromTorch(counted([2, 12]), { height: 2, width: 2, channels: 2 })).toThrow(
      'A linear layer of 12 inputs cannot follow the flattening of 2 x 2 x 2 images.',
    );
  });
});
