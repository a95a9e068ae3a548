/**
 * In WGSL: a stage of all lines of a grid is one dispatch, an invocation one butterfly. Grids lie in two scratch arrays of
 * complex numbers that take turns. What is zero or not wanted is computed all the same, and both forces come back as real
 * and imaginary part of one transform: simpler, and for real GPUs no matter.
 */
import { input, output, type Slot, scratch, type WgslPass, type WgslVariant } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import { type FourierParams, keptColumns, radicesOf } from './fourier.ts';

const WORKGROUP = 64;
const entry = /* wgsl */ `@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}`;

/** A real grid of `width` columns and rows in the corner of a complex one. */
const load = /* wgsl */ `
struct Sizes { size: u32, width: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> grid: array<vec2f>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

${entry}
  if (i >= sizes.size * sizes.size) { return; }
  let row = i / sizes.size;
  let column = i % sizes.size;
  let isWithin = row < sizes.width && column < sizes.width;
  grid[i] = vec2f(select(0.0, x[min(row, sizes.width - 1u) * sizes.width + min(column, sizes.width - 1u)], isWithin), 0.0);
}`;

/** One stage of every line; see line.wasm.ts. */
const stage = /* wgsl */ `
struct Stage { size: u32, radix: u32, parts: u32, together: u32, isColumn: u32, isInverse: u32 }
@group(0) @binding(0) var<storage, read_write> grid: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> output: array<vec2f>;
@group(0) @binding(2) var<storage, read> twiddles: array<vec2f>;
@group(0) @binding(3) var<uniform> stage: Stage;

fn times(a: vec2f, b: vec2f) -> vec2f { return vec2f(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }
/** -i a, or i a on the way back. */
fn turned(a: vec2f) -> vec2f { return select(vec2f(a.y, -a.x), vec2f(-a.y, a.x), stage.isInverse != 0u); }
fn twiddle(k: u32) -> vec2f {
  let w = twiddles[k];
  return vec2f(w.x, select(w.y, -w.y, stage.isInverse != 0u));
}

${entry}
  let butterflies = stage.size / stage.radix;
  if (i >= butterflies * stage.size) { return; }
  // Neighbouring invocations read neighbouring numbers.
  let line = select(i / butterflies, i % stage.size, stage.isColumn != 0u);
  let butterfly = select(i % butterflies, i / stage.size, stage.isColumn != 0u);
  let first = select(line * stage.size, line, stage.isColumn != 0u);
  let step = select(1u, stage.size, stage.isColumn != 0u);
  let p = butterfly / stage.together;
  let q = butterfly % stage.together;
  let start = first + step * (q + stage.together * p);
  let apart = step * stage.together * stage.parts;
  let to = first + step * (q + stage.together * stage.radix * p);
  let beside = step * stage.together;
  let turn = p * stage.together;
  let a = grid[start];
  let b = grid[start + apart];
  if (stage.radix == 2u) {
    output[to] = a + b;
    output[to + beside] = times(a - b, twiddle(turn));
    return;
  }
  let c = grid[start + 2u * apart];
  if (stage.radix == 3u) {
    let middle = a - 0.5 * (b + c);
    let side = ${Math.sqrt(3) / 2} * turned(b - c);
    output[to] = a + b + c;
    output[to + beside] = times(middle + side, twiddle(turn));
    output[to + 2u * beside] = times(middle - side, twiddle(2u * turn));
    return;
  }
  let d = grid[start + 3u * apart];
  let side = turned(b - d);
  output[to] = (a + c) + (b + d);
  output[to + beside] = times((a - c) + side, twiddle(turn));
  output[to + 2u * beside] = times((a + c) - (b + d), twiddle(2u * turn));
  output[to + 3u * beside] = times((a - c) - side, twiddle(3u * turn));
}`;

/** The kept columns, real and imaginary parts apart. */
const split = /* wgsl */ `
struct Sizes { size: u32, kept: u32 }
@group(0) @binding(0) var<storage, read_write> grid: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> planes: array<f32>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

${entry}
  let count = sizes.size * sizes.kept;
  if (i >= count) { return; }
  let value = grid[i / sizes.kept * sizes.size + i % sizes.kept];
  planes[i] = value.x;
  planes[i + count] = value.y;
}`;

