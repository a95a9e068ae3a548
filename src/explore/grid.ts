/**
 * Points sorted into the square cells of a grid over their first two coordinates: whoever looks for what is near a point
 * begins with its own cell and goes on ring by ring. A distance is at least its part in those two coordinates, so after ring
 * r nothing that is left is nearer than r cells.
 */
import type { Distances } from './distances.ts';

/** Points of a cell, on average. */
const POINTS_IN_CELL = 3;
/** A cell taken as a little smaller than it is, for what coordinates lose when they are put into cells. */
const CAUTION = 1 - 1e-9;

/** The points among which a search looks, by cell. */
export class Grid {
  readonly #distances: Distances;
  readonly #side: number;
  /** Width of a cell, in units. */
  readonly #width: number;
  /** Cell c holds `#members[#starts[c]]` up to `#members[#starts[c + 1]]`, ascending. */
  readonly #starts: Uint32Array;
  readonly #members: Uint32Array;

  constructor(distances: Distances) {
    const { among, extent, unit } = distances;
    this.#distances = distances;
    this.#side = Math.max(1, Math.ceil(Math.sqrt(among.count / POINTS_IN_CELL)));
    const axes = Math.min(2, among.dimensions);
    let widest = 0;
    for (let axis = 0; axis < axes; axis++) {
      widest = Math.max(widest, extent.high[axis] / unit - extent.low[axis] / unit);
    }
    this.#width = widest / this.#side || 1;
    const cells = Uint32Array.from({ length: among.count }, (_, j) => {
      const [column, row] = this.#cellOf(among.values, among.scale ?? 1, j * among.dimensions, axes);
      return row * this.#side + column;
    });
    this.#starts = new Uint32Array(this.#side ** 2 + 1);
    for (const cell of cells) this.#starts[cell + 1]++;
    for (let cell = 0; cell < this.#side ** 2; cell++) this.#starts[cell + 1] += this.#starts[cell];
    const next = this.#starts.slice();
    this.#members = new Uint32Array(among.count);
    cells.forEach((cell, j) => {
      this.#members[next[cell]++] = j;
    });
  }

  #cellOf(values: ArrayLike<number>, scale: number, at: number, axes: number): [number, number] {
    const { extent, unit } = this.#distances;
    const cell = (axis: number): number => {
      if (axis >= axes) return 0;
      const along = (scale * values[at + axis]) / unit - extent.low[axis] / unit;
      return Math.min(this.#side - 1, Math.max(0, Math.floor(along / this.#width)));
    };
    return [cell(0), cell(1)];
  }

  /**
   * Visits points from the nearest cells outwards, until all that are left are farther away than `reach` says (the square of
   * a distance, in units squared).
   */
  visit(i: number, reach: () => number, see: (candidate: number) => void): void {
    const { points } = this.#distances;
    const axes = Math.min(2, points.dimensions);
    const [column, row] = this.#cellOf(points.values, points.scale ?? 1, i * points.dimensions, axes);
    const last = this.#side - 1;
    const farthest = Math.max(column, row, last - column, last - row);
    for (let ring = 0; ring <= farthest; ring++) {
      if (ring > 1 && reach() < (CAUTION * (ring - 1) * this.#width) ** 2) return;
      for (let y = Math.max(0, row - ring); y <= Math.min(last, row + ring); y++) {
        // Whole rows at the top and the bottom of a ring, two cells elsewhere.
        const step = Math.abs(y - row) === ring ? 1 : Math.max(1, 2 * ring);
        for (let x = column - ring; x <= column + ring; x += step) {
          if (x < 0 || x > last) continue;
          const cell = y * this.#side + x;
          for (let at = this.#starts[cell]; at < this.#starts[cell + 1]; at++) see(this.#members[at]);
        }
      }
    }
  }
}
