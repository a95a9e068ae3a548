/**
 * Repulsion between all points of a map in O(n + m log m) instead of O(n^2): each point's charge is spread over the nearest
 * of m nodes of a grid, one convolution by Fourier transforms acts between the nodes, and each point takes its force from the
 * nodes around it.
 *
 * Nodes lie at most a third of a unit apart (three to a box of 1, the scale on which 1 / (1 + d^2) changes), closer while the
 * map is small, so that it covers at least 50 boxes. The grid has a size whose transform is fast, and a spacing from a ladder:
 * both change seldom, and with them the spectra of what a charge does to its surroundings. With C the transform of the
 * charges and Q that of q(d) = 1 / (1 + |d|^2),
 *
 *     the sum over all pairs of q  =  sum of Q |C|^2                     (no transform back)
 *     sum over j of q^2 (y_i - y_j)  =  the inverse of X C, Y C at y_i    (X, Y the transforms of q(d)^2 d)
 *
 * Linderman et al. interpolate charges of 1, x and y on q^2 and combine them at each point, which takes seven transforms
 * where this takes three, and loses digits far from the origin. Splines smooth: X, Y and Q are divided by the transform of
 * the spline's values at the nodes, once for spreading and once for gathering.
 *
 * G. C. Linderman et al.: Fast interpolation-based t-SNE. Nature Methods 16, 2019. U. Essmann et al.: A smooth particle mesh
 * Ewald method. J. Chem. Phys. 103, 1995 (the splines).
 */
import type { Device, Operand } from '../devices/device.ts';
import { NonFiniteError } from '../devices/errors.ts';
import { release } from '../devices/storage.ts';
import { gridForces, isFourierSize, keptColumns, realFourier2d, twiddlesOf } from '../kernels/fourier/index.ts';
import { tsneGather, tsneSpread } from '../kernels/tsne/index.ts';

/** Nodes are never farther apart. */
const WIDEST_SPACING = 1 / 3;
/** Steps of the ladder of spacings: four to a factor of two. */
const LADDER = 4;
/** Nodes outside the map, on both sides together; see tsneSpread. */
const MARGIN = 6;
const FEWEST_NODES = 192;
const MOST_NODES = 1024;
/** Sides of grids: half the length of lines that are transformed; the others save less than they cost in new spectra. */
const SIDES = Array.from({ length: MOST_NODES - FEWEST_NODES + 1 }, (_, i) => FEWEST_NODES + i).filter(nodes =>
  isFourierSize(2 * nodes),
);

/** A grid over a map. */
export interface NodeGrid {
  /** Along each axis. */
  readonly nodes: number;
  /** Distance of two nodes. */
  readonly spacing: number;
  /** Coordinates of the first node. */
  readonly origin: readonly [number, number];
}

/**
 * The grid for a map `[count, 2]`.
 * @throws NonFiniteError where the map is not finite
 */
export function gridOver(y: ArrayLike<number>): NodeGrid {
  const low = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const high = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let sum = 0;
  for (let i = 0; i < y.length; i += 2) {
    const [a, b] = [y[i], y[i + 1]];
    if (a < low[0]) low[0] = a;
    if (a > high[0]) high[0] = a;
    if (b < low[1]) low[1] = b;
    if (b > high[1]) high[1] = b;
    sum += a + b;
  }
  const span = Math.max(high[0] - low[0], high[1] - low[1]);
  if (!Number.isFinite(sum) || !Number.isFinite(span))
    throw new NonFiniteError('t-SNE: coordinates of the map became NaN or infinite.');
  const nodes = SIDES.find(side => (side - MARGIN) * WIDEST_SPACING >= span) ?? SIDES.at(-1)!;
  // The closest spacing of the ladder with which the grid still covers the map.
  const needed = Math.max(span, Number.MIN_VALUE) / (nodes - MARGIN);
  const rung = Math.ceil(LADDER * Math.log2(needed / WIDEST_SPACING));
  const spacing = WIDEST_SPACING * 2 ** (Math.max(rung, -LADDER * 60) / LADDER);
  const half = ((nodes - 1) / 2) * spacing;
  return { nodes, spacing, origin: [(low[0] + high[0]) / 2 - half, (low[1] + high[1]) / 2 - half] };
}

/** Transforms of q, and of q^2 dx and q^2 dy over i, as `gridForces` takes them. */
export async function spectraOf(nodes: number, spacing: number, device: Device): Promise<Float64Array> {
  const size = 2 * nodes;
  const kept = keptColumns(size);
  const even = new Float64Array(size * size);
  const odd = new Float64Array(size * size);
  for (let row = 0, at = 0; row < size; row++) {
    const y = spacing * (row < nodes ? row : row - size);
    for (let column = 0; column < size; column++, at++) {
      const x = spacing * (column < nodes ? column : column - size);
      const q = 1 / (1 + x * x + y * y);
      even[at] = q;
      // Half a field away there is no side to be on.
      odd[at] = column === nodes ? 0 : q * q * x;
    }
  }
  const evenTransform = await transform(even, size, device);
  const oddTransform = await transform(odd, size, device);
  const smoothing = Float64Array.from({ length: nodes + 1 }, (_, k) => 0.75 + 0.25 * Math.cos((Math.PI * k) / nodes));
  const plane = (nodes + 1) * kept;
  const spectra = new Float64Array(3 * plane);
  for (let row = 0; row <= nodes; row++) {
    for (let column = 0; column <= nodes; column++) {
      const at = row * kept + column;
      const scale = 1 / (size * smoothing[row] * smoothing[column]) ** 2;
      spectra[at] = scale * evenTransform[at];
      if (column % nodes === 0) continue;
      spectra[plane + at] = scale * oddTransform[size * kept + at];
      // What is odd along the other axis is the same with rows and columns exchanged.
      spectra[2 * plane + column * kept + row] = scale * oddTransform[size * kept + at];
    }
  }
  return spectra;
}

