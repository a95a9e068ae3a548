/**
 * The WGSL around every elementwise expression, in two forms. `vec4` moves four elements per access and four accesses per
 * invocation (on software adapters 4 times as fast as one element), and knows four ways to read an operand: along with
 * the output, one element for all, one row for all rows, one element per row. `strided` reads any operand at any
 * broadcasting, element by element.
 */
import { output, type Slot, type WebGpuAdapterInfo, type WgslPlan } from '../../devices/kernel.ts';
import { linearGrid } from '../../devices/webgpu/dispatch.ts';
import { uniforms } from '../../devices/webgpu/uniforms.ts';
import type { Walk } from './broadcast.ts';
import { MAX_RANK } from './elementwise.ts';
import { libraryFor } from './math.wgsl.ts';

export type WgslScalar = 'f32' | 'i32' | 'u32';

/** What is done to each element. */
export interface WgslMap {
  readonly operands: readonly { readonly name: string; readonly type: WgslScalar }[];
  readonly output: WgslScalar;
  /** Over the operands' names, the parameters' names and the aliases T (type of the last operand), F, I, U, B. */
  readonly expression: string;
  readonly parameters?: readonly { readonly name: string; readonly type: WgslScalar; readonly bits: number }[];
  /** The expression also reads the output's previous value, as `previous`. */
  readonly readsOutput?: boolean;
}

type Access = 'same' | 'scalar' | 'row' | 'column';

const WORKGROUP = 64;
const PER_INVOCATION = 4;
const ALIAS: Record<WgslScalar, string> = { f32: 'F', i32: 'I', u32: 'U' };

const ALIASES = {
  vec4: 'alias F = vec4f; alias I = vec4i; alias U = vec4u; alias B = vec4<bool>;',
  strided: 'alias F = f32; alias I = i32; alias U = u32; alias B = bool;',
};

/** The accesses with which the vec4 form can read the operands of a walk, or undefined. */
export function vectorAccesses({ extents, strides }: Walk): Access[] | undefined {
  const columns = extents[extents.length - 1];
  if (extents.length > 2 || columns % 4 !== 0) return undefined;
  if (extents.length === 1) return strides.map(([stride]) => (stride === 1 ? 'same' : 'scalar'));
  return strides.map(([outer, inner]) => {
    if (inner === 1) return outer === 0 ? 'row' : 'same';
    return outer === 0 ? 'scalar' : 'column';
  });
}

const READ: Record<Access, (name: string, alias: string) => string> = {
  same: name => `${name}[i]`,
  scalar: (name, alias) => `${alias}(${name}[0])`,
  row: name => `${name}[i % params.columns]`,
  column: (name, alias) => `${alias}(${name}[i / params.columns])`,
};

function vec4Source(map: WgslMap, accesses: readonly Access[]): string {
  const arrays = map.operands.map(({ type }, k) => {
    const whole = accesses[k] === 'same' || accesses[k] === 'row';
    return `array<${whole ? ALIAS[type] : type}>`;
  });
  const reads = map.operands.map(({ name, type }, k) => READ[accesses[k]](name, ALIAS[type]));
  return source(
    map,
    'vec4',
    arrays,
    reads,
    /* wgsl */ `struct Params { count: u32, columns: u32, ${fields(map)} }`,
    '',
  );
}

function stridedSource(map: WgslMap): string {
  const arrays = map.operands.map(({ type }) => `array<${ALIAS[type]}>`);
  const reads = map.operands.map(({ name }, k) => `${name}[at[${k}]]`);
  const declarations = /* wgsl */ `struct Params { count: u32, rank: u32, ${fields(map)} axes: array<vec4u, ${MAX_RANK}> }

// Where element i of the output is found in each operand. An axis holds its extent and the operands' strides.
fn offsetsOf(i: u32) -> vec3u {
  var offsets = vec3u(0);
  var rest = i;
  for (var axis = params.rank; axis > 0u; axis--) {
    let extent = params.axes[axis - 1u].x;
    offsets += (rest % extent) * params.axes[axis - 1u].yzw;
    rest /= extent;
  }
  return offsets;
}`;
  return source(map, 'strided', arrays, reads, declarations, 'let at = offsetsOf(i);');
}

