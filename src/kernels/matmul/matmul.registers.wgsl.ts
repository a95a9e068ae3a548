/**
 * Tiles held in registers, without workgroup memory. With `lanes` = 1 every invocation owns a tile. With `lanes` = the
 * subgroup's size a subgroup owns it: each lane loads other rows of A and all of them hear every row by broadcast, while
 * each lane owns other columns. On software adapters, where a broadcast is one shuffle of a CPU vector and every load costs
 * dozens of instructions, this is several times faster than workgroup memory, which there is just another array.
 *
 * Compensated tiles keep every sum as a pair of float32 (../pairs.wgsl.ts) and round it once, at the end: WGSL has no float64.
 */

import { pairSums } from '../pairs.wgsl.ts';
import { type Contraction, lines, type TileStrategy } from './matmul.contraction.wgsl.ts';

export interface RegisterTile {
  /** Invocations that share a tile: 1, or the subgroup's size. */
  readonly lanes: number;
  /** Rows of the tile. */
  readonly rows: number;
  /** Groups of four columns that every lane owns. */
  readonly vectors: number;
  readonly wantedWorkgroups: number;
  /** Sums as pairs, about sixteen times as much arithmetic. */
  readonly compensated?: boolean;
}

/** Invocations of a workgroup whose tiles are private. */
const PRIVATE_TILES = 32;

export function registerTile(tile: RegisterTile): TileStrategy {
  return {
    rows: tile.rows,
    columns: tile.lanes * tile.vectors * 4,
    tilesPerWorkgroup: tile.lanes === 1 ? PRIVATE_TILES : 1,
    wantedWorkgroups: tile.wantedWorkgroups,
    compensated: tile.compensated,
    source: (contraction, operands) => registerTileSource(tile, contraction, operands),
  };
}

