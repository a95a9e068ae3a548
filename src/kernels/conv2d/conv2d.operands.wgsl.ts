/**
 * The three convolutions as contractions (matmul.contraction.wgsl.ts): implicit GEMM, where no im2col matrix exists and
 * pixels that fall on padding read as zero. Groups are separate matrices.
 *
 *     kernel            rows             columns       segments           positions k    A         B
 *     forward           output pixels    K / groups    taps of a filter   C / groups     images    filters
 *     input gradient    input pixels     C / groups    taps of a filter   K / groups     dy        filters transposed
 *     weight gradient   taps x channels  K / groups    rows of dy         output width   images    dy
 *
 * With strides the input gradient falls into `stride x stride` phases, each a matrix of its own: pixels of one phase meet
 * the same taps, and the others are skipped for the whole tile instead of being multiplied by zero.
 */
import { input, output, type Spec, scratch } from '../../devices/kernel.ts';
import type { Contraction } from '../matmul/matmul.contraction.wgsl.ts';
import {
  bindings,
  geometry,
  LENGTH_OF_SEGMENT,
  LOAD_ELEMENT,
  LOAD_QUAD,
  loadColumns,
  startValue,
  storeColumns,
} from './conv2d.access.wgsl.ts';
import { transposeFilters } from './conv2d.transpose.wgsl.ts';
import {
  type Conv2dInputGradientParams,
  type Conv2dParams,
  type Conv2dWeightGradientParams,
  conv2dInputGradientSizes,
  conv2dSizes,
  conv2dWeightGradientSizes,
} from './conv2d.ts';

export interface Conv2dOperandOptions {
  /** Load four channels at once where they lie along k; see MatmulOperandOptions. */
  readonly vectorsAlongK: boolean;
}

/** Taps (or rows of dy) cannot be cut finer than they are. */
const whole = (count: number, length: number) => () => ({ count, length });

export function forwardContraction(
  specs: readonly Spec[],
  params: Conv2dParams,
  { vectorsAlongK }: Conv2dOperandOptions,
): Contraction {
  const sizes = conv2dSizes(specs, params);
  const { batch, outputHeight, outputWidth, outputChannels, groups, kernelHeight, kernelWidth } = sizes;
  const channels = sizes.inputChannels / groups;
  const columns = outputChannels / groups;
  const taps = kernelHeight * kernelWidth;
  const rows = batch * outputHeight * outputWidth;
  const loadA = vectorsAlongK && channels % 4 === 0 ? 'alongK' : 'element';
  const vectors = columns % 4 === 0;
  const hasBias = specs.length > 2;
  // A first layer has so few channels that taps and channels are better walked as one.
  const joined = channels < 4;
  const own = geometry(sizes);
  return {
    matrices: groups,
    rows,
    columns,
    terms: taps * channels,
    segments: joined ? whole(1, taps * channels) : whole(taps, channels),
    loadA,
    loadB: 'columns',
    operands:
      partial => /* wgsl */ `${bindings(own, loadA === 'alongK' ? 'vec4f' : 'f32', vectors ? 'vec4f' : 'f32', vectors ? 'vec4f' : 'f32', hasBias && !partial)}

${LENGTH_OF_SEGMENT}

// An output pixel: the offset of its image and group, and where its filter's first tap falls.
struct Row {
  image: u32,
  y: i32,
  x: i32,
}
fn rowAt(matrix: u32, row: u32) -> Row {
  let pixel = min(row, sizes.rows - 1u);
  let image = pixel / (sizes.outputHeight * sizes.outputWidth);
  return Row(
    image * sizes.height * sizes.width * sizes.channels + matrix * sizes.groupChannels,
    i32(pixel / sizes.outputWidth % sizes.outputHeight * sizes.strideY) - i32(sizes.padTop),
    i32(pixel % sizes.outputWidth * sizes.strideX) - i32(sizes.padLeft),
  );
}

${
  joined
    ? JOINED_TAPS
    : `${TAP_SPAN}
${loadA === 'alongK' ? LOAD_QUAD : LOAD_ELEMENT}`
}

fn startB(matrix: u32, tap: u32, column4: u32) -> u32 {
  return tap * sizes.groupChannels * sizes.filters + matrix * sizes.groupFilters + column4 * 4u;
}
${loadColumns('filters', vectors)}

${startValue(hasBias && !partial, vectors)}

fn store(part: u32, matrix: u32, row: u32, column4: u32, value: vec4f) {
  if (column4 >= sizes.columnVectors) {
    return;
  }
  let result = finished(value);
  let start = part * sizes.outputLength + row * sizes.filters + matrix * sizes.groupFilters + column4 * 4u;
  ${storeColumns(vectors)}
}`,
    sizes: own,
    inputs: [input(0), input(1)],
    output: output(0),
    outputLength: rows * outputChannels,
    bias: hasBias ? { slot: input(2), length: outputChannels } : undefined,
    activation: params.activation,
  };
}

