/**
 * How the operands of a matrix product are addressed: A and B row-major or transposed in place, any number of broadcast
 * leading axes, four elements to a load wherever the sizes allow it.
 */
import { input, output, type Slot, type Spec, scratch, type WgslPass } from '../../devices/kernel.ts';
import { type Contraction, sizesStruct } from './matmul.contraction.wgsl.ts';
import { transposedCopy, wantsTransposedCopy } from './matmul.transpose.wgsl.ts';
import { type MatmulParams, type MatmulSizes, matmulSizes } from './matmul.ts';

/** What a tile strategy likes to read. */
export interface MatmulOperandOptions {
  /** Four elements at a time along k, from row-major A and transposed B. */
  readonly vectorsAlongK: boolean;
  /** Transposed copies of operands whose rows would collide in a CPU's cache; see matmul.transpose.wgsl.ts. */
  readonly copies: boolean;
}

export function matmulContraction(
  specs: readonly Spec[],
  params: MatmulParams,
  { vectorsAlongK, copies }: MatmulOperandOptions,
): Contraction {
  const sizes = matmulSizes(specs, params);
  const { batch, m, n, k } = sizes;
  const { activation } = params;
  const hasBias = specs.length > 2;
  const made: { pass: WgslPass; spec: Spec }[] = [];
  const copied = (operand: number, wanted: boolean): Slot => {
    if (!wanted) return input(operand);
    made.push(transposedCopy(input(operand), specs[operand].shape, made.length));
    return scratch(made.length - 1);
  };
  const copyA = copies && !params.transposeA && wantsTransposedCopy(m, k);
  const copyB = copies && params.transposeB && wantsTransposedCopy(n, k);
  const inputs = [copied(0, copyA), copied(1, copyB)];
  const transposeA = params.transposeA || copyA;
  const transposeB = params.transposeB && !copyB;
  const quadsAlongK = vectorsAlongK && k % 4 === 0;
  const loadA = transposeA ? (m % 4 === 0 ? 'alongRows' : 'element') : quadsAlongK ? 'alongK' : 'element';
  const loadB = transposeB && quadsAlongK ? 'alongK' : 'columns';
  const axes = mergedBatchAxes(sizes);
  return {
    matrices: batch,
    rows: m,
    columns: n,
    terms: k,
    segments: parts => {
      const length = parts === 1 ? k : Math.ceil(k / parts / 4) * 4;
      return { count: length === 0 ? 0 : Math.ceil(k / length), length };
    },
    loadA,
    loadB,
    operands: partial =>
      matmulOperands({
        m,
        n,
        transposeA,
        transposeB,
        loadA,
        loadB,
        axes,
        hasBias: hasBias && !partial,
      }),
    sizes: [
      ['terms', k],
      ...axes.flatMap(({ extent, strideA, strideB }, axis): [string, number][] => [
        [`extent${axis}`, extent],
        [`strideA${axis}`, strideA],
        [`strideB${axis}`, strideB],
      ]),
    ],
    inputs,
    output: output(0),
    outputLength: batch * m * n,
    bias: hasBias ? { slot: input(2), length: n } : undefined,
    activation,
    before: { passes: made.map(({ pass }) => pass), scratch: made.map(({ spec }) => spec) },
  };
}

interface BatchAxis {
  readonly extent: number;
  readonly strideA: number;
  readonly strideB: number;
}

/**
 * The leading axes, innermost first, joined where both operands step through two of them as through one. There are at
 * least two, so that most products share one pipeline.
 */
function mergedBatchAxes({ batchShape, batchStridesA, batchStridesB }: MatmulSizes): BatchAxis[] {
  const axes: BatchAxis[] = [];
  for (let axis = batchShape.length - 1; axis >= 0; axis--) {
    const extent = batchShape[axis];
    const [strideA, strideB] = [batchStridesA[axis], batchStridesB[axis]];
    const inner = axes.at(-1);
    if (extent === 1) continue;
    if (inner && strideA === inner.strideA * inner.extent && strideB === inner.strideB * inner.extent) {
      axes[axes.length - 1] = { ...inner, extent: inner.extent * extent };
    } else {
      axes.push({ extent, strideA, strideB });
    }
  }
  while (axes.length < 2) axes.push({ extent: 1, strideA: 0, strideB: 0 });
  return axes;
}

