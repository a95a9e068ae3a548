/** Epochs of UMAP on a device: points move along the due edges of a graph, and away from points that they meet by chance. */
import type { Device, Operand } from '../devices/device.ts';
import { NonFiniteError } from '../devices/errors.ts';
import { streamNamed } from '../kernels/random/philox.ts';
import { umapEpoch } from '../kernels/umap/index.ts';
import { Operands } from './interpolated-repulsion.ts';

export interface LayoutEdges {
  /** Row i holds entries `starts[i]` to `starts[i + 1]`. */
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  /** How often an edge is due in an epoch, 0 to 1. */
  readonly rates: Float64Array;
}

export interface LayoutSettings {
  readonly a: number;
  readonly b: number;
  readonly repulsionStrength: number;
  readonly negativeSamples: number;
  /** How many times a due edge pulls an end: twice where each edge stands in the rows of both. */
  readonly pulls: 1 | 2;
  readonly seed: number;
}

/** Points that move, on a device. */
export class UmapLayout {
  readonly #device: Device;
  readonly #own: Operands;
  readonly #edges: readonly Operand[];
  readonly #settings: LayoutSettings;
  readonly #numbers: Operand;
  readonly #state: Operand;
  readonly #map: Operand | undefined;
  #y: Operand;
  #next: Operand;
  #epoch = 0;

  /**
   * @param y `[count, 2]`
   * @param map `[points, 2]`, where those stand that do not move; without it the points move among themselves
   */
  constructor(y: Float64Array, edges: LayoutEdges, settings: LayoutSettings, device: Device, map?: Float64Array) {
    const count = y.length / 2;
    const { starts, columns, rates } = edges;
    this.#device = device;
    this.#settings = settings;
    const own = new Operands(device);
    this.#own = own;
    this.#y = own.holding(y, [count, 2]);
    this.#next = own.of([count, 2]);
    this.#map = map && own.holding(map, [map.length / 2, 2]);
    this.#edges = [
      own.holding(starts, [starts.length]),
      own.holding(columns, [columns.length]),
      own.holding(rates, [rates.length]),
    ];
    this.#numbers = own.of([5]);
    this.#state = own.of([4], 'uint32');
  }

  epoch(learningRate: number): void {
    const { a, b, repulsionStrength, negativeSamples, pulls, seed } = this.#settings;
    const device = this.#device;
    device.write(this.#numbers.storage, Float32Array.of(a, b, learningRate, repulsionStrength, pulls));
    device.write(this.#state.storage, Uint32Array.of(seed, streamNamed('UMAP'), this.#epoch++, 0));
    const inputs = [this.#y, ...this.#edges, this.#map ?? this.#y, this.#numbers, this.#state];
    device.run(umapEpoch, inputs, [this.#next], { negatives: negativeSamples });
    [this.#y, this.#next] = [this.#next, this.#y];
  }

  /**
   * Where the points are, `[count, 2]`.
   * @throws NonFiniteError where one is nowhere
   */
  async places(): Promise<Float64Array> {
    const y = Float64Array.from(await this.#device.read(this.#y.storage));
    const lost = y.findIndex(coordinate => !Number.isFinite(coordinate));
    if (lost >= 0) {
      throw new NonFiniteError(
        `UMAP: a coordinate of point ${lost >> 1} became ${y[lost]} after ${this.#epoch} epochs.`,
      );
    }
    return y;
  }

  dispose(): void {
    this.#own.release();
  }
}