function registerTileSource(tile: RegisterTile, contraction: Contraction, operands: string): string {
  const { lanes, rows, vectors, compensated = false } = tile;
  const { loadA, loadB, skipsSegments } = contraction;
  const shared = lanes > 1;
  const rowsPerLoad = loadA === 'alongRows' ? 4 : 1;
  const loads = Math.ceil(rows / (lanes * rowsPerLoad));
  const step = loadA === 'alongK' || loadB === 'alongK' ? 4 : 1;

  /** Row `row` of A at k + q, as every lane needs it. */
  const elementOfA = (row: number, q: number): string => {
    const load = Math.floor(row / (lanes * rowsPerLoad));
    const component = loadA === 'alongK' ? `[${q}]` : loadA === 'alongRows' ? `[${row % 4}]` : '';
    const own = `a${load}${component}`;
    return shared ? `subgroupBroadcast(${own}, ${Math.floor(row / rowsPerLoad) % lanes}u)` : own;
  };
  const add = (i: number, j: number): string =>
    compensated ? `addProduct(&sum${i}_${j}, &low${i}_${j}, vec4f(s${i}), b${j});` : `sum${i}_${j} += s${i} * b${j};`;
  const declare = (i: number, j: number): string =>
    `var sum${i}_${j} = initial${j};${compensated ? ` var low${i}_${j} = vec4f();` : ''}`;
  // Parts of a split sum stay pairs until the second pass has added them.
  const result = (i: number, j: number): string =>
    compensated ? `select(joined(sum${i}_${j}, low${i}_${j}), sum${i}_${j}, sizes.parts > 1u)` : `sum${i}_${j}`;
  const storeAll = (part: string): string => /* wgsl */ `  for (var stored = row; stored < lastRow; stored++) {
${lines(vectors, 4, j => `store(${part}, matrix, stored, ownColumn + ${j * lanes}u, results[(stored - row) * ${vectors}u + ${j}u]);`)}
  }`;
  const multiplyAdd = (q: number): string => /* wgsl */ `      {
${loadA === 'alongK' ? '' : lines(loads, 8, h => `let a${h} = loadA(span${h}, k + ${q}u);`)}
${lines(vectors, 8, j => `let b${j} = ${loadB === 'alongK' ? `block${j}[${q}]` : `loadB(start${j}, k + ${q}u, column${j})`};`)}
${lines(rows, 8, i => `let s${i} = ${elementOfA(i, q)}; ${lines(vectors, 0, j => add(i, j)).replaceAll('\n', ' ')}`)}
      }`;

  return /* wgsl */ `// Register tiles of ${rows} rows x ${lanes * vectors * 4} columns, ${shared ? `one per subgroup of ${lanes}` : 'one per invocation'}.
${shared ? 'enable subgroups;' : ''}
${operands}
${compensated ? pairSums('vec4f', 'sizes.parts >> 31u') : ''}

@compute @workgroup_size(${shared ? lanes : PRIVATE_TILES})
fn main(
  ${shared ? '@builtin(workgroup_id) id: vec3u' : '@builtin(global_invocation_id) id: vec3u'},
  @builtin(num_workgroups) groups: vec3u,
  ${shared ? '@builtin(subgroup_invocation_id) lane: u32,' : ''}
) {
  ${shared ? '' : 'const lane = 0u;'}
  let tile = id.x + id.y * groups.x${shared ? '' : ` * ${PRIVATE_TILES}u`};
  if (tile >= sizes.parts * sizes.matrices * sizes.rowTiles * sizes.columnTiles) {
    return;
  }
  let columnTile = tile % sizes.columnTiles;
  let rowTile = tile / sizes.columnTiles % sizes.rowTiles;
  let matrix = tile / (sizes.columnTiles * sizes.rowTiles) % sizes.matrices;
  let part = tile / (sizes.columnTiles * sizes.rowTiles * sizes.matrices);

  let row = rowTile * ${rows}u;
${lines(loads, 2, h => `let row${h} = rowAt(matrix, row + (${h * lanes}u + lane) * ${rowsPerLoad}u);`)}
  let ownColumn = columnTile * ${lanes * vectors}u + lane;
${lines(vectors, 2, j => `let column${j} = min(ownColumn + ${j * lanes}u, sizes.columnVectors - 1u);`)}
${lines(vectors, 2, j => `let initial${j} = startValue(matrix, column${j});`)}
${lines(rows, 2, i => lines(vectors, 0, j => declare(i, j)).replaceAll('\n', ' '))}

  let lastSegment = min((part + 1u) * sizes.segmentsPerPart, sizes.segments);
  for (var segment = part * sizes.segmentsPerPart; segment < lastSegment; segment++) {
    ${skipsSegments ? 'if (skips(matrix, segment)) { continue; }' : ''}
${lines(loads, 4, h => `let span${h} = spanAt(row${h}, segment);`)}
${lines(vectors, 4, j => `let start${j} = startB(matrix, segment, column${j});`)}
    let length = lengthOf(segment);
    for (var k = 0u; k < length; k += ${step}u) {
${loadA === 'alongK' ? lines(loads, 6, h => `let a${h} = loadA(span${h}, k);`) : ''}
${loadB === 'alongK' ? lines(vectors, 6, j => `let block${j} = loadB(start${j}, k, column${j});`) : ''}
${lines(step, 0, multiplyAdd)}
    }
  }

  // Stored in a loop that compilers leave rolled (its count is not evident, the array is long): ${rows * vectors} inlined
  // stores in a row would take software adapters seconds to compile.
  var results: array<vec4f, ${Math.max(64, rows * vectors)}>;
${lines(rows * vectors, 2, e => `results[${e}] = ${result(Math.floor(e / vectors), e % vectors)};`)}
  let lastRow = min(row + ${rows}u, sizes.rows);
${storeAll('part')}
${
  compensated
    ? /* wgsl */ `  if (sizes.parts == 1u) { return; }
${lines(rows * vectors, 2, e => `results[${e}] = low${Math.floor(e / vectors)}_${e % vectors};`)}
${storeAll('sizes.parts + part')}`
    : ''
}
}
`;
}
