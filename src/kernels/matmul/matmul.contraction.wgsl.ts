/**
 * What matrix products and convolutions have in common on a GPU. A *contraction* is a set of matrices
 *
 *     C[row, column] = sum over segments s and positions k of A[row, s, k] * B[s, k, column]
 *
 * For a matrix product there is one segment, the inner axis; for a convolution the segments are the taps of the filter (or,
 * in the weight gradient, the rows of the images) and no im2col matrix is ever written: the operands are addressed where
 * they lie. A family says in WGSL how its operands are addressed; a tile strategy (registers, workgroup memory) says how
 * the work is laid out; this file joins the two into a plan, and splits long sums over few outputs into parts that a
 * second pass adds in a fixed order.
 *
 * The WGSL of the operands declares bindings and, besides `struct Sizes` (see `sizesStruct`), these names:
 *
 *     Row                     what is worth remembering of one row of A, found once per tile (a struct or an alias)
 *     Span                    where that row stands in one segment
 *     rowAt(matrix, row) -> Row                 rows past the end may give any valid row
 *     spanAt(row: Row, segment) -> Span
 *     loadA(span: Span, k) -> f32 | vec4f       one element; four along k; or four rows at one k (Contraction.loadA)
 *     startB(matrix, segment, column4) -> u32   four columns starting at 4 * column4
 *     loadB(start, k, column4) -> vec4f | mat4x4f   these columns at k; or at k .. k + 3, one column of the matrix for each
 *     lengthOf(segment) -> u32                  number of positions k
 *     startValue(matrix, column4) -> vec4f              what the sum starts with: zeros or the bias
 *     store(part, matrix, row, column4, value: vec4f)   ignores rows and columns past the end
 */
import { type Slot, type Spec, scratch, type WgslPass, type WgslPlan } from '../../devices/kernel.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import { pairSums } from '../pairs.wgsl.ts';
import type { FusedActivation } from './matmul.ts';

export interface Contraction {
  readonly matrices: number;
  readonly rows: number;
  readonly columns: number;
  /** Terms of every sum, all segments together. */
  readonly terms: number;
  /** Cuts the sum: how many segments, and how long, when it is wanted in `parts` parts. */
  segments(parts: number): { count: number; length: number };
  readonly loadA: 'element' | 'alongK' | 'alongRows';
  readonly loadB: 'columns' | 'alongK';
  /** The WGSL described above. When `partial`, sums start at zero; `finished` leaves them without activation. */
  operands(partial: boolean): string;
  /** Some segments contribute nothing to some matrices: WGSL also declares `skips(matrix, segment) -> bool`. */
  readonly skipsSegments?: boolean;
  /** Members of Sizes after the common ones, in order. */
  readonly sizes: readonly (readonly [name: string, value: number])[];
  readonly inputs: readonly Slot[];
  readonly output: Slot;
  readonly outputLength: number;
  /** Bias that the second pass adds, as a slot; element of it = output index % columns of the bias. */
  readonly bias?: { readonly slot: Slot; readonly length: number };
  readonly activation: FusedActivation;
  /** Passes that prepare scratch arrays which `inputs` names (transposed copies), and their specs. */
  readonly before?: { readonly passes: readonly WgslPass[]; readonly scratch: readonly Spec[] };
}

/** A layout of work: how large tiles are, and the WGSL for given operands. */
export interface TileStrategy {
  readonly rows: number;
  readonly columns: number;
  /** Tiles computed by one workgroup. */
  readonly tilesPerWorkgroup: number;
  /** As many workgroups as keep the device busy; fewer tiles are split along the sum. */
  readonly wantedWorkgroups: number;
  /** Parts of a split sum are pairs: behind the sums of all parts lie their errors. */
  readonly compensated?: boolean;
  source(contraction: Contraction, operands: string): string;
}

/** Terms below which a part of a split sum is not worth a workgroup of its own. */
const LEAST_TERMS_PER_PART = 128;

/**
 * A chain of additions loses digits with its length, and the weight gradients of a convolution sum over every pixel of a
 * batch: where outputs are few, so that parts cost little memory, no part is longer than this.
 */
const MOST_TERMS_PER_PART = 1024;
const FEW_OUTPUTS = 1 << 17;

const COMMON_SIZES = [
  'rows',
  'columns',
  'columnVectors',
  'matrices',
  'parts',
  'segments',
  'segmentsPerPart',
  'segmentLength',
  'rowTiles',
  'columnTiles',
  'outputLength',
  'relu',
] as const;

/** ReLU by bit patterns: `max(NaN, 0)` may be 0, and a NaN must stay one to be noticed. */
const RELU = /* wgsl */ `fn relu(value: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(value);
  let negative = (bits > vec4u(0x80000000u)) & (bits <= vec4u(0xff800000u));
  return select(value, vec4f(), negative);
}`;

/** `struct Sizes` with the common members and the family's own, bound at `binding`, and the function `finished`. */
export function sizesStruct(own: Contraction['sizes'], binding: number): string {
  const members = [...COMMON_SIZES, ...own.map(([name]) => name)];
  return /* wgsl */ `struct Sizes {
${members.map(name => `  ${name}: u32,`).join('\n')}
}
@group(0) @binding(${binding}) var<uniform> sizes: Sizes;

${RELU}

// The activation, which is told by the uniform block so that it needs no pipeline of its own.
fn finished(value: vec4f) -> vec4f {
  return select(value, relu(value), sizes.relu != 0u);
}`;
}