interface OperandForms {
  readonly m: number;
  readonly n: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly loadA: Contraction['loadA'];
  readonly loadB: Contraction['loadB'];
  readonly axes: readonly BatchAxis[];
  readonly hasBias: boolean;
}

function matmulOperands({ n, transposeA, transposeB, loadA, loadB, axes, hasBias }: OperandForms): string {
  const columnVectors = n % 4 === 0;
  const typeA = loadA === 'element' ? 'f32' : 'vec4f';
  const typeB = loadB === 'alongK' || (!transposeB && columnVectors) ? 'vec4f' : 'f32';
  const typeC = columnVectors ? 'vec4f' : 'f32';
  const own: [string, number][] = [
    ['terms', 0],
    ...axes.flatMap((_, i): [string, number][] => [`extent${i}`, `strideA${i}`, `strideB${i}`].map(name => [name, 0])),
  ];
  return /* wgsl */ `@group(0) @binding(0) var<storage, read> a: array<${typeA}>;
@group(0) @binding(1) var<storage, read> b: array<${typeB}>;
${hasBias ? `@group(0) @binding(2) var<storage, read> bias: array<${typeC}>;` : ''}
@group(0) @binding(${hasBias ? 3 : 2}) var<storage, read_write> c: array<${typeC}>;
${sizesStruct(own, hasBias ? 4 : 3)}

${matrixOffset('A', axes)}

${matrixOffset('B', axes)}

fn lengthOf(segment: u32) -> u32 {
  return min(sizes.segmentLength, sizes.terms - segment * sizes.segmentLength);
}

alias Row = u32;
alias Span = u32;
${transposeA ? (loadA === 'alongRows' ? ROWS_OF_TRANSPOSED_A : ROW_OF_TRANSPOSED_A) : loadA === 'alongK' ? QUADS_OF_A : ROW_OF_A}

${transposeB ? (loadB === 'alongK' ? QUADS_OF_TRANSPOSED_B : COLUMNS_OF_TRANSPOSED_B) : columnVectors ? VECTOR_OF_B : COLUMNS_OF_B}

fn startValue(matrix: u32, column4: u32) -> vec4f {
  ${!hasBias ? 'return vec4f();' : columnVectors ? 'return bias[column4];' : BIAS_ELEMENTS}
}

fn store(part: u32, matrix: u32, row: u32, column4: u32, value: vec4f) {
  if (row >= sizes.rows || column4 >= sizes.columnVectors) {
    return;
  }
  let result = finished(value);
  let start = part * sizes.outputLength + (matrix * sizes.rows + row) * sizes.columns + column4 * 4u;
  ${columnVectors ? 'c[start / 4u] = result;' : STORE_ELEMENTS}
}`;
}

/** The function `matrixA` or `matrixB`: where matrix number `matrix` starts. */
function matrixOffset(operand: 'A' | 'B', axes: readonly BatchAxis[]): string {
  const steps = axes.map(
    (_, axis) => /* wgsl */ `  offset += rest % sizes.extent${axis} * sizes.stride${operand}${axis};
  rest /= sizes.extent${axis};`,
  );
  return /* wgsl */ `fn matrix${operand}(matrix: u32) -> u32 {
  var rest = matrix;
  var offset = 0u;
${steps.join('\n')}
  return offset;
}`;
}

const ROW_OF_A = /* wgsl */ `fn rowAt(matrix: u32, row: u32) -> Row {
  return matrixA(matrix) + min(row, sizes.rows - 1u) * sizes.terms;
}
fn spanAt(row: Row, segment: u32) -> Span {
  return row + segment * sizes.segmentLength;
}
fn loadA(span: Span, k: u32) -> f32 {
  return a[span + k];
}`;

