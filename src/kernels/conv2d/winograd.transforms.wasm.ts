/**
 * The transforms of Winograd's convolution F(4x4, 3x3): Lavin and Gray, "Fast algorithms for convolutional neural networks"
 * (2015), with the interpolation points 0, 1, -1, 2, -2 and infinity. Four outputs of a three-tap filter are
 *
 *     y = A' [ (G g) * (B' d) ]       d: 6 inputs, g: 3 taps, y: 4 outputs, * element by element
 *
 * with six multiplications instead of twelve; nested in two dimensions 36 instead of 144, and the 36 products over many
 * tiles are matrix products. The weight gradient is the same identity read backwards: dg = G' [ (A dy) * (B' d) ].
 *
 * Every transform here is one-dimensional and works on vectors of four channels: the two-dimensional ones apply it to
 * columns, then to rows. All the matrices' entries are small, but 5 and 8 enlarge rounding errors: see the README.
 */
import { type F32x4, type FunctionBuilder, splat } from '../../devices/wasm/assembler/module.ts';

/** Output pixels, input pixels and products along one axis of a tile. */
export const TILE_OUTPUTS = 4;
export const TILE_INPUTS = 6;
export const PRODUCTS = TILE_INPUTS * TILE_INPUTS;

/** `constant` gives a number in all lanes; see `walkVectors`. */
export type Transform = (f: FunctionBuilder, values: readonly F32x4[], constant?: (value: number) => F32x4) => F32x4[];

/** The transforms, with or without fused multiply-add. */
export function winogradTransforms(relaxed: boolean) {
  /** value * factor + addend */
  const scaleAdd = (value: F32x4, factor: F32x4, addend: F32x4) => value.multiplyAdd(factor, addend, relaxed);

  /** B' d: six pixels to six products' factors. */
  const input: Transform = (f, [d0, d1, d2, d3, d4, d5], constant = splat) => {
    const even = f.let(scaleAdd(d2, constant(-4), d4));
    const odd = f.let(scaleAdd(d1, constant(-4), d3));
    const evenHalf = f.let(d4.sub(d2));
    const oddHalf = f.let(d3.sub(d1));
    return [
      scaleAdd(d0, constant(4), scaleAdd(d2, constant(-5), d4)),
      even.add(odd),
      even.sub(odd),
      scaleAdd(oddHalf, constant(2), evenHalf),
      scaleAdd(oddHalf, constant(-2), evenHalf),
      scaleAdd(d1, constant(4), scaleAdd(d3, constant(-5), d5)),
    ];
  };

  /** A' m: six products to four output pixels. */
  const output: Transform = (f, [m0, m1, m2, m3, m4, m5], constant = splat) => {
    const sum = f.let(m1.add(m2));
    const difference = f.let(m1.sub(m2));
    const sumTwo = f.let(m3.add(m4));
    const differenceTwo = f.let(m3.sub(m4));
    return [
      m0.add(sum).add(sumTwo),
      scaleAdd(differenceTwo, constant(2), difference),
      scaleAdd(sumTwo, constant(4), sum),
      scaleAdd(differenceTwo, constant(8), difference).add(m5),
    ];
  };

  /** G g: three taps to six products' factors. */
  const filter: Transform = (f, [g0, g1, g2], constant = splat) => {
    const outer = f.let(g0.add(g2).mul(constant(-1 / 6)));
    const middle = f.let(g1.mul(constant(1 / 6)));
    const far = f.let(scaleAdd(g0, constant(1 / 24), g2.mul(constant(1 / 6))));
    const farMiddle = f.let(g1.mul(constant(1 / 12)));
    return [g0.mul(constant(1 / 4)), outer.sub(middle), outer.add(middle), far.add(farMiddle), far.sub(farMiddle), g2];
  };

  /** A y: four output gradients to six factors. */
  const outputGradient: Transform = (f, [y0, y1, y2, y3], constant = splat) => {
    const even = f.let(y0.add(y2));
    const odd = f.let(y1.add(y3));
    const evenTwo = f.let(scaleAdd(y2, constant(4), y0));
    const oddTwo = f.let(scaleAdd(y3, constant(8), y1.add(y1)));
    return [y0, even.add(odd), even.sub(odd), evenTwo.add(oddTwo), evenTwo.sub(oddTwo), y3];
  };

  /** G' m: six sums of products to the gradients of three taps. */
  const filterGradient: Transform = (f, [m0, m1, m2, m3, m4, m5], constant = splat) => {
    const sum = f.let(m1.add(m2).mul(constant(-1 / 6)));
    const sumTwo = f.let(m3.add(m4));
    const middle = f.let(m2.sub(m1).mul(constant(1 / 6)));
    return [
      scaleAdd(sumTwo, constant(1 / 24), scaleAdd(m0, constant(1 / 4), sum)),
      scaleAdd(m3.sub(m4), constant(1 / 12), middle),
      scaleAdd(sumTwo, constant(1 / 6), sum).add(m5),
    ];
  };

  return { input, output, filter, outputGradient, filterGradient };
}