export function inputGradientContraction(
  specs: readonly Spec[],
  params: Conv2dInputGradientParams,
  { vectorsAlongK }: Conv2dOperandOptions,
): Contraction {
  const sizes = conv2dInputGradientSizes(specs, params);
  const { batch, height, width, inputChannels, outputChannels, groups, kernelHeight, kernelWidth, strides } = sizes;
  const columns = inputChannels / groups;
  const filters = outputChannels / groups;
  const taps = kernelHeight * kernelWidth;
  const phases = strides[0] * strides[1];
  const phaseHeight = Math.ceil(height / strides[0]);
  const phaseWidth = Math.ceil(width / strides[1]);
  const loadA = vectorsAlongK && filters % 4 === 0 ? 'alongK' : 'element';
  const vectors = columns % 4 === 0;
  const transposed = transposeFilters(specs[1].shape, groups);
  const own: [string, number][] = [
    ...geometry(sizes),
    ['phases', phases],
    ['phaseHeight', phaseHeight],
    ['phaseWidth', phaseWidth],
  ];
  return {
    matrices: groups * phases,
    rows: batch * phaseHeight * phaseWidth,
    columns,
    terms: taps * filters,
    segments: whole(taps, filters),
    loadA,
    loadB: 'columns',
    skipsSegments: phases > 1,
    operands:
      () => /* wgsl */ `${bindings(own, loadA === 'alongK' ? 'vec4f' : 'f32', vectors ? 'vec4f' : 'f32', vectors ? 'vec4f' : 'f32', false)}

${LENGTH_OF_SEGMENT}

// An input pixel of phase (matrix % phases): the offset of its output gradient image and group, and its place, padded.
struct Row {
  image: u32,
  y: i32,
  x: i32,
}
fn phaseOf(matrix: u32) -> vec2u {
  let phase = matrix % sizes.phases;
  return vec2u(phase % sizes.strideX, phase / sizes.strideX);
}
fn rowAt(matrix: u32, row: u32) -> Row {
  let pixel = min(row, sizes.rows - 1u);
  let phase = phaseOf(matrix);
  let image = pixel / (sizes.phaseHeight * sizes.phaseWidth);
  return Row(
    image * sizes.outputHeight * sizes.outputWidth * sizes.filters + matrix / sizes.phases * sizes.groupFilters,
    i32(pixel / sizes.phaseWidth % sizes.phaseHeight * sizes.strideY + phase.y + sizes.padTop),
    i32(pixel % sizes.phaseWidth * sizes.strideX + phase.x + sizes.padLeft),
  );
}

// Whether no pixel of the phase meets this tap: a filter that starts at an output pixel lies on a multiple of the stride.
fn skips(matrix: u32, tap: u32) -> bool {
  let phase = phaseOf(matrix);
  let y = i32(phase.y + sizes.padTop) - i32(tap / sizes.kernelWidth * sizes.dilationY);
  let x = i32(phase.x + sizes.padLeft) - i32(tap % sizes.kernelWidth * sizes.dilationX);
  return y % i32(sizes.strideY) != 0 || x % i32(sizes.strideX) != 0;
}

struct Span {
  start: u32,
  inside: bool,
}
fn spanAt(row: Row, tap: u32) -> Span {
  let y = row.y - i32(tap / sizes.kernelWidth * sizes.dilationY);
  let x = row.x - i32(tap % sizes.kernelWidth * sizes.dilationX);
  let outputY = u32(max(y, 0)) / sizes.strideY;
  let outputX = u32(max(x, 0)) / sizes.strideX;
  let inside = (y >= 0) & (outputY < sizes.outputHeight) & (x >= 0) & (outputX < sizes.outputWidth);
  return Span(select(0u, row.image + (outputY * sizes.outputWidth + outputX) * sizes.filters, inside), inside);
}
${loadA === 'alongK' ? LOAD_QUAD : LOAD_ELEMENT}

fn startB(matrix: u32, tap: u32, column4: u32) -> u32 {
  return tap * sizes.groupFilters * sizes.channels + matrix / sizes.phases * sizes.groupChannels + column4 * 4u;
}
${loadColumns('channels', vectors)}

${startValue(false, vectors)}

fn store(part: u32, matrix: u32, row: u32, column4: u32, value: vec4f) {
  let phase = phaseOf(matrix);
  let image = row / (sizes.phaseHeight * sizes.phaseWidth);
  let y = row / sizes.phaseWidth % sizes.phaseHeight * sizes.strideY + phase.y;
  let x = row % sizes.phaseWidth * sizes.strideX + phase.x;
  if (column4 >= sizes.columnVectors || y >= sizes.height || x >= sizes.width) {
    return;
  }
  let result = value;
  let pixel = (image * sizes.height + y) * sizes.width + x;
  let start = part * sizes.outputLength + pixel * sizes.channels + matrix / sizes.phases * sizes.groupChannels
    + column4 * 4u;
  ${storeColumns(vectors)}
}`,
    sizes: own,
    inputs: [input(0), scratch(0)],
    output: output(0),
    outputLength: batch * height * width * inputChannels,
    activation: 'none',
    before: transposed,
  };
}

