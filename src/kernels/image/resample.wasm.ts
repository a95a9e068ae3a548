/**
 * Resizing in WebAssembly. The two axes are separate: a task is one row of the result, which is first blended from (or, in
 * the gradient, summed over) whole rows with vectors, into scratch, and then along the row. Where each column reads and with
 * which weight is computed once, in a small first pass, as entries of eight bytes: first neighbour, weight of the second.
 */
import { input, output, scratch, type WasmPass, type WasmVariant } from '../../devices/kernel.ts';
import { F32, type FunctionBuilder, I32, i32, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { type ResizeAxis, type ResizeGradientParams, type ResizeParams, resizeAxis } from './resample.ts';

export { affineImagesWasm } from './affine.wasm.ts';

/** Fewest values worth a second thread. */
const GRAIN_VALUES = 8192;
const ENTRY_BYTES = 8;

interface Axis {
  readonly extent: I32;
  readonly step: I32;
  readonly offset: I32;
  readonly denominator: I32;
}
const axisNumbers = ({ from, step, offset, denominator }: ResizeAxis): number[] => [from, step, offset, denominator];

/** Emits: first neighbour of output position o, and the weight of the second. */
function neighbours(f: FunctionBuilder, o: I32, { step, offset, denominator }: Axis): [first: I32, fraction: F32] {
  const position = f.let(o.mul(step).add(offset));
  f.if(position.lt(0), () => f.set(position, I32.constant(0)));
  const first = f.let(position.divU(denominator));
  const fraction = position.sub(first.mul(denominator)).toF32S().div(denominator.toF32S());
  return [first, f.let(fraction)];
}

const minimum = (a: I32, b: I32): I32 => a.lt(b).select(a, b);

const columnsProgram = wasmProgram('resizeBilinear columns', m => {
  const axis = { extent: i32, step: i32, offset: i32, denominator: i32 };
  m.function('run', { start: i32, end: i32, table: i32, ...axis }, (f, args) => {
    f.for(args.start, args.end, 1, o => {
      const [first, fraction] = neighbours(f, o, args);
      const entry = f.let(args.table.add(o.mul(ENTRY_BYTES)));
      f.store(entry, first);
      f.store(entry, fraction, 4);
    });
  });
});

const columnsPass = (horizontal: ResizeAxis): WasmPass => ({
  program: columnsProgram,
  entry: 'run',
  tasks: horizontal.to,
  args: [scratch(0), ...axisNumbers(horizontal)],
  grain: 4096,
});

const plane = { width: i32, columns: i32, channels: i32 };
const vertical = { height: i32, step: i32, offset: i32, denominator: i32 };

const resizeProgram = wasmProgram('resizeBilinear rows', m => {
  const arrays = { x: i32, y: i32, table: i32, blended: i32, rows: i32 };
  m.function('run', { start: i32, end: i32, ...arrays, ...plane, ...vertical }, (f, args) => {
    const { x, y, table, blended, rows, width, columns, channels, height } = args;
    const axis: Axis = { ...args, extent: height };
    const one = F32.constant(1);
    const values = f.let(width.mul(channels));
    const pixelBytes = f.let(channels.shl(2));
    f.for(args.start, args.end, 1, task => {
      const n = f.let(task.divU(rows));
      const [first, fraction] = neighbours(f, f.let(task.sub(n.mul(rows))), axis);
      const second = minimum(first.add(1), height.sub(1));
      const [top, bottom] = [first, second].map(row => f.let(x.add(n.mul(height).add(row).mul(values).shl(2))));
      const rest = f.let(one.sub(fraction));
      const whole = f.let(values.and(-4).shl(2));
      f.for(0, whole, 16, at => {
        const blend = top.add(at).f32x4().mul(rest.splat()).add(bottom.add(at).f32x4().mul(fraction.splat()));
        f.store(blended.add(at), blend);
      });
      f.for(whole, values.shl(2), 4, at => {
        f.store(blended.add(at), top.add(at).f32().mul(rest).add(bottom.add(at).f32().mul(fraction)));
      });

      const target = f.let(y.add(task.mul(columns).mul(pixelBytes)));
      f.for(0, columns, 1, column => {
        const entry = f.let(table.add(column.mul(ENTRY_BYTES)));
        const left = f.let(blended.add(entry.i32().mul(pixelBytes)));
        const right = f.let(blended.add(minimum(entry.i32().add(1), width.sub(1)).mul(pixelBytes)));
        const rightShare = f.let(entry.f32(4));
        const leftShare = f.let(one.sub(rightShare));
        const vectors = f.let(pixelBytes.and(-16));
        f.for(0, vectors, 16, at => {
          const blend = left.add(at).f32x4().mul(leftShare.splat()).add(right.add(at).f32x4().mul(rightShare.splat()));
          f.store(target.add(at), blend);
        });
        f.for(vectors, pixelBytes, 4, at => {
          f.store(target.add(at), left.add(at).f32().mul(leftShare).add(right.add(at).f32().mul(rightShare)));
        });
        f.advance(target, pixelBytes);
      });
    });
  });
});

export const resizeBilinearWasm: readonly WasmVariant<ResizeParams>[] = [
  {
    name: 'separable',
    applies: () => true,
    plan([{ shape }], { size, alignCorners }) {
      const [batch, height, width, channels] = shape;
      const down = resizeAxis(height, size[0], alignCorners);
      const across = resizeAxis(width, size[1], alignCorners);
      return {
        scratch: [{ bytes: size[1] * ENTRY_BYTES }, { bytes: 4 * width * channels, perThread: true }],
        passes: [
          columnsPass(across),
          {
            program: resizeProgram,
            entry: 'run',
            tasks: batch * size[0],
            args: [
              ...[input(0), output(0), scratch(0), scratch(1)],
              ...[size[0], width, size[1], channels, ...axisNumbers(down)],
            ],
            grain: Math.ceil(GRAIN_VALUES / Math.max(1, size[1] * channels)),
          },
        ],
      };
    },
  },
];

/** Emits: first and one past the last output position, of `count`, that reads input position i. */
function readers(f: FunctionBuilder, i: I32, axis: Axis, count: I32): [first: I32, end: I32] {
  const { extent, step, offset, denominator } = axis;
  const first = f.let(I32.constant(0));
  const end = f.let(count);
  // With a step of 0 all outputs read position 0, and nothing reads the others.
  f.if(
    step.eqz(),
    () => f.if(i, () => f.set(first, count)),
    () => {
      const before = f.let(i.sub(1).mul(denominator).sub(offset));
      f.if(i.gt(0).and(before.ge(0)), () => f.set(first, before.divU(step).add(1)));
      const after = f.let(i.add(1).mul(denominator).sub(offset));
      f.if(i.lt(extent.sub(1)), () => {
        f.set(end, I32.constant(0));
        f.if(after.gt(0), () => f.set(end, after.add(step).sub(1).divU(step)));
        f.set(end, minimum(end, count));
      });
    },
  );
  return [first, end];
}

/** What an output position with these neighbours takes of input position i. */
function weight(f: FunctionBuilder, i: I32, first: I32, fraction: F32, extent: I32): F32 {
  const zero = F32.constant(0);
  const asFirst = first.eq(i).select(F32.constant(1).sub(fraction), zero);
  const asSecond = minimum(first.add(1), extent.sub(1)).eq(i).select(fraction, zero);
  return f.let(asFirst.add(asSecond));
}

/** Emits: target[...] += factor * source[...], `bytes` long. */
function accumulate(f: FunctionBuilder, target: I32, source: I32, factor: F32, bytes: I32): void {
  const vectors = f.let(bytes.and(-16));
  f.for(0, vectors, 16, at => {
    const address = f.let(target.add(at));
    f.store(address, address.f32x4().add(source.add(at).f32x4().mul(factor.splat())));
  });
  f.for(vectors, bytes, 4, at => {
    const address = f.let(target.add(at));
    f.store(address, address.f32().add(source.add(at).f32().mul(factor)));
  });
}

const gradientProgram = wasmProgram('resizeBilinearGradient rows', m => {
  const arrays = { dy: i32, dx: i32, table: i32, sums: i32, rows: i32 };
  const across = { acrossStep: i32, acrossOffset: i32, acrossDenominator: i32 };
  m.function('run', { start: i32, end: i32, ...arrays, ...plane, ...vertical, ...across }, (f, args) => {
    const { dy, dx, table, sums, rows, width, columns, channels, height } = args;
    const down: Axis = { ...args, extent: height };
    const horizontal: Axis = {
      extent: width,
      step: args.acrossStep,
      offset: args.acrossOffset,
      denominator: args.acrossDenominator,
    };
    const pixelBytes = f.let(channels.shl(2));
    const rowBytes = f.let(columns.mul(pixelBytes));
    f.for(args.start, args.end, 1, task => {
      const n = f.let(task.divU(height));
      const row = f.let(task.sub(n.mul(height)));
      const [firstRow, endRow] = readers(f, row, down, rows);
      f.fill(sums, 0, rowBytes);
      f.for(firstRow, endRow, 1, o => {
        const [first, fraction] = neighbours(f, o, down);
        const source = f.let(dy.add(n.mul(rows).add(o).mul(rowBytes)));
        accumulate(f, sums, source, weight(f, row, first, fraction, height), rowBytes);
      });

      const target = f.let(dx.add(task.mul(width).mul(pixelBytes)));
      f.for(0, width, 1, column => {
        const [firstColumn, endColumn] = readers(f, column, horizontal, columns);
        f.fill(target, 0, pixelBytes);
        f.for(firstColumn, endColumn, 1, o => {
          const entry = f.let(table.add(o.mul(ENTRY_BYTES)));
          const factor = weight(f, column, f.let(entry.i32()), f.let(entry.f32(4)), width);
          accumulate(f, target, f.let(sums.add(o.mul(pixelBytes))), factor, pixelBytes);
        });
        f.advance(target, pixelBytes);
      });
    });
  });
});

export const resizeBilinearGradientWasm: readonly WasmVariant<ResizeGradientParams>[] = [
  {
    name: 'separable',
    applies: () => true,
    plan([{ shape }], { inputSize, alignCorners }) {
      const [batch, rows, columns, channels] = shape;
      const [height, width] = inputSize;
      const down = resizeAxis(height, rows, alignCorners);
      const across = resizeAxis(width, columns, alignCorners);
      return {
        scratch: [{ bytes: columns * ENTRY_BYTES }, { bytes: 4 * columns * channels, perThread: true }],
        passes: [
          columnsPass(across),
          {
            program: gradientProgram,
            entry: 'run',
            tasks: batch * height,
            args: [
              ...[input(0), output(0), scratch(0), scratch(1)],
              ...[rows, width, columns, channels, ...axisNumbers(down)],
              ...axisNumbers(across).slice(1),
            ],
            grain: Math.ceil(GRAIN_VALUES / Math.max(1, width * channels)),
          },
        ],
      };
    },
  },
];
