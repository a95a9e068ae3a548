/**
 * What the points of a finished map do to a point that joins them: for any place in the plane, the push of all of them and
 * the sum of their similarities, from a grid that is computed once (`interpolated-repulsion.ts`).
 */
import type { Device } from '../devices/device.ts';
import { keptColumns } from '../kernels/fourier/index.ts';
import { nodesAround } from '../kernels/tsne/index.ts';
import { InterpolatedRepulsion, type NodeGrid, Operands, spectraOf, transform } from './interpolated-repulsion.ts';

export class MapField {
  readonly #grid: NodeGrid;
  /** `[nodes, nodes, 3]`: both parts of the force, and the similarity. */
  readonly #field: Float64Array;

  private constructor(grid: NodeGrid, field: Float64Array) {
    this.#grid = grid;
    this.#field = field;
  }

  /** @param y `[count, 2]` */
  static async of(y: Float64Array, device: Device): Promise<MapField> {
    const count = y.length / 2;
    const own = new Operands(device);
    const repulsion = new InterpolatedRepulsion(count, device);
    try {
      await repulsion.begin(y, own.holding(y, [count, 2]));
      const { grid, charges, forces } = await repulsion.field();
      const { nodes } = grid;
      const similarity = await similarityOf(charges, grid, device);
      const field = new Float64Array(3 * nodes * nodes);
      for (let node = 0; node < nodes * nodes; node++) {
        field[3 * node] = forces[2 * node];
        field[3 * node + 1] = forces[2 * node + 1];
        field[3 * node + 2] = similarity[node];
      }
      return new MapField(grid, field);
    } finally {
      repulsion.dispose();
      own.release();
    }
  }

  /** Sums over the map's points of q^2 (x - x_j), q^2 (y - y_j) and q, into `out`. */
  at(x: number, y: number, out: Float64Array): void {
    const { nodes, spacing, origin } = this.#grid;
    const alongX = nodesAround((x - origin[0]) / spacing, nodes);
    const alongY = nodesAround((y - origin[1]) / spacing, nodes);
    out.fill(0);
    for (let row = 0; row < 3; row++) {
      for (let column = 0; column < 3; column++) {
        const weight = alongY.weights[row] * alongX.weights[column];
        const at = 3 * ((alongY.first + row) * nodes + alongX.first + column);
        for (let part = 0; part < 3; part++) out[part] += weight * this.#field[at + part];
      }
    }
  }
}

/**
 * The convolution of charges with q = 1 / (1 + d^2), `[nodes, nodes]`. With the transform F of a real grid, Re F - Im F (R. V.
 * L. Hartley, 1942) is real too and its own inverse, and as q is even it is multiplied by q's transform as F is.
 */
async function similarityOf(
  charges: ArrayLike<number>,
  { nodes, spacing }: NodeGrid,
  device: Device,
): Promise<Float64Array> {
  const size = 2 * nodes;
  const kept = keptColumns(size);
  // It holds the division by size^2 that the way back wants.
  const spectra = await spectraOf(nodes, spacing, device);
  const padded = new Float64Array(size * size);
  for (let row = 0; row < nodes; row++) {
    for (let column = 0; column < nodes; column++) padded[row * size + column] = charges[row * nodes + column];
  }
  const hartley = async (grid: Float64Array): Promise<Float64Array> => {
    const transformed = await transform(grid, size, device);
    return Float64Array.from({ length: size * size }, (_, at) => {
      const [row, column] = [Math.floor(at / size), at % size];
      const isKept = column <= nodes;
      const from = isKept ? row * kept + column : ((size - row) % size) * kept + (size - column);
      const [re, im] = [transformed[from], transformed[size * kept + from]];
      return isKept ? re - im : re + im;
    });
  };
  const product = (await hartley(padded)).map((value, at) => {
    const [row, column] = [Math.floor(at / size), at % size];
    return value * spectra[Math.min(row, size - row) * kept + Math.min(column, size - column)];
  });
  const similarity = await hartley(product);
  return Float64Array.from(
    { length: nodes * nodes },
    (_, at) => similarity[Math.floor(at / nodes) * size + (at % nodes)],
  );
}