const multiply = /* wgsl */ `
struct Sizes { size: u32, kept: u32 }
@group(0) @binding(0) var<storage, read_write> charges: array<vec2f>;
@group(0) @binding(1) var<storage, read> spectra: array<f32>;
@group(0) @binding(2) var<storage, read_write> forces: array<vec2f>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

${entry}
  if (i >= sizes.size * sizes.size) { return; }
  let row = i / sizes.size;
  let column = i % sizes.size;
  let nodes = sizes.size / 2u;
  // The frequency of the opposite sign stands for those that are not kept.
  let at = min(row, sizes.size - row) * sizes.kept + min(column, sizes.size - column);
  let plane = (nodes + 1u) * sizes.kept;
  let along = select(-1.0, 1.0, column <= nodes) * spectra[plane + at];
  let across = select(-1.0, 1.0, row <= nodes) * spectra[2u * plane + at];
  let c = charges[i];
  // i X C + i (i Y C)
  forces[i] = along * vec2f(-c.y, c.x) - across * c;
}`;

const energies = /* wgsl */ `
struct Sizes { size: u32, kept: u32 }
@group(0) @binding(0) var<storage, read_write> charges: array<vec2f>;
@group(0) @binding(1) var<storage, read> spectra: array<f32>;
@group(0) @binding(2) var<storage, read_write> energies: array<f32>;
@group(0) @binding(3) var<uniform> sizes: Sizes;

${entry}
  if (i >= sizes.kept) { return; }
  var sum = 0.0;
  for (var row = 0u; row < sizes.size; row++) {
    let c = charges[row * sizes.size + i];
    sum += spectra[min(row, sizes.size - row) * sizes.kept + i] * dot(c, c);
  }
  energies[i] = sum;
}`;

const crop = /* wgsl */ `
struct Sizes { size: u32 }
@group(0) @binding(0) var<storage, read_write> grid: array<vec2f>;
@group(0) @binding(1) var<storage, read_write> forces: array<vec2f>;
@group(0) @binding(2) var<uniform> sizes: Sizes;

${entry}
  let nodes = sizes.size / 2u;
  if (i >= nodes * nodes) { return; }
  forces[i] = grid[i / nodes * sizes.size + i % nodes];
}`;

/** Passes over two grids that take turns. */
class GridPasses {
  readonly passes: WgslPass[] = [];
  readonly #size: number;
  readonly #twiddles: Slot;
  readonly #most: number;
  #current = 0;

  constructor(size: number, twiddles: Slot, most: number) {
    this.#size = size;
    this.#twiddles = twiddles;
    this.#most = most;
  }

  get grid(): Slot {
    return scratch(this.#current);
  }

  add(source: string, bindings: readonly Slot[], words: readonly number[], invocations: number): void {
    const workgroups = linearGrid(invocations, WORKGROUP, this.#most);
    this.passes.push({ source, bindings, uniforms: uniforms(words), workgroups });
  }

  /** The other grid, which becomes the current one. */
  turn(): Slot {
    this.#current = 1 - this.#current;
    return this.grid;
  }

  transform(isColumn: boolean, isInverse: boolean): void {
    const size = this.#size;
    let shared = 1;
    for (const radix of radicesOf(size)) {
      const words = [size, radix, size / radix / shared, shared, Number(isColumn), Number(isInverse)];
      const from = this.grid;
      this.add(stage, [from, this.turn(), this.#twiddles], words, (size / radix) * size);
      shared *= radix;
    }
  }
}

const gridsOf = (size: number) => {
  const spec = { shape: [2 * size * size], dtype: 'float32' } as const;
  return [spec, spec];
};

export const realFourier2dWgsl: readonly WgslVariant<FourierParams>[] = [
  {
    name: 'stages',
    applies: () => true,
    plan([{ shape }], _, { maxComputeWorkgroupsPerDimension }) {
      const [size] = shape;
      const work = new GridPasses(size, input(1), maxComputeWorkgroupsPerDimension);
      work.add(load, [input(0), work.grid], [size, size], size * size);
      for (const isColumn of [false, true]) work.transform(isColumn, false);
      const kept = keptColumns(size);
      work.add(split, [work.grid, output(0)], [size, kept], size * kept);
      return { passes: work.passes, scratch: gridsOf(size) };
    },
  },
];

export const gridForcesWgsl: readonly WgslVariant<FourierParams>[] = [
  {
    name: 'stages',
    applies: () => true,
    plan([{ shape }], _, { maxComputeWorkgroupsPerDimension }) {
      const [nodes] = shape;
      const size = 2 * nodes;
      const kept = keptColumns(size);
      const work = new GridPasses(size, input(2), maxComputeWorkgroupsPerDimension);
      work.add(load, [input(0), work.grid], [size, nodes], size * size);
      for (const isColumn of [false, true]) work.transform(isColumn, false);
      work.add(energies, [work.grid, input(1), output(1)], [size, kept], kept);
      const transform = work.grid;
      work.add(multiply, [transform, input(1), work.turn()], [size, kept], size * size);
      for (const isColumn of [true, false]) work.transform(isColumn, true);
      work.add(crop, [work.grid, output(0)], [size], nodes * nodes);
      return { passes: work.passes, scratch: gridsOf(size) };
    },
  },
];