export function weightGradientContraction(specs: readonly Spec[], params: Conv2dWeightGradientParams): Contraction {
  const sizes = conv2dWeightGradientSizes(specs, params);
  const { batch, outputHeight, outputWidth, outputChannels, inputChannels, groups, kernelHeight, kernelWidth } = sizes;
  const channels = inputChannels / groups;
  const columns = outputChannels / groups;
  const rows = kernelHeight * kernelWidth * channels;
  const loadA = channels % 4 === 0 ? 'alongRows' : 'element';
  const vectors = columns % 4 === 0;
  const own = geometry(sizes);
  return {
    matrices: groups,
    rows,
    columns,
    terms: batch * outputHeight * outputWidth,
    segments: whole(batch * outputHeight, outputWidth),
    loadA,
    loadB: 'columns',
    operands:
      () => /* wgsl */ `${bindings(own, loadA === 'alongRows' ? 'vec4f' : 'f32', vectors ? 'vec4f' : 'f32', vectors ? 'vec4f' : 'f32', false)}

${LENGTH_OF_SEGMENT}

// One weight of every filter: its channel, and its tap relative to the filter's anchor.
struct Row {
  channel: u32,
  y: i32,
  x: i32,
}
fn rowAt(matrix: u32, row: u32) -> Row {
  let weight = min(row, sizes.rows - ${loadA === 'alongRows' ? '4u' : '1u'});
  let tap = weight / sizes.groupChannels;
  return Row(
    matrix * sizes.groupChannels + weight % sizes.groupChannels,
    i32(tap / sizes.kernelWidth * sizes.dilationY) - i32(sizes.padTop),
    i32(tap % sizes.kernelWidth * sizes.dilationX) - i32(sizes.padLeft),
  );
}

// The row of the image that this weight meets along one row of dy.
struct Span {
  start: u32,
  x: i32,
  inside: bool,
}
fn spanAt(row: Row, outputRow: u32) -> Span {
  let image = outputRow / sizes.outputHeight;
  let y = i32(outputRow % sizes.outputHeight * sizes.strideY) + row.y;
  return Span(
    (image * sizes.height + u32(max(y, 0))) * sizes.width * sizes.channels + row.channel,
    row.x,
    (y >= 0) & (y < i32(sizes.height)),
  );
}
fn loadA(span: Span, k: u32) -> ${loadA === 'alongRows' ? 'vec4f' : 'f32'} {
  let x = i32(k * sizes.strideX) + span.x;
  let inside = span.inside & (x >= 0) & (x < i32(sizes.width));
  let at = select(0u, span.start + u32(x) * sizes.channels, inside);
  return ${loadA === 'alongRows' ? 'select(vec4f(), a[at / 4u], inside)' : 'select(0.0, a[at], inside)'};
}

fn startB(matrix: u32, outputRow: u32, column4: u32) -> u32 {
  return outputRow * sizes.outputWidth * sizes.filters + matrix * sizes.groupFilters + column4 * 4u;
}
${loadColumns('filters', vectors)}

${startValue(false, vectors)}

fn store(part: u32, matrix: u32, row: u32, column4: u32, value: vec4f) {
  if (column4 >= sizes.columnVectors) {
    return;
  }
  let result = value;
  let start = part * sizes.outputLength + row * sizes.filters + matrix * sizes.groupFilters + column4 * 4u;
  ${storeColumns(vectors)}
}`,
    sizes: own,
    inputs: [input(0), input(1)],
    output: output(0),
    outputLength: rows * outputChannels,
    activation: 'none',
  };
}

const TAP_SPAN = /* wgsl */ `struct Span {
  start: u32,
  inside: bool,
}
fn spanAt(row: Row, tap: u32) -> Span {
  let y = row.y + i32(tap / sizes.kernelWidth * sizes.dilationY);
  let x = row.x + i32(tap % sizes.kernelWidth * sizes.dilationX);
  let inside = (y >= 0) & (y < i32(sizes.height)) & (x >= 0) & (x < i32(sizes.width));
  return Span(select(0u, row.image + (u32(y) * sizes.width + u32(x)) * sizes.channels, inside), inside);
}`;

const JOINED_TAPS = /* wgsl */ `alias Span = Row;
fn spanAt(row: Row, segment: u32) -> Span {
  return row;
}
fn loadA(span: Span, k: u32) -> f32 {
  let tap = k / sizes.groupChannels;
  let y = span.y + i32(tap / sizes.kernelWidth * sizes.dilationY);
  let x = span.x + i32(tap % sizes.kernelWidth * sizes.dilationX);
  let inside = (y >= 0) & (y < i32(sizes.height)) & (x >= 0) & (x < i32(sizes.width));
  let at = span.image + (u32(y) * sizes.width + u32(x)) * sizes.channels + k % sizes.groupChannels;
  return select(0.0, a[select(0u, at, inside)], inside);
}`;
