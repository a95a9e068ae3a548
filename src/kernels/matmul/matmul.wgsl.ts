/**
 * The WGSL forms of matrix multiplication: which tile strategy for which adapter and shape. How operands are addressed
 * stands in matmul.operands.wgsl.ts, how tiles are computed in matmul.registers.wgsl.ts and matmul.workgroup.wgsl.ts.
 */
import type { Spec, WebGpuAdapterInfo, WgslVariant } from '../../devices/kernel.ts';
import { planContraction } from './matmul.contraction.wgsl.ts';
import { matmulContraction } from './matmul.operands.wgsl.ts';
import { registerTile } from './matmul.registers.wgsl.ts';
import type { MatmulParams } from './matmul.ts';

/** Whether tiles may be shared by a subgroup: its size is known, and one that a register tile can be cut for. */
export function hasSubgroupTiles({ subgroupSize }: WebGpuAdapterInfo): boolean {
  return [4, 8, 16, 32, 64].includes(subgroupSize);
}

const subgroups: WgslVariant<MatmulParams> = {
  name: 'subgroup-registers',
  applies: (_specs, _params, adapter) => hasSubgroupTiles(adapter),
  prefers: (_specs, _params, adapter) => adapter.isSoftware,
  plan: (specs, params, { subgroupSize }) =>
    planContraction(
      matmulContraction(specs, params, { vectorsAlongK: false }),
      registerTile({ lanes: subgroupSize, rows: 32, vectors: 1, wantedWorkgroups: 8 }),
    ),
};

const registers: WgslVariant<MatmulParams> = {
  name: 'registers',
  applies: () => true,
  plan: (specs: readonly Spec[], params) =>
    planContraction(
      matmulContraction(specs, params, { vectorsAlongK: false }),
      registerTile({ lanes: 1, rows: 8, vectors: 2, wantedWorkgroups: 2 }),
    ),
};

export const matmulWgsl: readonly WgslVariant<MatmulParams>[] = [subgroups, registers];
