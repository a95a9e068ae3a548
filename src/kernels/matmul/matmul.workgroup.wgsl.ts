/**
 * Tiles shared through workgroup memory, for real GPUs. A workgroup walks along the sum in slabs of `depth` positions: its
 * invocations fetch the slab of A and of B together, then each multiplies its own block of rowsPerThread x
 * columnsPerThread from workgroup memory. The slab after the current one is fetched into registers before the arithmetic
 * starts and written to the other half of the memory after it, so that the loads' latency hides behind the
 * multiplications and one barrier per slab is enough (double buffering).
 *
 * The slab of A lies as A does: in vectors of four rows where A is transposed, otherwise in vectors of four positions (one
 * of which is read per four positions of the loop), so that nothing is transposed on the way and every access to
 * workgroup memory moves a whole vector.
 */
import { type Contraction, lines, type TileStrategy } from './matmul.contraction.wgsl.ts';

export interface WorkgroupTile {
  /** Rows and columns of the tile: multiples of the block's. */
  readonly rows: number;
  readonly columns: number;
  /** Positions of a slab; a multiple of 4. */
  readonly depth: number;
  /** Block of one invocation; multiples of 4. */
  readonly rowsPerThread: number;
  readonly columnsPerThread: number;
  readonly wantedWorkgroups: number;
}

/** Bytes of workgroup memory: two slabs of A and B. */
export function workgroupBytes({ rows, columns, depth }: WorkgroupTile): number {
  return 2 * 4 * (rows * (depth + 4) + columns * depth);
}

export function workgroupThreads({ rows, columns, rowsPerThread, columnsPerThread }: WorkgroupTile): number {
  return (rows / rowsPerThread) * (columns / columnsPerThread);
}

export function workgroupTile(tile: WorkgroupTile): TileStrategy {
  return {
    rows: tile.rows,
    columns: tile.columns,
    tilesPerWorkgroup: 1,
    wantedWorkgroups: tile.wantedWorkgroups,
    source: (contraction, operands) => workgroupTileSource(tile, contraction, operands),
  };
}