export function planContraction(contraction: Contraction, strategy: TileStrategy): WgslPlan {
  const { matrices, rows, columns, outputLength, before, bias, activation } = contraction;
  const rowTiles = Math.ceil(rows / strategy.rows);
  const columnTiles = Math.ceil(columns / strategy.columns);
  const tiles = matrices * rowTiles * columnTiles;
  const cut = cutSum(contraction, tiles / strategy.tilesPerWorkgroup, strategy.wantedWorkgroups);
  const partial = cut.parts > 1;
  const common: Record<(typeof COMMON_SIZES)[number], number> = {
    rows,
    columns,
    columnVectors: Math.ceil(columns / 4),
    matrices,
    parts: cut.parts,
    segments: cut.segments,
    segmentsPerPart: cut.segmentsPerPart,
    segmentLength: cut.segmentLength,
    rowTiles,
    columnTiles,
    outputLength,
    relu: activation === 'relu' && !partial ? 1 : 0,
  };
  const prepared = before?.scratch.length ?? 0;
  const inputs = partial || !bias ? contraction.inputs : [...contraction.inputs, bias.slot];
  const main: WgslPass = {
    source: compact(strategy.source(contraction, contraction.operands(partial))),
    bindings: [...inputs, partial ? scratch(prepared) : contraction.output],
    uniforms: uniforms([...COMMON_SIZES.map(name => common[name]), ...contraction.sizes.map(([, value]) => value)]),
    workgroups: linearGrid(tiles * cut.parts, strategy.tilesPerWorkgroup),
  };
  const passes = [...(before?.passes ?? []), main];
  const arrays = [...(before?.scratch ?? [])];
  if (partial) {
    const compensated = strategy.compensated ?? false;
    arrays.push({ shape: [compensated ? 2 * cut.parts : cut.parts, outputLength], dtype: 'float32' });
    passes.push(sumParts(contraction, scratch(prepared), cut.parts, compensated));
  }
  return { passes, scratch: arrays };
}

/** `count` lines of WGSL, indented. */
export function lines(count: number, indent: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => `${' '.repeat(indent)}${line(index)}`).join('\n');
}

/** Leaves one empty line where a template's optional pieces left several. */
function compact(source: string): string {
  return source.replace(/\n(\s*\n)+/g, '\n\n');
}

/** Cuts the sum into parts when there are too few tiles to keep the device busy. Depends on shapes alone. */
function cutSum(contraction: Contraction, workgroups: number, wanted: number) {
  const most = Math.floor(contraction.terms / LEAST_TERMS_PER_PART);
  const forWork = workgroups * 2 > wanted ? 1 : Math.max(1, Math.min(most, Math.ceil(wanted / workgroups)));
  const forDigits = contraction.outputLength <= FEW_OUTPUTS ? Math.ceil(contraction.terms / MOST_TERMS_PER_PART) : 1;
  const ideal = Math.max(forWork, forDigits);
  const { count, length } = contraction.segments(ideal);
  const segmentsPerPart = Math.max(1, Math.ceil(count / ideal));
  const parts = Math.max(1, Math.ceil(count / segmentsPerPart));
  return { parts, segments: count, segmentsPerPart, segmentLength: length };
}

const SUM_WORKGROUP = 64;

/** The second pass of a split sum: adds the parts of every output in order, then bias and activation. */
function sumParts(
  { output, outputLength, bias, activation }: Contraction,
  partials: Slot,
  parts: number,
  compensated: boolean,
): WgslPass {
  const vectors = outputLength % 4 === 0 && (bias?.length ?? 0) % 4 === 0;
  const width = vectors ? 4 : 1;
  const type = vectors ? 'vec4f' : 'f32';
  const source = /* wgsl */ `// Adds the parts of a split sum in order.
struct Sizes {
  length: u32,
  parts: u32,
  biasLength: u32,
}
@group(0) @binding(0) var<storage, read_write> partials: array<${type}>;
@group(0) @binding(1) var<storage, read_write> result: array<${type}>;
${bias ? `@group(0) @binding(2) var<storage, read> bias: array<${type}>;` : ''}
@group(0) @binding(${bias ? 3 : 2}) var<uniform> sizes: Sizes;
${activation === 'relu' ? RELU : ''}
${compensated ? pairSums(type, 'sizes.parts >> 31u') : ''}

@compute @workgroup_size(${SUM_WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(SUM_WORKGROUP)}
  if (i >= sizes.length) {
    return;
  }
  var sum = ${bias ? 'bias[i % sizes.biasLength]' : `${type}()`};
  ${compensated ? `var low = ${type}();` : ''}
  for (var part = 0u; part < sizes.parts; part++) {
    ${compensated ? 'addTo(&sum, &low, partials[part * sizes.length + i]);' : 'sum += partials[part * sizes.length + i];'}
    ${compensated ? 'low += partials[(sizes.parts + part) * sizes.length + i];' : ''}
  }
  ${compensated ? 'sum = joined(sum, low);' : ''}
  result[i] = ${activation !== 'relu' ? 'sum' : vectors ? 'relu(sum)' : 'relu(vec4f(sum)).x'};
}
`;
  return {
    source: compact(source),
    bindings: [partials, output, ...(bias ? [bias.slot] : [])],
    uniforms: uniforms([outputLength / width, parts, (bias?.length ?? 0) / width]),
    workgroups: linearGrid(outputLength / width, SUM_WORKGROUP),
  };
}
