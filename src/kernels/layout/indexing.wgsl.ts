/**
 * gather, scatterAdd and oneHot in WGSL. scatterAdd adds in the order of the indices, whoever does it, so that the sum is
 * always the same: an invocation owns a column and adds the updates to it one by one; or, where columns are too few to
 * keep a GPU busy, an invocation owns one element and searches the whole list for what belongs to it.
 */
import { input, output, type Spec, scratch, type WgslVariant } from '../../devices/kernel.ts';
import { normalizeAxes, sizeOf } from '../../devices/shape.ts';
import { linearGrid, linearIndex } from '../../devices/webgpu/dispatch.ts';
import { f32Bits, uniforms } from '../../devices/webgpu/uniforms.ts';
import { pairSums } from '../pairs.wgsl.ts';
import {
  aroundAxis,
  type GatherParams,
  type OneHotParams,
  outsideValue,
  type ScatterAddParams,
  scatterAxis,
} from './layout.ts';

const WORKGROUP = 64;

const MAIN = /* wgsl */ `@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  ${linearIndex(WORKGROUP)}`;

const GATHER_PARAMETERS = /* wgsl */ `struct Params { count: u32, extent: u32, inner: u32, indexCount: u32, outside: u32 }
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(3) var<uniform> params: Params;

// Position in x of element i of the output, or the largest number where the index is out of range.
fn find(i: u32) -> u32 {
  let row = i / params.inner;
  let index = u32(indices[row % params.indexCount]);
  if (index >= params.extent) { return 0xffffffffu; }
  return (row / params.indexCount * params.extent + index) * params.inner + i % params.inner;
}`;

const gatherWords = (
  element: 'u32' | 'vec4u',
): string => /* wgsl */ `@group(0) @binding(0) var<storage, read> x: array<${element}>;
@group(0) @binding(2) var<storage, read_write> result: array<${element}>;
${GATHER_PARAMETERS}

${MAIN}
  if (i >= params.count) { return; }
  let at = find(i);
  if (at == 0xffffffffu) { result[i] = ${element}(params.outside); } else { result[i] = x[at]; }
}
`;

const gatherBytes = /* wgsl */ `@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> result: array<u32>;
${GATHER_PARAMETERS}

${MAIN}
  if (i * 4u >= params.count) { return; }
  var word = 0u;
  for (var k = 0u; k < 4u; k++) {
    if (i * 4u + k < params.count) {
      let at = find(i * 4u + k);
      if (at != 0xffffffffu) { word |= ((x[at / 4u] >> (8u * (at % 4u))) & 255u) << (8u * k); }
    }
  }
  result[i] = word;
}
`;

/** Elements per unit of work, units of a row: vectors where rows divide, words otherwise, whole words of bytes. */
function gatherVariant(name: string, each: 1 | 4, bytes: boolean, source: string): WgslVariant<GatherParams> {
  const innerOf = (shape: readonly number[], params: GatherParams): number =>
    aroundAxis(shape, normalizeAxes(params.axis, shape.length, 'gather')[0]).inner;
  return {
    name,
    applies: ([{ shape, dtype }], params) =>
      (dtype === 'uint8') === bytes && (bytes || innerOf(shape, params) % each === 0),
    plan([{ shape, dtype }, indices], params, adapter) {
      const { outer, extent, inner } = aroundAxis(shape, normalizeAxes(params.axis, shape.length, 'gather')[0]);
      const indexCount = sizeOf(indices.shape);
      const unit = bytes ? 1 : each;
      const count = (outer * indexCount * inner) / unit;
      const outside = Number.isNaN(outsideValue(dtype)) ? 0x7fc00000 : 0;
      return {
        passes: [
          {
            source,
            bindings: [input(0), input(1), output(0)],
            uniforms: uniforms([count, extent, inner / unit, indexCount, outside]),
            workgroups: linearGrid(
              bytes ? Math.ceil(count / 4) : count,
              WORKGROUP,
              adapter.maxComputeWorkgroupsPerDimension,
            ),
          },
        ],
      };
    },
  };
}

export const gatherWgsl: readonly WgslVariant<GatherParams>[] = [
  gatherVariant('bytes', 4, true, gatherBytes),
  gatherVariant('vec4', 4, false, gatherWords('vec4u')),
  gatherVariant('words', 1, false, gatherWords('u32')),
];

const scatterParameters = (
  type: 'f32' | 'i32',
  uniformBinding = 3,
): string => /* wgsl */ `struct Params { count: u32, size: u32, inner: u32, indexCount: u32 }
@group(0) @binding(0) var<storage, read> updates: array<${type}>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read_write> result: array<${type}>;
@group(0) @binding(${uniformBinding}) var<uniform> params: Params;
`;

const PAIRS = pairSums('f32', 'params.count >> 31u');

const searchSource = (type: 'f32' | 'i32', pairs: boolean): string => /* wgsl */ `${scatterParameters(type)}
${pairs ? PAIRS : ''}
${MAIN}
  if (i >= params.count) { return; }
  let row = i / params.inner;
  let own = i32(row % params.size);
  let first = row / params.size * params.indexCount * params.inner + i % params.inner;
  var sum = ${type}(0);
  ${pairs ? 'var low = 0.0;' : ''}
  for (var k = 0u; k < params.indexCount; k++) {
    if (indices[k] == own) {
      let update = updates[first + k * params.inner];
      ${pairs ? 'accumulate(&sum, &low, update);' : 'sum += update;'}
    }
  }
  result[i] = ${pairs ? 'joined(sum, low)' : 'sum'};
}
`;

