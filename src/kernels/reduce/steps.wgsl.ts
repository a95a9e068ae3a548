/**
 * One reduction step in WGSL, [outer, extent, inner] -> [outer, chunks, inner], in two forms. `tree`: a workgroup takes one
 * chunk and up to 64 neighbouring columns; its invocations walk down the rows side by side, so that they read memory in
 * order, and meet in a tree in workgroup memory. `serial`: an invocation takes one chunk of one column, which suits short
 * extents everywhere, and software adapters, where workgroup memory and barriers are slow. Where sizes allow, a column
 * is a vector of four.
 */
import type { Slot, WebGpuAdapterInfo, WgslPass } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import { libraryFor } from '../elementwise/math.wgsl.ts';

type Scalar = 'f32' | 'i32' | 'u32';

/** How elements combine. Texts are over the aliases T (accumulated) and X (read), scalars or vectors of four. */
export interface WgslFold {
  readonly type: 'f32' | 'i32';
  readonly readType: Scalar;
  /** From the element `x`. */
  readonly load: string;
  /** From `a` and `b`. */
  readonly combine: string;
  /** Bits of what changes nothing. */
  readonly identity: number;
  /** What is written is divided by this. */
  readonly divisor: number;
}

/** One pass over [outer, extent, units * width]; `horizontal`: the four lanes of a unit belong to one output. */
export interface StepShape {
  readonly outer: number;
  readonly extent: number;
  readonly units: number;
  readonly width: 1 | 4;
  readonly horizontal: boolean;
  readonly chunk: number;
  readonly form: StepForm;
}

export type StepForm = 'tree' | 'serial';

const WORKGROUP = 256;
/** Rows per invocation of a cut extent, and at most where outputs alone make enough workgroups. */
const ROWS = 16;
const MOST_ROWS = 64;
/** Extents up to this are left to one invocation per output. */
const SHORT = 32;
/** Rows in a serial chunk. */
const SERIAL_ROWS = 64;

const columnsOf = (units: number): number => Math.min(64, 2 ** Math.ceil(Math.log2(Math.max(1, units))));

/** How a step is cut for one pass. Chains of additions stay short: 64 or fewer, then the tree or the next pass. */
export function stepShape(outer: number, extent: number, inner: number, form: StepForm): StepShape {
  const horizontal = inner === 1 && extent % 4 === 0 && extent >= 4;
  const width = horizontal || (inner > 1 && inner % 4 === 0) ? 4 : 1;
  const units = horizontal ? 1 : inner / width;
  const rows = horizontal ? extent / 4 : extent;
  const shape = { outer, extent: rows, units, width, horizontal } as const;
  if (form === 'serial' || rows <= SHORT) return { ...shape, chunk: SERIAL_ROWS, form: 'serial' };
  const columns = columnsOf(units);
  const rowLanes = WORKGROUP / columns;
  const enoughGroups = outer * Math.ceil(units / columns) >= 64;
  return { ...shape, chunk: rowLanes * (enoughGroups ? MOST_ROWS : ROWS), form };
}

export const chunksOf = ({ extent, chunk }: StepShape): number => Math.max(1, Math.ceil(extent / chunk));

const VECTOR: Record<Scalar, string> = { f32: 'vec4f', i32: 'vec4i', u32: 'vec4u' };

function prelude(fold: WgslFold, { width, horizontal }: StepShape): string {
  const typed = (scalar: Scalar, wide: boolean): string => (wide ? VECTOR[scalar] : scalar);
  const wide = width === 4;
  const divided = fold.divisor === 1 ? 'value' : 'value / params.divisor';
  const result = horizontal ? fold.type : typed(fold.type, wide);
  return /* wgsl */ `alias T = ${typed(fold.type, wide)};
alias U = ${typed('u32', wide)};
alias I = ${typed('i32', wide)};
alias B = ${wide ? 'vec4<bool>' : 'bool'};
alias X = ${typed(fold.readType, wide)};
struct Params {
  extent: u32, units: u32, chunk: u32, chunks: u32, tiles: u32, count: u32, identity: ${fold.type}, divisor: ${fold.type},
}
@group(0) @binding(0) var<storage, read> source: array<X>;
@group(0) @binding(1) var<storage, read_write> result: array<${result}>;
@group(0) @binding(2) var<uniform> params: Params;

${libraryFor(fold.combine, fold.type)}
fn combine(a: T, b: T) -> T { return ${fold.combine}; }
fn load(i: u32) -> T { let x = source[i]; return ${fold.load}; }
fn finish(value: ${result}) -> ${result} { return ${divided}; }
fn store(i: u32, value: T) {
  ${
    horizontal
      ? 'let pairs = combine(value, value.zwxy); result[i] = finish(combine(pairs, pairs.yxwz).x);'
      : 'result[i] = finish(value);'
  }
}
`;
}

/** An invocation per chunk of a column. */
function serialSource(fold: WgslFold, shape: StepShape): string {
  return /* wgsl */ `${prelude(fold, shape)}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}
  if (i >= params.count) { return; }
  let part = i / params.units;
  let first = (part % params.chunks) * params.chunk;
  let past = min(first + params.chunk, params.extent);
  let base = (part / params.chunks) * params.extent;
  var total = T(params.identity);
  for (var row = first; row < past; row++) {
    total = combine(total, load((base + row) * params.units + i % params.units));
  }
  store(i, total);
}
`;
}

/** A workgroup per chunk and tile of columns. */
function treeSource(fold: WgslFold, shape: StepShape): string {
  const columns = columnsOf(shape.units);
  const halves: string[] = [];
  for (let half = WORKGROUP / 2; half >= columns; half /= 2) {
    halves.push(/* wgsl */ `workgroupBarrier();
  if (lane < ${half}u) { partials[lane] = combine(partials[lane], partials[lane + ${half}u]); }`);
  }
  return /* wgsl */ `${prelude(fold, shape)}
var<workgroup> partials: array<T, ${WORKGROUP}>;

@compute @workgroup_size(${WORKGROUP})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.x + group.y * groups.x;
  if (index >= params.count) { return; }
  let tile = index % params.tiles;
  let part = index / params.tiles;
  let column = tile * ${columns}u + lane % ${columns}u;
  let first = (part % params.chunks) * params.chunk;
  let past = min(first + params.chunk, params.extent);
  let base = (part / params.chunks) * params.extent;
  var total = T(params.identity);
  if (column < params.units) {
    for (var row = first + lane / ${columns}u; row < past; row += ${WORKGROUP / columns}u) {
      total = combine(total, load((base + row) * params.units + column));
    }
  }
  partials[lane] = total;
  ${halves.join('\n  ')}
  if (lane < ${columns}u && column < params.units) { store(part * params.units + column, partials[lane]); }
}
`;
}

/** One pass over a step. */
export function stepPass(fold: WgslFold, shape: StepShape, from: Slot, to: Slot, adapter: WebGpuAdapterInfo): WgslPass {
  const { outer, extent, units, chunk } = shape;
  const chunks = chunksOf(shape);
  const isSerial = shape.form === 'serial';
  const tiles = Math.ceil(units / columnsOf(units));
  const count = outer * chunks * (isSerial ? units : tiles);
  const divisor = fold.type === 'f32' ? f32Bits(fold.divisor) : fold.divisor;
  return {
    source: isSerial ? serialSource(fold, shape) : treeSource(fold, shape),
    bindings: [from, to],
    uniforms: uniforms([extent, units, chunk, chunks, tiles, count, fold.identity, divisor]),
    workgroups: linearGrid(count, isSerial ? WORKGROUP : 1, adapter.maxComputeWorkgroupsPerDimension),
  };
}
