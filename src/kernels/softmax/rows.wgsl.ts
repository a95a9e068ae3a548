/**
 * What the shaders of softmax and cross-entropy share. A row belongs to one invocation or to one workgroup, whose lanes take
 * every LANES-th column and join by a tree in a fixed order. One text serves both: with one lane the joins are nothing.
 */
import { libraryFor } from '../elementwise/math.wgsl.ts';
import { pairSumsAndArithmetic } from '../pairs.wgsl.ts';

/** Invocations of a workgroup that serves one row each. */
export const ROWS_PER_GROUP = 64;

const joins = (lanes: number): string => /* wgsl */ `
var<workgroup> perLane: array<f32, LANES>;

fn joinSum(value: f32, lane: u32) -> f32 {
  perLane[lane] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { perLane[lane] += perLane[lane + half]; }
    workgroupBarrier();
  }
  let result = perLane[0];
  workgroupBarrier();
  return result;
}

fn joinMax(value: f32, lane: u32) -> f32 {
  perLane[lane] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    if (lane < half) { perLane[lane] = max(perLane[lane], perLane[lane + half]); }
    workgroupBarrier();
  }
  let result = perLane[0];
  workgroupBarrier();
  return result;
}`;

const noJoins = /* wgsl */ `
fn joinSum(value: f32, lane: u32) -> f32 { return value; }
fn joinMax(value: f32, lane: u32) -> f32 { return value; }`;

const inWorkgroup = (lanes: number): string => /* wgsl */ `
@compute @workgroup_size(${lanes})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;`;

const inInvocation = /* wgsl */ `
@compute @workgroup_size(${ROWS_PER_GROUP})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let row = id.x + id.y * (groups.x * ${ROWS_PER_GROUP}u);
  let lane = 0u;`;

/** After cancellation the lower part may be the larger one. */
const normalized = /* wgsl */ `
fn normalized(x: FloatPair) -> FloatPair {
  if (isLost(x.high)) { return FloatPair(x.high, 0.0); }
  return sumOf(x.high, x.low);
}`;

/** Joins pairs, without what is lost of a sum that is not finite. */
const pairJoins = (lanes: number): string => /* wgsl */ `${pairSumsAndArithmetic('f32', 'sizes.rows >> 31u')}
var<workgroup> joinedPairs: array<FloatPair, LANES>;

fn joinPairs(value: FloatPair, lane: u32) -> FloatPair {
  joinedPairs[lane] = value;
  workgroupBarrier();
  for (var half = ${lanes / 2}u; half > 0u; half /= 2u) {
    if (lane < half) {
      var sum = joinedPairs[lane].high;
      var low = joinedPairs[lane].low + joinedPairs[lane + half].low;
      accumulate(&sum, &low, joinedPairs[lane + half].high);
      joinedPairs[lane] = FloatPair(sum, low);
    }
    workgroupBarrier();
  }
  let result = joinedPairs[0];
  workgroupBarrier();
  return normalized(result);
}
${normalized}`;

const noPairJoins = /* wgsl */ `${pairSumsAndArithmetic('f32', 'sizes.rows >> 31u')}
fn joinPairs(value: FloatPair, lane: u32) -> FloatPair { return normalized(value); }
${normalized}`;

/** `arrays` in the order of their bindings; `body` sees row, lane, start (element of the row's first column), sizes. */
export function sourceOf(lanes: number, arrays: readonly string[], body: string, pairs: boolean): string {
  return /* wgsl */ `
struct Sizes { rows: u32, classes: u32, notANumber: u32, keep: f32, spread: f32${pairs ? ', keepLow: f32, spreadLow: f32' : ''} }
const LANES = ${lanes}u;
alias T = f32;
alias U = u32;
alias I = i32;
alias B = bool;
${arrays.map((array, i) => `@group(0) @binding(${i}) var<storage, ${array};`).join('\n')}
@group(0) @binding(${arrays.length}) var<uniform> sizes: Sizes;
${libraryFor(body, 'f32')}
${lanes === 1 ? noJoins : joins(lanes)}
${pairs ? (lanes === 1 ? noPairJoins : pairJoins(lanes)) : ''}
${lanes === 1 ? inInvocation : inWorkgroup(lanes)}
  if (row >= sizes.rows) { return; }
  let start = row * sizes.classes;
  ${body}
}`;
}

/** Runs \`statement\` for the lane's columns, \`i\` being their element and \`j\` their number. */
export const forEachColumn = (statement: string): string => /* wgsl */ `
  for (var j = lane; j < sizes.classes; j += LANES) {
    let i = start + j;
    ${statement}
  }`;

/** The label as an index that exists, and whether it was one. */
export const labelOf = /* wgsl */ `
  let given = labels[row];
  let possible = given >= 0 && u32(given) < sizes.classes;
  let label = select(0u, u32(given), possible);`;