const fields = (map: WgslMap): string => (map.parameters ?? []).map(({ name, type }) => `${name}: ${type},`).join(' ');

function source(
  map: WgslMap,
  form: 'vec4' | 'strided',
  arrays: readonly string[],
  reads: readonly string[],
  declarations: string,
  locate: string,
): string {
  const { operands, parameters = [], expression, readsOutput } = map;
  const result = ALIAS[map.output];
  const mainType = operands.length > 0 ? operands[operands.length - 1].type : map.output;
  const previous = readsOutput ? [`previous: ${result}`] : [];
  const signature = [...previous, ...operands.map(({ name, type }) => `${name}: ${ALIAS[type]}`)].join(', ');
  const constants = parameters.map(({ name, type }) => `let ${name} = ${ALIAS[type]}(params.${name});`).join(' ');
  const bindings = [
    ...operands.map(({ name }, k) => `@group(0) @binding(${k}) var<storage, read> ${name}: ${arrays[k]};`),
    `@group(0) @binding(${operands.length}) var<storage, read_write> result: array<${result}>;`,
    `@group(0) @binding(${operands.length + 1}) var<uniform> params: Params;`,
  ].join('\n');
  return /* wgsl */ `${ALIASES[form]}
alias T = ${ALIAS[mainType]};
${bindings}
${declarations}
${libraryFor(expression, mainType)}
fn compute(${signature}) -> ${result} {
  ${constants}
  return ${expression};
}

@compute @workgroup_size(${WORKGROUP})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.x + group.y * groups.x) * ${WORKGROUP * PER_INVOCATION}u + lane;
  for (var k = 0u; k < ${PER_INVOCATION}u; k++) {
    let i = first + k * ${WORKGROUP}u;
    if (i < params.count) {
      ${locate}
      result[i] = compute(${[...(readsOutput ? ['result[i]'] : []), ...reads].join(', ')});
    }
  }
}
`;
}

/** The plan that applies a map over a walk, in the vec4 form; `vectorAccesses(walk)` must be defined. */
export function vec4Plan(map: WgslMap, walk: Walk, slots: readonly Slot[], adapter: WebGpuAdapterInfo): WgslPlan {
  const accesses = vectorAccesses(walk)!;
  const count = walk.extents.reduce((size, extent) => size * extent, 1) / 4;
  const columns = walk.extents[walk.extents.length - 1] / 4;
  const words = [count, columns, ...(map.parameters ?? []).map(({ bits }) => bits)];
  return plan(vec4Source(map, accesses), slots, words, count, adapter);
}

/** The plan that applies a map over a walk of any rank, element by element. */
export function stridedPlan(map: WgslMap, walk: Walk, slots: readonly Slot[], adapter: WebGpuAdapterInfo): WgslPlan {
  const { extents, strides } = walk;
  const count = extents.reduce((size, extent) => size * extent, 1);
  const words = [count, extents.length, ...(map.parameters ?? []).map(({ bits }) => bits)];
  while (words.length % 4 !== 0) words.push(0); // an array of vec4 starts at a multiple of 16 bytes
  for (let axis = 0; axis < MAX_RANK; axis++) {
    words.push(extents[axis] ?? 1);
    for (let k = 0; k < 3; k++) words.push(strides[k]?.[axis] ?? 0);
  }
  return plan(stridedSource(map), slots, words, count, adapter);
}

function plan(
  source: string,
  slots: readonly Slot[],
  words: readonly number[],
  count: number,
  adapter: WebGpuAdapterInfo,
): WgslPlan {
  const workgroups = linearGrid(Math.ceil(count / PER_INVOCATION), WORKGROUP, adapter.maxComputeWorkgroupsPerDimension);
  return { passes: [{ source, bindings: [...slots, output(0)], uniforms: uniforms(words), workgroups }] };
}
