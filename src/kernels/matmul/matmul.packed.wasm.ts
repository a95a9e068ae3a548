/**
 * The general matrix multiplication: packed and blocked (Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication", 2008), in two passes.
 *
 * 1. `pack` writes B as panels of 8 columns (16 on wide devices), k outermost, zeros beyond the last column. The bias is the panel's row
 *    before k = 0, so a tile that starts from its panel's first row has the bias (or zeros) in it already:
 *
 *        panel = [ bias 8 | B[0, 8 columns] | B[1, 8 columns] | ... ]
 *
 * 2. `multiply` takes one block of C per task. For each block of k it packs the block of A into panels of 4 rows in the
 *    thread's own memory (at most 64 x 256 x 4 bytes = 64 KiB, in L2) and runs, for every B panel (at most 8 KiB, in
 *    L1), the register tile down all panels of A. Between blocks of k the tiles rest in `partial`, whole and in order, so
 *    that C is written once and its edges matter only there.
 *
 * Which way a matrix is transposed only chooses the packing loop. Sizes are arguments, so one program serves all shapes.
 *
 * The variant `packed-float64` is the same with sums in float64 and longer blocks of k: `partial` is float32.
 */
import {
  input,
  output,
  type Spec,
  scratch,
  type WasmAdapterInfo,
  type WasmPlan,
  type WasmVariant,
} from '../../devices/kernel.ts';
import { sizeOf } from '../../devices/shape.ts';
import {
  F32x4,
  type FunctionBuilder,
  type FunctionReference,
  I32,
  i32,
  type ModuleBuilder,
  type WasmProgram,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import { type MatmulParams, type MatmulSizes, matmulSizes } from './matmul.ts';
import { definePackColumns, definePackRows } from './panel.wasm.ts';
import { copyTileEdge, minimum, RegisterTile, TILE_ROWS, tileBytes, tileColumns, wideTiles } from './tile.wasm.ts';

/** Steps of k that keep a B panel and an A panel in L1. */
const MAX_DEPTH = { float32: 256, float64: 4096 };
/** Columns of a block: with 64 rows, `partial` and the A block share L2. */
const MAX_BLOCK_COLUMNS = 512;
/** Fewer tasks than this leave threads idle or unevenly loaded; blocks shrink to reach it. */
const WANTED_TASKS = 8;
/** Work worth waking a thread for, in multiply-adds and in packed elements. */
const GRAIN_MULTIPLY_ADDS = 500_000;
const GRAIN_ELEMENTS = 50_000;

export interface Blocking {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple;
/** Equal parts of at most `limit`, each a multiple of `multiple`. */
const evenPart = (extent: number, limit: number, multiple: number) =>
  Math.max(multiple, roundUp(Math.ceil(extent / Math.max(1, Math.ceil(extent / limit))), multiple));

/** Block sizes: a function of the shape alone, so that results do not depend on the number of threads. */
export function chooseBlocking(
  { batch, m, n, k }: Pick<MatmulSizes, 'batch' | 'm' | 'n' | 'k'>,
  tileWidth: number,
  maxDepth = MAX_DEPTH.float32,
): Blocking {
  let rows = evenPart(m, m >= 512 ? 64 : 32, TILE_ROWS);
  let columns = evenPart(n, MAX_BLOCK_COLUMNS, tileWidth);
  const tasks = () => batch * Math.ceil(m / rows) * Math.ceil(n / columns);
  while (tasks() < WANTED_TASKS && columns > 64) columns = evenPart(n, columns / 2, tileWidth);
  while (tasks() < WANTED_TASKS && rows > 16) rows = evenPart(m, rows / 2, TILE_ROWS);
  return { rows, columns, depth: evenPart(Math.max(k, 1), maxDepth, 1) };
}

/** One leading axis over which matrices repeat: its extent and the elements between matrices of A and of B. */
interface BatchAxis {
  readonly extent: number;
  readonly strideA: number;
  readonly strideB: number;
}

/** The batch axes with neighbours merged where both matrices lie in steady steps: most often none or one is left. */
export function batchAxes(sizes: MatmulSizes): BatchAxis[] {
  const axes: BatchAxis[] = [];
  sizes.batchShape.forEach((extent, axis) => {
    if (extent === 1) return;
    const strideA = sizes.batchStridesA[axis];
    const strideB = sizes.batchStridesB[axis];
    const outer = axes.at(-1);
    if (outer && outer.strideA === strideA * extent && outer.strideB === strideB * extent) {
      axes[axes.length - 1] = { extent: outer.extent * extent, strideA, strideB };
    } else axes.push({ extent, strideA, strideB });
  });
  return axes;
}

interface Layout {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly bias: boolean;
  readonly relu: boolean;
  readonly relaxed: boolean;
  readonly float64: boolean;
  /** Columns of a panel of B and of the register tile. */
  readonly tileWidth: number;
  readonly axes: readonly BatchAxis[];
  /** Elements of one matrix of B, when there are several. */
  readonly matrixB: number;
}

export function packedProgram(layout: Layout): WasmProgram {
  return wasmProgram(
    `matmul packed ${JSON.stringify(layout)}`,
    m => {
      definePack(m, layout);
      defineMultiply(m, layout, defineTiles(m, layout));
    },
    wideTiles(layout),
  );
}

/** Defines `pack(start, end, b, bias, panels, n, k)`: one task packs one panel of one matrix of B. */
export function definePack(m: ModuleBuilder, layout: Pick<Layout, 'transposeB' | 'bias' | 'tileWidth'>): void {
  const { tileWidth } = layout;
  const packColumns = (layout.transposeB ? definePackRows : definePackColumns)(m, tileWidth);
  m.function(
    'pack',
    { start: i32, end: i32, b: i32, bias: i32, panels: i32, n: i32, k: i32 },
    (f, { start, end, b, bias, panels, n, k }) => {
      const panelsPerMatrix = f.let(n.add(tileWidth - 1).divU(tileWidth));
      const panelBytes = f.let(k.add(1).mul(tileWidth * 4));
      f.for(start, end, 1, task => {
        const matrix = f.let(b.add(task.divU(panelsPerMatrix).mul(n.mul(k)).shl(2)));
        const column = f.let(task.remU(panelsPerMatrix).mul(tileWidth));
        const valid = f.let(minimum(n.sub(column), tileWidth));
        const panel = f.let(panels.add(task.mul(panelBytes)));
        for (let j = 0; j < tileWidth; j += 4) f.store(panel, F32x4.constant(0, 0, 0, 0), 4 * j);
        if (layout.bias) {
          f.for(0, valid, 1, j => f.store(panel.add(j.shl(2)), bias.add(column.add(j).shl(2)).f32()));
        }
        const [from, stride] = layout.transposeB
          ? [matrix.add(column.mul(k).shl(2)), k.shl(2)]
          : [matrix.add(column.shl(2)), n.shl(2)];
        f.call(packColumns, [from, panel.add(tileWidth * 4), stride, valid, k]);
      });
    },
  );
}

/** Bytes of a tile between blocks of k. */
const partialBytes = ({ tileWidth, float64 }: Pick<Layout, 'tileWidth' | 'float64'>): number =>
  (float64 ? 2 : 1) * tileBytes(tileWidth);

/** Runs the register tile down all A panels of the block against one B panel. */
function defineTiles(m: ModuleBuilder, layout: Layout): FunctionReference {
  const { relu, relaxed, float64, tileWidth } = layout;
  return m.inner(
    {
      groups: i32,
      depth: i32,
      a: i32,
      b: i32,
      /** The panel's bias row, where tiles start at the first block of k; 0 to go on from `partial`. */
      bias: i32,
      /** This panel's tiles between blocks of k. */
      partial: i32,
      /** 0 until the last block of k. */
      last: i32,
      c: i32,
      rowBytes: i32,
      rows: i32,
      columns: i32,
    },
    undefined,
    (f, { groups, depth, a, b, bias, partial, last, c, rowBytes, rows, columns }) => {
      const tile = new RegisterTile(f, { rows: [0, 4, 8, 12], columns: tileWidth, relaxed, float64 });
      f.repeat(groups, () => {
        f.if(
          bias,
          () => tile.startFromRow(bias),
          () => (float64 ? tile.restore(partial) : tile.load(partial, tileWidth * 4)),
        );
        tile.accumulate({ a, b: f.let(b), stepA: TILE_ROWS * 4, stepB: tileWidth * 4, depth });
        f.if(
          last.and(rows.ge(TILE_ROWS)).and(columns.eq(tileWidth)),
          () => {
            if (relu) tile.relu();
            tile.storeRows(c, rowBytes);
          },
          () => {
            const copyEdge = (): void => {
              const some = f.let(minimum(rows, TILE_ROWS));
              copyTileEdge(f, { tile: partial, tileColumns: tileWidth, c, rowBytes, rows: some, columns });
            };
            if (float64) {
              const finish = (): void => {
                if (relu) tile.relu();
                tile.store(partial, tileWidth * 4);
                copyEdge();
              };
              f.if(last, finish, () => tile.save(partial));
              return;
            }
            if (relu) f.if(last, () => tile.relu());
            tile.store(partial, tileWidth * 4);
            f.if(last, copyEdge);
          },
        );
        f.advance(partial, partialBytes(layout));
        f.advance(c, rowBytes.mul(TILE_ROWS));
        f.advance(rows, -TILE_ROWS);
      });
    },
  );
}

const MULTIPLY_PARAMETERS = {
  start: i32,
  end: i32,
  a: i32,
  panels: i32,
  c: i32,
  /** The thread's own packed block of A. */
  block: i32,
  /** The thread's own tiles between blocks of k, one per tile of the block of C. */
  partial: i32,
  m: i32,
  n: i32,
  k: i32,
  blockRows: i32,
  blockColumns: i32,
  blockDepth: i32,
};

/** One task is one block of C: rows x columns of one output matrix. */
function defineMultiply(m: ModuleBuilder, layout: Layout, tiles: FunctionReference): void {
  const { tileWidth } = layout;
  const packRows = (layout.transposeA ? definePackColumns : definePackRows)(m, TILE_ROWS);
  m.function(
    'multiply',
    MULTIPLY_PARAMETERS,
    (f, { start, end, a, panels, c, block, partial, m, n, k, blockRows, blockColumns, blockDepth }) => {
      const rowBlocks = f.let(m.add(blockRows).sub(1).divU(blockRows));
      const columnBlocks = f.let(n.add(blockColumns).sub(1).divU(blockColumns));
      const panelBytes = f.let(k.add(1).mul(tileWidth * 4));
      const matrixPanelBytes = f.let(
        n
          .add(tileWidth - 1)
          .divU(tileWidth)
          .mul(panelBytes),
      );
      f.for(start, end, 1, task => {
        const column = f.let(task.remU(columnBlocks).mul(blockColumns));
        const row = f.let(task.divU(columnBlocks).remU(rowBlocks).mul(blockRows));
        const matrix = f.let(task.divU(columnBlocks.mul(rowBlocks)));
        const { matrixA, matrixB } = locateMatrices(f, layout, matrix);
        const rows = f.let(minimum(m.sub(row), blockRows));
        const columns = f.let(minimum(n.sub(column), blockColumns));
        const groups = f.let(rows.add(TILE_ROWS - 1).shrU(2));
        const origin = f.let(a.add(matrixA.shl(2)));
        const firstPanel = f.let(panels.add(matrixB.mul(matrixPanelBytes)).add(column.divU(tileWidth).mul(panelBytes)));
        const target = f.let(c.add(matrix.mul(m).add(row).mul(n).add(column).shl(2)));

        // One block of k runs even when k is 0: it writes the bias.
        const from = f.let(I32.constant(0));
        f.doWhile(
          () => {
            const depth = f.let(minimum(k.sub(from), blockDepth));
            f.for(0, rows, TILE_ROWS, i => {
              const index = layout.transposeA ? from.mul(m).add(row).add(i) : row.add(i).mul(k).add(from);
              const stride = (layout.transposeA ? m : k).shl(2);
              const valid = minimum(rows.sub(i), TILE_ROWS);
              f.call(packRows, [origin.add(index.shl(2)), block.add(i.mul(depth).shl(2)), stride, valid, depth]);
            });
            const panel = f.let(firstPanel);
            const tile = f.let(partial);
            f.for(0, columns, tileWidth, j => {
              f.call(tiles, [
                groups,
                depth,
                block,
                panel.add(from.add(1).mul(tileWidth * 4)),
                from.eqz().select(panel, I32.constant(0)),
                tile,
                from.add(depth).ge(k),
                target.add(j.shl(2)),
                n.shl(2),
                rows,
                minimum(columns.sub(j), tileWidth),
              ]);
              f.advance(panel, panelBytes);
              f.advance(tile, groups.mul(partialBytes(layout)));
            });
            f.advance(from, blockDepth);
          },
          () => from.lt(k),
        );
      });
    },
  );
}

/** Element offset of the A matrix and number of the B matrix that make output matrix `matrix`. */
function locateMatrices(f: FunctionBuilder, { axes, matrixB }: Layout, matrix: I32): { matrixA: I32; matrixB: I32 } {
  const rest = f.let(matrix);
  const offsetA = f.local(i32);
  const indexB = f.local(i32);
  f.set(offsetA, 0);
  f.set(indexB, 0);
  axes.toReversed().forEach(({ extent, strideA, strideB }) => {
    const position = f.let(rest.remU(extent));
    f.set(rest, rest.divU(extent));
    f.advance(offsetA, position.mul(strideA));
    f.advance(indexB, position.mul(strideB / matrixB));
  });
  return { matrixA: offsetA, matrixB: indexB };
}

/** The two passes for given operands; convolutions that are plain matrix products use it too. */
export function planPacked(
  specs: readonly Spec[],
  params: MatmulParams,
  adapter: WasmAdapterInfo,
  float64 = false,
): WasmPlan {
  const sizes = matmulSizes(specs, params);
  const { batch, m, n, k } = sizes;
  const tileWidth = tileColumns(adapter, n);
  const program = packedProgram({
    tileWidth,
    transposeA: params.transposeA,
    transposeB: params.transposeB,
    bias: specs.length > 2,
    relu: params.activation === 'relu',
    relaxed: adapter.relaxedSimd,
    float64,
    axes: batchAxes(sizes),
    matrixB: batch > 1 ? Math.max(1, n * k) : 1,
  });
  const blocking = chooseBlocking(sizes, tileWidth, float64 ? MAX_DEPTH.float64 : MAX_DEPTH.float32);
  const matricesB = sizeOf(specs[1].shape.slice(0, -2));
  const panels = matricesB * Math.ceil(n / tileWidth);
  const tasks = batch * Math.ceil(m / blocking.rows) * Math.ceil(n / blocking.columns);
  const multiplyAdds = blocking.rows * blocking.columns * Math.max(k, 1);
  return {
    scratch: [
      { bytes: Math.max(64, panels * (k + 1) * tileWidth * 4) },
      { bytes: blocking.rows * blocking.depth * 4, perThread: true },
      { bytes: blocking.rows * blocking.columns * (float64 ? 8 : 4), perThread: true },
    ],
    passes: [
      {
        program,
        entry: 'pack',
        tasks: panels,
        grain: Math.ceil(GRAIN_ELEMENTS / ((k + 1) * tileWidth)),
        args: [input(1), specs.length > 2 ? input(2) : 0, scratch(0), n, k],
        prepares: true,
      },
      {
        program,
        entry: 'multiply',
        tasks,
        grain: Math.ceil(GRAIN_MULTIPLY_ADDS / multiplyAdds),
        args: [
          input(0),
          scratch(0),
          output(0),
          scratch(1),
          scratch(2),
          m,
          n,
          k,
          blocking.rows,
          blocking.columns,
          blocking.depth,
        ],
      },
    ],
  };
}

export const matmulPacked: WasmVariant<MatmulParams> = {
  name: 'packed',
  applies: () => true,
  plan: (specs, params, adapter) => planPacked(specs, params, adapter),
};

export const matmulPackedFloat64: WasmVariant<MatmulParams> = {
  name: 'packed-float64',
  precision: 'highest',
  applies: () => true,
  plan: (specs, params, adapter) => planPacked(specs, params, adapter, true),
};