const columnsSource = (type: 'f32' | 'i32'): string => /* wgsl */ `${scatterParameters(type)}
${MAIN}
  if (i >= params.count) { return; }
  let matrix = i / params.inner;
  let column = i % params.inner;
  let first = matrix * params.size * params.inner + column;
  for (var row = 0u; row < params.size; row++) { result[first + row * params.inner] = ${type}(0); }
  for (var k = 0u; k < params.indexCount; k++) {
    let index = u32(indices[k]);
    if (index < params.size) {
      result[first + index * params.inner] += updates[(matrix * params.indexCount + k) * params.inner + column];
    }
  }
}
`;

/** The sums' errors lie in an array of their own. */
const columnPairsSource = /* wgsl */ `${scatterParameters('f32', 4)}
@group(0) @binding(3) var<storage, read_write> errors: array<f32>;
${PAIRS}
${MAIN}
  if (i >= params.count) { return; }
  let matrix = i / params.inner;
  let column = i % params.inner;
  let first = matrix * params.size * params.inner + column;
  for (var row = 0u; row < params.size; row++) {
    result[first + row * params.inner] = 0.0;
    errors[first + row * params.inner] = 0.0;
  }
  for (var k = 0u; k < params.indexCount; k++) {
    let index = u32(indices[k]);
    if (index < params.size) {
      let at = first + index * params.inner;
      var sum = result[at];
      var low = errors[at];
      accumulate(&sum, &low, updates[(matrix * params.indexCount + k) * params.inner + column]);
      result[at] = sum;
      errors[at] = low;
    }
  }
  for (var row = 0u; row < params.size; row++) {
    let at = first + row * params.inner;
    result[at] = joined(result[at], errors[at]);
  }
}
`;

/** An invocation per column, or one per element. */
type ScatterForm = 'columns' | 'search';

function scatterSizes(specs: readonly Spec[], params: ScatterAddParams): { inner: number; columns: number } {
  const [{ shape }, indices] = specs;
  const axis = scatterAxis(specs, params);
  const inner = sizeOf(shape.slice(axis + indices.shape.length));
  return { inner, columns: sizeOf(shape.slice(0, axis)) * inner };
}

const hasManyColumns = (specs: readonly Spec[], params: ScatterAddParams): boolean =>
  scatterSizes(specs, params).columns >= MANY_COLUMNS;

function scatterVariant(name: string, form: ScatterForm, pairs: boolean): WgslVariant<ScatterAddParams> {
  return {
    name,
    precision: pairs ? 'highest' : undefined,
    applies: ([{ dtype }]) => !pairs || dtype === 'float32',
    prefers: (specs, params) => form === 'search' || hasManyColumns(specs, params),
    plan(specs, params, adapter) {
      const [{ dtype }, indices] = specs;
      const { inner, columns } = scatterSizes(specs, params);
      const count = form === 'columns' ? columns : columns * params.size;
      const type = dtype === 'int32' ? 'i32' : 'f32';
      const keepsErrors = pairs && form === 'columns';
      const source = form === 'search' ? searchSource(type, pairs) : pairs ? columnPairsSource : columnsSource(type);
      return {
        passes: [
          {
            source,
            bindings: [input(0), input(1), output(0), ...(keepsErrors ? [scratch(0)] : [])],
            uniforms: uniforms([count, params.size, inner, sizeOf(indices.shape)]),
            workgroups: linearGrid(count, WORKGROUP, adapter.maxComputeWorkgroupsPerDimension),
          },
        ],
        scratch: keepsErrors ? [{ shape: [columns * params.size], dtype: 'float32' }] : [],
      };
    },
  };
}

/** Columns that keep a GPU busy by themselves. */
const MANY_COLUMNS = 1024;

export const scatterAddWgsl: readonly WgslVariant<ScatterAddParams>[] = [
  scatterVariant('pairs-columns', 'columns', true),
  scatterVariant('pairs-search', 'search', true),
  scatterVariant('columns', 'columns', false),
  scatterVariant('search', 'search', false),
];

const oneHotSource = /* wgsl */ `struct Params { count: u32, classes: u32, onValue: f32, offValue: f32 }
@group(0) @binding(0) var<storage, read> labels: array<i32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

${MAIN}
  if (i >= params.count) { return; }
  let isOn = labels[i / params.classes] == i32(i % params.classes);
  result[i] = select(params.offValue, params.onValue, isOn);
}
`;

export const oneHotWgsl: readonly WgslVariant<OneHotParams>[] = [
  {
    name: 'elements',
    applies: () => true,
    plan([labels], { classes, onValue = 1, offValue = 0 }, adapter) {
      const count = sizeOf(labels.shape) * classes;
      return {
        passes: [
          {
            source: oneHotSource,
            bindings: [input(0), output(0)],
            uniforms: uniforms([count, classes, f32Bits(onValue), f32Bits(offValue)]),
            workgroups: linearGrid(count, WORKGROUP, adapter.maxComputeWorkgroupsPerDimension),
          },
        ],
      };
    },
  },
];
