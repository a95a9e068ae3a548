/**
 * The WGSL forms of matrix multiplication: which tile strategy for which adapter and shape. How operands are addressed
 * stands in matmul.operands.wgsl.ts, how tiles are computed in matmul.registers.wgsl.ts and matmul.workgroup.wgsl.ts.
 */
import type { Spec, WebGpuAdapterInfo, WgslVariant } from '../../devices/kernel.ts';
import { type Contraction, planContraction } from './matmul.contraction.wgsl.ts';
import { matmulContraction } from './matmul.operands.wgsl.ts';
import { registerTile } from './matmul.registers.wgsl.ts';
import type { MatmulParams } from './matmul.ts';
import { type WorkgroupTile, workgroupBytes, workgroupThreads, workgroupTile } from './matmul.workgroup.wgsl.ts';

/** Whether tiles may be shared by a subgroup: its size is known, and one that a register tile can be cut for. */
export function hasSubgroupTiles({ subgroupSize }: WebGpuAdapterInfo): boolean {
  return [4, 8, 16, 32, 64].includes(subgroupSize);
}

/** Whether the largest workgroup tile fits the adapter's limits. */
export function hasWorkgroupTiles(adapter: WebGpuAdapterInfo): boolean {
  return WORKGROUP_TILES.every(
    tile =>
      workgroupThreads(tile) <= adapter.maxComputeInvocationsPerWorkgroup &&
      workgroupBytes(tile) <= adapter.maxComputeWorkgroupStorageSize,
  );
}

const subgroups: WgslVariant<MatmulParams> = {
  name: 'subgroup-registers',
  applies: (_specs, _params, adapter) => hasSubgroupTiles(adapter),
  prefers: (_specs, _params, adapter) => adapter.isSoftware,
  plan: (specs, params, { subgroupSize }) =>
    planContraction(
      matmulContraction(specs, params, { vectorsAlongK: false, copies: true }),
      registerTile({ lanes: subgroupSize, rows: 32, vectors: 1, wantedWorkgroups: 8 }),
    ),
};

/**
 * Workgroup tiles, largest first. A tile is chosen when it leaves enough of them to keep a GPU busy, and does not
 * overhang a small matrix much.
 */
const WORKGROUP_TILES: readonly WorkgroupTile[] = [
  { rows: 128, columns: 64, depth: 8, rowsPerThread: 8, columnsPerThread: 8, wantedWorkgroups: 1 },
  { rows: 64, columns: 64, depth: 8, rowsPerThread: 8, columnsPerThread: 4, wantedWorkgroups: 256 },
  { rows: 32, columns: 32, depth: 16, rowsPerThread: 4, columnsPerThread: 4, wantedWorkgroups: 256 },
];

/** The largest workgroup tile of which a contraction fills at least 512, else one that fits its smaller side. */
export function chooseWorkgroupTile({
  matrices,
  rows,
  columns,
}: Pick<Contraction, 'matrices' | 'rows' | 'columns'>): WorkgroupTile {
  const [large, medium, small] = WORKGROUP_TILES;
  const tiles = (tile: WorkgroupTile) => matrices * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
  if (Math.min(rows, columns) <= 32) return small;
  return tiles(large) >= 512 ? large : medium;
}

const workgroups: WgslVariant<MatmulParams> = {
  name: 'workgroup-tiles',
  applies: (_specs, _params, adapter) => hasWorkgroupTiles(adapter),
  prefers: (_specs, _params, adapter) => !adapter.isSoftware,
  plan: (specs, params) => {
    const contraction = matmulContraction(specs, params, { vectorsAlongK: true, copies: false });
    return planContraction(contraction, workgroupTile(chooseWorkgroupTile(contraction)));
  },
};

const registers: WgslVariant<MatmulParams> = {
  name: 'registers',
  applies: () => true,
  plan: (specs: readonly Spec[], params) =>
    planContraction(
      matmulContraction(specs, params, { vectorsAlongK: false, copies: true }),
      registerTile({ lanes: 1, rows: 8, vectors: 2, wantedWorkgroups: 2 }),
    ),
};

/** Tiles of pairs, small because each takes twice the registers. */
export const compensatedTile = registerTile({ lanes: 1, rows: 4, vectors: 1, wantedWorkgroups: 2, compensated: true });

const compensated: WgslVariant<MatmulParams> = {
  name: 'compensated',
  precision: 'highest',
  applies: () => true,
  plan: (specs: readonly Spec[], params) =>
    planContraction(matmulContraction(specs, params, { vectorsAlongK: false, copies: true }), compensatedTile),
};

export const matmulWgsl: readonly WgslVariant<MatmulParams>[] = [compensated, subgroups, workgroups, registers];