const QUADS_OF_A = /* wgsl */ `fn rowAt(matrix: u32, row: u32) -> Row {
  return matrixA(matrix) + min(row, sizes.rows - 1u) * sizes.terms;
}
fn spanAt(row: Row, segment: u32) -> Span {
  return (row + segment * sizes.segmentLength) / 4u;
}
fn loadA(span: Span, k: u32) -> vec4f {
  return a[span + k / 4u];
}`;

const ROW_OF_TRANSPOSED_A = /* wgsl */ `fn rowAt(matrix: u32, row: u32) -> Row {
  return matrixA(matrix) + min(row, sizes.rows - 1u);
}
fn spanAt(row: Row, segment: u32) -> Span {
  return row + segment * sizes.segmentLength * sizes.rows;
}
fn loadA(span: Span, k: u32) -> f32 {
  return a[span + k * sizes.rows];
}`;

const ROWS_OF_TRANSPOSED_A = /* wgsl */ `fn rowAt(matrix: u32, row: u32) -> Row {
  return (matrixA(matrix) + min(row, sizes.rows - 4u)) / 4u;
}
fn spanAt(row: Row, segment: u32) -> Span {
  return row + segment * sizes.segmentLength * (sizes.rows / 4u);
}
fn loadA(span: Span, k: u32) -> vec4f {
  return a[span + k * (sizes.rows / 4u)];
}`;

const VECTOR_OF_B = /* wgsl */ `fn startB(matrix: u32, segment: u32, column4: u32) -> u32 {
  return matrixB(matrix) / 4u + segment * sizes.segmentLength * sizes.columnVectors + column4;
}
fn loadB(start: u32, k: u32, column4: u32) -> vec4f {
  return b[start + k * sizes.columnVectors];
}`;

const COLUMNS_OF_B = /* wgsl */ `fn startB(matrix: u32, segment: u32, column4: u32) -> u32 {
  return matrixB(matrix) + segment * sizes.segmentLength * sizes.columns + column4 * 4u;
}
fn loadB(start: u32, k: u32, column4: u32) -> vec4f {
  let at = start + k * sizes.columns;
  let last = sizes.columns - 1u - column4 * 4u;
  return vec4f(b[at], b[at + min(1u, last)], b[at + min(2u, last)], b[at + min(3u, last)]);
}`;

const COLUMNS_OF_TRANSPOSED_B = /* wgsl */ `fn startB(matrix: u32, segment: u32, column4: u32) -> u32 {
  return matrixB(matrix) + column4 * 4u * sizes.terms + segment * sizes.segmentLength;
}
fn loadB(start: u32, k: u32, column4: u32) -> vec4f {
  let at = start + k;
  let last = sizes.columns - 1u - column4 * 4u;
  return vec4f(
    b[at],
    b[at + min(1u, last) * sizes.terms],
    b[at + min(2u, last) * sizes.terms],
    b[at + min(3u, last) * sizes.terms],
  );
}`;

const QUADS_OF_TRANSPOSED_B = /* wgsl */ `fn startB(matrix: u32, segment: u32, column4: u32) -> u32 {
  return (matrixB(matrix) + column4 * 4u * sizes.terms + segment * sizes.segmentLength) / 4u;
}
fn loadB(start: u32, k: u32, column4: u32) -> mat4x4f {
  let at = start + k / 4u;
  let last = sizes.columns - 1u - column4 * 4u;
  let stride = sizes.terms / 4u;
  return transpose(
    mat4x4f(b[at], b[at + min(1u, last) * stride], b[at + min(2u, last) * stride], b[at + min(3u, last) * stride])
  );
}`;

const BIAS_ELEMENTS = /* wgsl */ `let start = column4 * 4u;
  let last = sizes.columns - 1u - start;
  return vec4f(bias[start], bias[start + min(1u, last)], bias[start + min(2u, last)], bias[start + min(3u, last)]);`;

const STORE_ELEMENTS = /* wgsl */ `let count = min(4u, sizes.columns - column4 * 4u);
  for (var i = 0u; i < count; i++) {
    c[start + i] = result[i];
  }`;
