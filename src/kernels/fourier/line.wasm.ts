/**
 * Four complex lines at a time, one in each lane: the fast Fourier transform without a reordering of its own (T. G.
 * Stockham's, 1966). A stage takes `radix` numbers a part of the line apart, combines them, and leaves the results side by
 * side, so that after all stages the frequencies lie in their order. An element is eight floats: four real parts, four
 * imaginary ones. Sizes are baked in: the loops of a stage have constant strides, its loads and stores constant offsets.
 */
import { F32x4, type FunctionBuilder, type I32, i32 } from '../../devices/wasm/assembler/module.ts';
import { radicesOf } from './fourier.ts';

/** Bytes of one element of four lines. */
export const ELEMENT = 32;

interface Complex {
  readonly re: F32x4;
  readonly im: F32x4;
}

export interface LineOptions {
  readonly size: number;
  /** Fused multiply-add. */
  readonly relaxed: boolean;
  /** The second half of the input is zero; it is not read. */
  readonly halfInput?: boolean;
  /** Only the first half of the output is wanted. */
  readonly halfOutput?: boolean;
  /** Transforms back: exp(+2 pi i ...), not divided by anything. */
  readonly inverse?: boolean;
}

/**
 * Transforms what lies at `from`; `to` is as large (`size` elements). Both are written.
 * @returns where the result lies
 */
export function transformLines(f: FunctionBuilder, from: I32, to: I32, twiddles: I32, options: LineOptions): I32 {
  const radices = radicesOf(options.size);
  let length = options.size;
  let stride = 1;
  let [source, target] = [from, to];
  radices.forEach((radix, index) => {
    stage(f, source, target, twiddles, {
      ...options,
      radix,
      parts: length / radix,
      stride,
      halfInput: index === 0 && options.halfInput,
      halfOutput: index === radices.length - 1 && options.halfOutput,
    });
    length /= radix;
    stride *= radix;
    [source, target] = [target, source];
  });
  return source;
}

interface StageOptions extends LineOptions {
  readonly radix: number;
  /** Butterflies with twiddles of their own. */
  readonly parts: number;
  /** Butterflies that share twiddles. */
  readonly stride: number;
}

function stage(f: FunctionBuilder, from: I32, to: I32, twiddles: I32, options: StageOptions): void {
  const { radix, parts, stride, relaxed, halfInput, halfOutput } = options;
  // Back and forth differ in the sign of i: real and imaginary parts change places.
  const [first, second] = options.inverse ? [16, 0] : [0, 16];
  const inputs = halfInput ? radix / 2 : radix;
  const outputs = halfOutput ? radix / 2 : radix;
  const source = f.local(i32);
  const target = f.local(i32);
  f.set(source, from);
  f.set(target, to);
  const turns = Array.from({ length: radix - 1 }, () => f.local(i32));
  for (const turn of turns) f.set(turn, twiddles);

  const part = (): void => {
    // In the last stage every twiddle is 1.
    const factors = turns.map(turn => {
      if (parts === 1) return undefined;
      const [re, im] = [f.let(turn.f32x4Splat()), f.let(turn.f32x4Splat(4))];
      return { re, im, minusIm: f.let(im.neg()) };
    });
    const butterfly = (): void => {
      const values = Array.from({ length: inputs }, (_, j) => ({
        re: f.let(source.f32x4(ELEMENT * stride * parts * j + first)),
        im: f.let(source.f32x4(ELEMENT * stride * parts * j + second)),
      }));
      combine(f, values, radix).forEach(({ re, im }, j) => {
        if (j >= outputs) return;
        const offset = ELEMENT * stride * j;
        const factor = j > 0 ? factors[j - 1] : undefined;
        if (!factor) {
          f.store(target, re, offset + first);
          f.store(target, im, offset + second);
          return;
        }
        const [x, y] = [f.let(re), f.let(im)];
        f.store(target, y.multiplyAdd(factor.minusIm, x.mul(factor.re), relaxed), offset + first);
        f.store(target, y.multiplyAdd(factor.re, x.mul(factor.im), relaxed), offset + second);
      });
      f.advance(source, ELEMENT);
      f.advance(target, ELEMENT);
    };
    if (stride === 1) butterfly();
    else f.repeat(stride, butterfly);
    f.advance(target, ELEMENT * stride * (radix - 1));
    turns.forEach((turn, j) => {
      f.advance(turn, 8 * stride * (j + 1));
    });
  };
  if (parts === 1) part();
  else f.repeat(parts, part);
}

/** The transform of two, three or four numbers; what is missing at the end is zero. */
function combine(f: FunctionBuilder, values: readonly Complex[], radix: number): Complex[] {
  const add = (a: Complex, b: Complex): Complex => ({ re: f.let(a.re.add(b.re)), im: f.let(a.im.add(b.im)) });
  const sub = (a: Complex, b: Complex): Complex => ({ re: f.let(a.re.sub(b.re)), im: f.let(a.im.sub(b.im)) });
  // a - i b and a + i b
  const lag = (a: Complex, b: Complex): Complex => ({ re: a.re.add(b.im), im: a.im.sub(b.re) });
  const lead = (a: Complex, b: Complex): Complex => ({ re: a.re.sub(b.im), im: a.im.add(b.re) });
  const [a, b, c, d] = values;
  if (radix === 2) return [add(a, b), sub(a, b)];
  if (radix === 3) {
    const sum = add(b, c);
    const difference = sub(b, c);
    const half = F32x4.constant(-0.5, -0.5, -0.5, -0.5);
    const root = Math.sqrt(3) / 2;
    const scale = F32x4.constant(root, root, root, root);
    const middle = { re: f.let(a.re.add(sum.re.mul(half))), im: f.let(a.im.add(sum.im.mul(half))) };
    const side = { re: f.let(difference.re.mul(scale)), im: f.let(difference.im.mul(scale)) };
    return [add(a, sum), lag(middle, side), lead(middle, side)];
  }
  if (values.length === 2) return [add(a, b), lag(a, b), sub(a, b), lead(a, b)];
  const [evenSum, evenDifference, oddSum, oddDifference] = [add(a, c), sub(a, c), add(b, d), sub(b, d)];
  return [
    add(evenSum, oddSum),
    lag(evenDifference, oddDifference),
    sub(evenSum, oddSum),
    lead(evenDifference, oddDifference),
  ];
}

/** Four vectors as the rows of a matrix, and its columns. */
export function transposeFour(f: FunctionBuilder, [a, b, c, d]: readonly F32x4[]): F32x4[] {
  const [low, high] = [f.let(a.shuffle(b, 0, 4, 1, 5)), f.let(a.shuffle(b, 2, 6, 3, 7))];
  const [lowNext, highNext] = [f.let(c.shuffle(d, 0, 4, 1, 5)), f.let(c.shuffle(d, 2, 6, 3, 7))];
  return [
    f.let(low.shuffle(lowNext, 0, 1, 4, 5)),
    f.let(low.shuffle(lowNext, 2, 3, 6, 7)),
    f.let(high.shuffle(highNext, 0, 1, 4, 5)),
    f.let(high.shuffle(highNext, 2, 3, 6, 7)),
  ];
}