function workgroupTileSource(tile: WorkgroupTile, contraction: Contraction, operands: string): string {
  const { rows, columns, depth, rowsPerThread, columnsPerThread } = tile;
  const { loadA, loadB, skipsSegments } = contraction;
  const threads = workgroupThreads(tile);
  const threadColumns = columns / columnsPerThread;
  const threadRows = rows / rowsPerThread;
  const columnVectors = columnsPerThread / 4;

  // Fetch number f of a slab is made by invocation f % threads: a vector of A; of B four columns at one position, or at four.
  const alongRows = loadA === 'alongRows';
  const quadsOfA = alongRows ? rows / 4 : depth / 4;
  const totalA = (rows * depth) / 4;
  const totalB = (columns * depth) / (loadB === 'alongK' ? 16 : 4);
  const countA = Math.ceil(totalA / threads);
  const countB = Math.ceil(totalB / threads);
  const guarded = (fetch: string, total: number, statement: string) =>
    total % threads === 0 ? statement : `if (${fetch} < ${total}u) { ${statement} }`;
  const keepA = (f: number) =>
    guarded(`fetchA${f}`, totalA, `slabA[half][${alongRows ? `kA${f}][rowA${f}` : `rowA${f}][kA${f}`} / 4u] = a${f};`);
  const keepB = (f: number) =>
    guarded(
      `fetchB${f}`,
      totalB,
      loadB === 'columns'
        ? `slabB[half][kB${f}][columnB${f}] = b${f};`
        : [0, 1, 2, 3].map(q => `slabB[half][kB${f} + ${q}u][columnB${f}] = b${f}[${q}];`).join(' '),
    );

  const products = (q: number) => /* wgsl */ `
${lines(columnVectors, 6, j => `let columns${j}_${q} = slabB[1u - half][q + ${q}u][blockColumn + ${j * threadColumns}u];`)}
${alongRows ? lines(rowsPerThread / 4, 6, i => `let rows${i}_${q} = slabA[1u - half][q + ${q}u][blockRow * ${rowsPerThread / 4}u + ${i}u];`) : ''}
${lines(rowsPerThread, 6, i => {
  const a = alongRows ? `rows${Math.floor(i / 4)}_${q}[${i % 4}]` : `rows${i}[${q}]`;
  return lines(columnVectors, 0, j => `sum${i}_${j} += ${a} * columns${j}_${q};`).replaceAll('\n', ' ');
})}`;

  return /* wgsl */ `// Tiles of ${rows} x ${columns} in workgroup memory, slabs of ${depth}, blocks of ${rowsPerThread} x ${columnsPerThread} per invocation.
${operands}

// One vector more per row than there is data: rows then start in different banks.
var<workgroup> slabA: array<array<array<vec4f, ${quadsOfA + (alongRows ? 0 : 1)}>, ${alongRows ? depth : rows}>, 2>;
var<workgroup> slabB: array<array<array<vec4f, ${columns / 4}>, ${depth}>, 2>;

${loadA === 'element' ? QUAD_OF_ELEMENTS : ''}

// The next segment that contributes to this matrix.
fn nextSegment(matrix: u32, first: u32, last: u32) -> u32 {
  var segment = first;
  ${skipsSegments ? 'while (segment < last && skips(matrix, segment)) { segment++; }' : ''}
  return segment;
}

@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let tile = id.x + id.y * groups.x;
  if (tile >= sizes.parts * sizes.matrices * sizes.rowTiles * sizes.columnTiles) {
    return;
  }
  let columnTile = tile % sizes.columnTiles;
  let rowTile = tile / sizes.columnTiles % sizes.rowTiles;
  let matrix = tile / (sizes.columnTiles * sizes.rowTiles) % sizes.matrices;
  let part = tile / (sizes.columnTiles * sizes.rowTiles * sizes.matrices);

  // What this invocation fetches of every slab.
${lines(countA, 2, f => `let fetchA${f} = thread + ${f * threads}u; let rowA${f} = fetchA${f} ${alongRows ? `% ${quadsOfA}u * 4u` : `/ ${quadsOfA}u`}; let kA${f} = fetchA${f} ${alongRows ? `/ ${quadsOfA}u` : `% ${quadsOfA}u * 4u`};`)}
${lines(countA, 2, f => `let row${f} = rowAt(matrix, rowTile * ${rows}u + rowA${f});`)}
${lines(countB, 2, f => `let fetchB${f} = thread + ${f * threads}u; let columnB${f} = fetchB${f} ${loadB === 'columns' ? `% ${columns / 4}u` : `/ ${depth / 4}u`}; let kB${f} = fetchB${f} ${loadB === 'columns' ? `/ ${columns / 4}u` : `% ${depth / 4}u * 4u`};`)}
${lines(countB, 2, f => `let column${f} = min(columnTile * ${columns / 4}u + columnB${f}, sizes.columnVectors - 1u);`)}

  // What it computes: a block of the tile, spread so that neighbours read neighbouring vectors.
  let blockRow = thread / ${threadColumns}u;
  let blockColumn = thread % ${threadColumns}u;
${lines(rowsPerThread, 2, i => lines(columnVectors, 0, j => `var sum${i}_${j} = vec4f();`).replaceAll('\n', ' '))}

  let last = min((part + 1u) * sizes.segmentsPerPart, sizes.segments);
  var segment = nextSegment(matrix, part * sizes.segmentsPerPart, last);
  var k = 0u;
  var half = 0u;
  // Positions of the slab in memory that count; none at first.
  var positions = 0u;
  loop {
    // Fetch the slab at (segment, k), if there is one, while the one before it waits in memory.
    let more = segment < last;
    var fetched = 0u;
${lines(countA, 4, f => `var a${f} = vec4f();`)}
${lines(countB, 4, f => `var b${f} = ${loadB === 'columns' ? 'vec4f' : 'mat4x4f'}();`)}
    if (more) {
      let length = lengthOf(segment);
${lines(countA, 6, f => `if (k + kA${f} < length) { a${f} = ${loadA === 'element' ? `quadOfA(spanAt(row${f}, segment), k + kA${f}, length)` : `loadA(spanAt(row${f}, segment), k + kA${f})`}; }`)}
${lines(countB, 6, f => `if (k + kB${f} < length) { b${f} = loadB(startB(matrix, segment, column${f}), k + kB${f}, column${f}); }`)}
      fetched = min(length - k, ${depth}u);
      k += ${depth}u;
      if (k >= length) {
        k = 0u;
        segment = nextSegment(matrix, segment + 1u, last);
      }
    }
    for (var q = 0u; q < positions; q += 4u) {
${alongRows ? '' : lines(rowsPerThread, 6, i => `let rows${i} = slabA[1u - half][blockRow + ${i * threadRows}u][q / 4u];`)}
${lines(4, 0, products)}
    }
    if (!more) {
      break;
    }
${lines(countA, 4, keepA)}
${lines(countB, 4, keepB)}
    workgroupBarrier();
    half = 1u - half;
    positions = fetched;
  }

${lines(columnVectors, 2, j => `let ownColumn${j} = columnTile * ${columns / 4}u + blockColumn + ${j * threadColumns}u;`)}
${lines(columnVectors, 2, j => `let initial${j} = startValue(matrix, min(ownColumn${j}, sizes.columnVectors - 1u));`)}
  var results: array<vec4f, ${Math.max(64, rowsPerThread * columnVectors)}>;
${lines(rowsPerThread * columnVectors, 2, e => `results[${e}] = initial${e % columnVectors} + sum${Math.floor(e / columnVectors)}_${e % columnVectors};`)}
  // A loop whose count is not evident stays rolled, and compiles fast.
  let firstRow = rowTile * ${rows}u + blockRow${alongRows ? ` * ${rowsPerThread}u` : ''};
  let endRow = min(${alongRows ? `firstRow + ${rowsPerThread}u` : `(rowTile + 1u) * ${rows}u`}, sizes.rows);
  for (var row = firstRow; row < endRow; row += ${alongRows ? 1 : threadRows}u) {
    let i = (row - firstRow) / ${alongRows ? 1 : threadRows}u * ${columnVectors}u;
${lines(columnVectors, 4, j => `store(part, matrix, row, ownColumn${j}, results[i + ${j}u]);`)}
  }
}
`;
}

const QUAD_OF_ELEMENTS = /* wgsl */ `// Four elements of A along k, zeros past the end.
fn quadOfA(span: Span, k: u32, length: u32) -> vec4f {
  var quad = vec4f();
  let count = min(4u, length - k);
  for (var q = 0u; q < count; q++) {
    quad[q] = loadA(span, k + q);
  }
  return quad;
}`;
