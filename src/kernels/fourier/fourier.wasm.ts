/**
 * In WebAssembly: grids by rows and by columns, four lines at a time (`line.wasm.ts`), each task in scratch memory of its
 * thread, so that the grid itself is read and written once per pass.
 *
 * Rows are real: eight at a time make four complex lines, whose transforms Z fall apart by symmetry into
 * (Z[k] + conj Z[-k]) / 2 and (Z[k] - conj Z[-k]) / 2i. The force along either axis is real too, so of its transform the kept
 * columns are enough; the two meet as real and imaginary part in the last pass. Between its transforms forth and back, a
 * column never leaves the scratch memory.
 */
import { input, output, type Slot, scratch, type WasmVariant } from '../../devices/kernel.ts';
import {
  type FunctionBuilder,
  type I32,
  i32,
  type ModuleBuilder,
  splat,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { type FourierParams, keptColumns } from './fourier.ts';
import { ELEMENT, transformLines, transposeFour } from './line.wasm.ts';

/** What the functions of a program are made for. */
interface Form {
  /** Elements of a line, zeros included. */
  readonly size: number;
  /** Elements of a row that is read. */
  readonly width: number;
  readonly relaxed: boolean;
}

/** Bytes of scratch memory for four lines; one more element stands for the first after the last. */
const lineBytes = (size: number): number => ELEMENT * (size + 1);

/** Tasks: eight rows [.., width]. Leaves the kept columns in two planes, of real and of imaginary parts. */
function realRows(module: ModuleBuilder, { size, width, relaxed }: Form): void {
  const kept = 4 * keptColumns(size);
  module.function(
    'realRows',
    { start: i32, end: i32, x: i32, planes: i32, planeBytes: i32, twiddles: i32, lines: i32 },
    (f, { start, end, x, planes, planeBytes, twiddles, lines }) => {
      f.for(start, end, 1, task => {
        const row = f.let(x.add(task.mul(8 * 4 * width)));
        const to = f.let(lines);
        f.repeat(width / 4, () => {
          for (const half of [0, 1]) {
            const four = Array.from({ length: 4 }, (_, i) => f.let(row.f32x4((4 * half + i) * 4 * width)));
            transposeFour(f, four).forEach((vector, i) => {
              f.store(to, vector, ELEMENT * i + 16 * half);
            });
          }
          f.advance(row, 16);
          f.advance(to, 4 * ELEMENT);
        });
        const other = f.let(lines.add(lineBytes(size)));
        const halfInput = width < size;
        const result = f.let(transformLines(f, lines, other, twiddles, { size, relaxed, halfInput }));
        f.store(result, result.f32x4(), ELEMENT * size);
        f.store(result, result.f32x4(16), ELEMENT * size + 16);

        const out = f.let(planes.add(task.mul(8 * kept)));
        const up = f.let(result);
        const down = f.let(result.add(ELEMENT * size));
        f.repeat(keptColumns(size) / 4, () => {
          const halves = Array.from({ length: 4 }, (_, i) => {
            const [re, im] = [f.let(up.f32x4(ELEMENT * i).mul(0.5)), f.let(up.f32x4(ELEMENT * i + 16).mul(0.5))];
            // Before, not after: offsets are not negative.
            const opposite = f.let(down.sub(ELEMENT * i));
            const [otherRe, otherIm] = [f.let(opposite.f32x4().mul(0.5)), f.let(opposite.f32x4(16).mul(0.5))];
            return [re.add(otherRe), im.sub(otherIm), im.add(otherIm), otherRe.sub(re)].map(part => f.let(part));
          });
          for (const half of [0, 1]) {
            for (const part of [0, 1]) {
              const at = part === 0 ? out : f.let(out.add(planeBytes));
              transposeFour(
                f,
                halves.map(four => four[2 * half + part]),
              ).forEach((vector, i) => {
                f.store(at, vector, (4 * half + i) * kept);
              });
            }
          }
          f.advance(out, 16);
          f.advance(up, 4 * ELEMENT);
          f.advance(down, -4 * ELEMENT);
        });
      });
    },
  );
}

/** Reads `count` elements of four columns from two planes into lines, or writes them. */
function columns(
  f: FunctionBuilder,
  [planes, planeBytes]: readonly [I32, I32],
  task: I32,
  lines: I32,
  { size, count, write }: { readonly size: number; readonly count: number; readonly write: boolean },
): void {
  const re = f.let(planes.add(task.shl(4)));
  const im = f.let(re.add(planeBytes));
  const line = f.let(lines);
  f.repeat(count, () => {
    if (write) {
      f.store(re, line.f32x4());
      f.store(im, line.f32x4(16));
    } else {
      f.store(line, re.f32x4());
      f.store(line, im.f32x4(), 16);
    }
    f.advance(re, 4 * keptColumns(size));
    f.advance(im, 4 * keptColumns(size));
    f.advance(line, ELEMENT);
  });
}

/** Tasks: four columns. */
function forwardColumns(module: ModuleBuilder, { size, relaxed }: Form): void {
  module.function(
    'forwardColumns',
    { start: i32, end: i32, planes: i32, planeBytes: i32, out: i32, twiddles: i32, lines: i32 },
    (f, { start, end, planes, planeBytes, out, twiddles, lines }) => {
      f.for(start, end, 1, task => {
        columns(f, [planes, planeBytes], task, lines, { size, count: size, write: false });
        const other = f.let(lines.add(lineBytes(size)));
        const result = transformLines(f, lines, other, twiddles, { size, relaxed });
        columns(f, [out, planeBytes], task, result, { size, count: size, write: true });
      });
    },
  );
}

/** Tasks: four columns forth, times the spectra, and back. */
function forceColumns(module: ModuleBuilder, { size, relaxed }: Form): void {
  const nodes = size / 2;
  const kept = 4 * keptColumns(size);
  const spectrumBytes = (nodes + 1) * kept;
  module.function(
    'forceColumns',
    {
      ...{ start: i32, end: i32, planes: i32, planeBytes: i32, spectra: i32, along: i32, across: i32, energies: i32 },
      ...{ twiddles: i32, lines: i32 },
    },
    (f, { start, end, planes, planeBytes, spectra, along, across, energies, twiddles, lines }) => {
      f.for(start, end, 1, task => {
        columns(f, [planes, planeBytes], task, lines, { size, count: nodes, write: false });
        const buffers = Array.from({ length: 3 }, (_, i) => f.let(lines.add((i + 1) * lineBytes(size))));
        const transform = transformLines(f, lines, buffers[0], twiddles, { size, relaxed, halfInput: true });
        const [free, x, y] =
          transform === lines ? [buffers[0], buffers[1], buffers[2]] : [lines, buffers[1], buffers[2]];

        const energy = f.let(splat(0));
        const at = { c: f.let(transform), x: f.let(x), y: f.let(y), spectra: f.let(spectra.add(task.shl(4))) };
        /** One frequency; those that are the opposite of kept ones take those, from the last but one back. */
        const multiply = (isOpposite: boolean): void => {
          const [re, im] = [f.let(at.c.f32x4()), f.let(at.c.f32x4(16))];
          const [spectrumX, given] = [1, 2].map(i => f.let(at.spectra.f32x4(i * spectrumBytes)));
          const spectrumY = isOpposite ? f.let(given.neg()) : given;
          const square = re.mul(re).add(im.mul(im));
          f.set(energy, energy.add(at.spectra.f32x4().mul(square)));
          for (const [to, spectrum] of [
            [at.x, spectrumX],
            [at.y, spectrumY],
          ] as const) {
            f.store(to, spectrum.mul(im).neg());
            f.store(to, spectrum.mul(re), 16);
            f.advance(to, ELEMENT);
          }
          f.advance(at.c, ELEMENT);
          f.advance(at.spectra, isOpposite ? -kept : kept);
        };
        f.repeat(nodes + 1, () => multiply(false));
        f.advance(at.spectra, -2 * kept);
        f.repeat(nodes - 1, () => multiply(true));
        f.store(energies.add(task.shl(4)), energy);

        for (const [from, to] of [
          [x, along],
          [y, across],
        ] as const) {
          // The transform is not needed any more.
          const result = transformLines(f, from, from === x ? free : transform, twiddles, {
            ...{ size, relaxed, inverse: true, halfOutput: true },
          });
          columns(f, [to, planeBytes], task, result, { size, count: nodes, write: true });
        }
      });
    },
  );
}

/** Tasks: four rows of both forces, back. */
function forceRows(module: ModuleBuilder, { size, relaxed }: Form): void {
  const nodes = size / 2;
  const kept = 4 * keptColumns(size);
  module.function(
    'forceRows',
    { start: i32, end: i32, along: i32, across: i32, planeBytes: i32, forces: i32, twiddles: i32, lines: i32 },
    (f, { start, end, along, across, planeBytes, forces, twiddles, lines }) => {
      f.for(start, end, 1, task => {
        const planes = [along, across].flatMap(plane => {
          const re = f.let(plane.add(task.mul(4 * kept)));
          return [re, f.let(re.add(planeBytes))];
        });
        const up = f.let(lines);
        const down = f.let(lines.add(ELEMENT * size));
        // With H = X + i Y, frequency after frequency and, by the symmetry of X and Y, that of the opposite sign.
        f.repeat(nodes / 4, () => {
          const [xRe, xIm, yRe, yIm] = planes.map(plane =>
            transposeFour(
              f,
              Array.from({ length: 4 }, (_, i) => f.let(plane.f32x4(i * kept))),
            ),
          );
          for (let i = 0; i < 4; i++) {
            f.store(up, xRe[i].sub(yIm[i]), ELEMENT * i);
            f.store(up, xIm[i].add(yRe[i]), ELEMENT * i + 16);
            const opposite = f.let(down.sub(ELEMENT * i));
            f.store(opposite, xRe[i].add(yIm[i]));
            f.store(opposite, yRe[i].sub(xIm[i]), 16);
          }
          for (const plane of planes) f.advance(plane, 16);
          f.advance(up, 4 * ELEMENT);
          f.advance(down, -4 * ELEMENT);
        });
        const [xRe, xIm, yRe, yIm] = planes.map(
          plane =>
            transposeFour(
              f,
              Array.from({ length: 4 }, (_, i) => f.let(plane.f32x4(i * kept))),
            )[0],
        );
        f.store(up, xRe.sub(yIm));
        f.store(up, xIm.add(yRe), 16);

        const other = f.let(lines.add(lineBytes(size)));
        const result = f.let(
          transformLines(f, lines, other, twiddles, { size, relaxed, inverse: true, halfOutput: true }),
        );
        const to = f.let(forces.add(task.mul(4 * 8 * nodes)));
        f.repeat(nodes / 2, () => {
          const four = [0, 16, ELEMENT, ELEMENT + 16].map(offset => f.let(result.f32x4(offset)));
          transposeFour(f, four).forEach((vector, i) => {
            f.store(to, vector, i * 8 * nodes);
          });
          f.advance(result, 2 * ELEMENT);
          f.advance(to, 16);
        });
      });
    },
  );
}

const keyOf = (what: string, { size, relaxed }: Form): string => `${what} ${size}${relaxed ? ' relaxed' : ''}`;

const realFourierProgram = (form: Form): WasmProgram =>
  wasmProgram(keyOf('realFourier2d', form), module => {
    realRows(module, form);
    forwardColumns(module, form);
  });

const gridForcesProgram = (form: Form): WasmProgram =>
  wasmProgram(keyOf('gridForces', form), module => {
    realRows(module, form);
    forceColumns(module, form);
    forceRows(module, form);
  });

export const realFourier2dWasm: readonly WasmVariant<FourierParams>[] = [
  {
    name: 'lines',
    applies: () => true,
    plan([{ shape }], _, { relaxedSimd: relaxed }) {
      const [size] = shape;
      const program = realFourierProgram({ size, width: size, relaxed });
      const planeBytes = 4 * size * keptColumns(size);
      const [planes, lines] = [scratch(0), scratch(1)];
      const tasks = keptColumns(size) / 4;
      return {
        passes: [
          { program, entry: 'realRows', tasks: size / 8, args: [input(0), planes, planeBytes, input(1), lines] },
          { program, entry: 'forwardColumns', tasks, args: [planes, planeBytes, output(0), input(1), lines] },
        ],
        scratch: [{ bytes: 2 * planeBytes }, { bytes: 2 * lineBytes(size), perThread: true }],
      };
    },
  },
];

export const gridForcesWasm: readonly WasmVariant<FourierParams>[] = [
  {
    name: 'lines',
    applies: () => true,
    plan([{ shape }], _, { relaxedSimd: relaxed }) {
      const [nodes] = shape;
      const size = 2 * nodes;
      const program = gridForcesProgram({ size, width: nodes, relaxed });
      const planeBytes = 4 * nodes * keptColumns(size);
      const [planes, along, across, lines] = [0, 1, 2, 3].map(scratch);
      const [charges, spectra, twiddles] = [0, 1, 2].map(input);
      const [forces, energies] = [0, 1].map(output);
      const pass = (entry: string, tasks: number, args: readonly (Slot | number)[]) => ({
        ...{ program, entry, tasks },
        args: [...args, twiddles, lines],
      });
      return {
        passes: [
          pass('realRows', nodes / 8, [charges, planes, planeBytes]),
          pass('forceColumns', keptColumns(size) / 4, [planes, planeBytes, spectra, along, across, energies]),
          pass('forceRows', nodes / 4, [along, across, planeBytes, forces]),
        ],
        scratch: [
          ...Array.from({ length: 3 }, () => ({ bytes: 2 * planeBytes })),
          { bytes: 4 * lineBytes(size), perThread: true },
        ],
      };
    },
  },
];