/** The transform of a real grid, by `realFourier2d`. */
export async function transform(samples: Float64Array, size: number, device: Device): Promise<ArrayLike<number>> {
  const operands = new Operands(device);
  try {
    const x = operands.holding(samples, [size, size]);
    const out = operands.of([2, size, keptColumns(size)]);
    device.run(realFourier2d, [x, operands.holding(twiddlesOf(size), [size, 2])], [out], {});
    return await device.read(out.storage);
  } finally {
    operands.release();
  }
}

/** Storages that are given back together. */
export class Operands {
  readonly #device: Device;
  readonly #all: Operand[] = [];

  constructor(device: Device) {
    this.#device = device;
  }

  of(shape: readonly number[], dtype: 'float32' | 'int32' = 'float32'): Operand {
    const length = shape.reduce((size, extent) => size * extent, 1);
    const operand = { storage: this.#device.allocate(length, dtype), shape: [...shape] };
    this.#all.push(operand);
    return operand;
  }

  holding(values: Float64Array | Float32Array | Int32Array, shape: readonly number[]): Operand {
    const operand = this.of(shape, values instanceof Int32Array ? 'int32' : 'float32');
    this.#device.write(operand.storage, values);
    return operand;
  }

  release(): void {
    for (const { storage } of this.#all.splice(0)) release(storage);
  }
}

/** What is kept as long as the grid's size and spacing stay. */
interface Field {
  readonly nodes: number;
  readonly spacing: number;
  readonly operands: Operands;
  readonly spectra: Operand;
  readonly twiddles: Operand;
  readonly charges: Operand;
  readonly forces: Operand;
  readonly energies: Operand;
}

/** Repulsion on a device, for one map after the other. */
export class InterpolatedRepulsion {
  readonly #device: Device;
  readonly #count: number;
  readonly #own: Operands;
  readonly #placement: Operand;
  readonly #repulsion: Operand;
  #field: Field | undefined;
  #grid: NodeGrid | undefined;

  constructor(count: number, device: Device) {
    this.#device = device;
    this.#count = count;
    this.#own = new Operands(device);
    this.#placement = this.#own.of([3]);
    this.#repulsion = this.#own.of([count, 2]);
  }

  /**
   * Enqueues the work for a map.
   * @param values `[count, 2]` on the host, and `y` the same on the device
   */
  async begin(values: Float64Array, y: Operand): Promise<void> {
    const grid = gridOver(values);
    const { nodes, spacing, origin } = grid;
    if (this.#field?.nodes !== nodes || this.#field.spacing !== spacing) await this.#renewField(nodes, spacing);
    const { charges, spectra, twiddles, forces, energies } = this.#field!;
    this.#grid = grid;
    const device = this.#device;
    device.write(this.#placement.storage, Float64Array.of(...origin, 1 / spacing));
    device.run(tsneSpread, [y, this.#placement], [charges], { nodes });
    device.run(gridForces, [charges, spectra, twiddles], [forces, energies], {});
    device.run(tsneGather, [y, this.#placement, forces], [this.#repulsion], {});
  }

  /** `[count, 2]` sums of q^2 (y_i - y_j), and the sum of q over all pairs of different points. */
  async finish(): Promise<{ repulsion: ArrayLike<number>; normalizer: number }> {
    const { nodes, energies } = this.#field!;
    const repulsion = await this.#device.read(this.#repulsion.storage);
    const parts = await this.#device.read(energies.storage);
    // The columns between the first and the last stand for two.
    let normalizer = parts[0] + parts[nodes];
    for (let column = 1; column < nodes; column++) normalizer += 2 * parts[column];
    // Each point has met itself, at a distance of 0.
    return { repulsion, normalizer: normalizer - this.#count };
  }

  /** The grid of the last map, its charges `[nodes, nodes]` and its forces `[nodes, nodes, 2]`. */
  async field(): Promise<{ grid: NodeGrid; charges: ArrayLike<number>; forces: ArrayLike<number> }> {
    const { charges, forces } = this.#field!;
    const [read, field] = [await this.#device.read(charges.storage), await this.#device.read(forces.storage)];
    return { grid: this.#grid!, charges: read, forces: field };
  }

  async #renewField(nodes: number, spacing: number): Promise<void> {
    this.#field?.operands.release();
    this.#field = undefined;
    const spectra = await spectraOf(nodes, spacing, this.#device);
    const operands = new Operands(this.#device);
    const kept = keptColumns(2 * nodes);
    this.#field = {
      ...{ nodes, spacing, operands },
      spectra: operands.holding(spectra, [3, nodes + 1, kept]),
      twiddles: operands.holding(twiddlesOf(2 * nodes), [2 * nodes, 2]),
      charges: operands.of([nodes, nodes]),
      forces: operands.of([nodes, nodes, 2]),
      energies: operands.of([kept]),
    };
  }

  dispose(): void {
    this.#field?.operands.release();
    this.#field = undefined;
    this.#own.release();
  }
}
