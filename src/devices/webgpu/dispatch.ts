/**
 * Dispatch grids. WebGPU allows 65,535 workgroups along each axis, and element counts go beyond that times the workgroup
 * size, so a linear range of threads is folded over x and y. The kernel unfolds it and must check `i` against its count,
 * because the last row overhangs.
 */

/**
 * Workgroup counts that cover `threads` invocations of a one-dimensional workgroup.
 * @param threads invocations needed; 0 gives an empty grid
 * @param workgroupSize invocations per workgroup (`@workgroup_size(workgroupSize)`)
 * @returns [x, y, 1] with x * y * workgroupSize >= threads
 * @throws RangeError if even a two-dimensional grid cannot hold them
 */
export function linearGrid(threads: number, workgroupSize: number, maxPerDimension = 65535): [number, number, number] {
  const groups = Math.ceil(threads / workgroupSize);
  if (groups <= maxPerDimension) return [groups, groups > 0 ? 1 : 0, 1];
  const y = Math.ceil(groups / maxPerDimension);
  if (y > maxPerDimension) throw new RangeError(`linearGrid: ${threads} threads do not fit into a dispatch.`);
  return [Math.ceil(groups / y), y, 1];
}

/**
 * The WGSL line that unfolds a linear grid into `i`. The entry point takes
 * `@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u`.
 * @example `${linearIndex(64)} if (i >= params.count) { return; }`
 */
export function linearIndex(workgroupSize: number): string {
  return /* wgsl */ `let i = id.x + id.y * (groups.x * ${workgroupSize}u);`;
}
