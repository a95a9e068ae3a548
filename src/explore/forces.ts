/**
 * What the points of a t-SNE map are driven by: attraction between those that are alike, sparse, and repulsion between all
 * pairs, exact or interpolated. Both are kernels (`kernels/tsne`); their difference is the gradient.
 */
import type { Device, Operand } from '../devices/device.ts';
import { NonFiniteError, ShapeError } from '../devices/errors.ts';
import { tsneAttraction, tsneRepulsion } from '../kernels/tsne/index.ts';
import type { Affinities } from './affinities.ts';
import { InterpolatedRepulsion, Operands } from './interpolated-repulsion.ts';

/** How repulsion is computed: between all pairs, or on a grid. */
export type RepulsionMethod = 'exact' | 'interpolated';

/** From so many points on, interpolating is faster on maps as wide as they get (README); a software GPU for webgpu. */
const FEWEST_INTERPOLATED: Readonly<Record<Device['kind'], number>> = { wasm: 3000, webgpu: 4500, reference: 3000 };

/** The faster way for so many points. */
export function fasterRepulsion(count: number, device: Device): RepulsionMethod {
  return count >= FEWEST_INTERPOLATED[device.kind] ? 'interpolated' : 'exact';
}

/** Repulsion between all pairs: O(n^2), without approximation. */
class ExactRepulsion {
  readonly #device: Device;
  readonly #count: number;
  readonly #own: Operands;
  readonly #planes: Operand;
  readonly #repulsion: Operand;
  readonly #normalizers: Operand;

  constructor(count: number, device: Device) {
    this.#device = device;
    this.#count = count;
    this.#own = new Operands(device);
    this.#planes = this.#own.of([2, count]);
    this.#repulsion = this.#own.of([2, count]);
    this.#normalizers = this.#own.of([count]);
  }

  async begin(values: Float64Array): Promise<void> {
    const count = this.#count;
    const planes = new Float64Array(2 * count);
    for (let i = 0; i < count; i++) {
      planes[i] = values[2 * i];
      planes[count + i] = values[2 * i + 1];
    }
    this.#device.write(this.#planes.storage, planes);
    this.#device.run(tsneRepulsion, [this.#planes], [this.#repulsion, this.#normalizers], {});
  }

  async finish(): Promise<{ repulsion: ArrayLike<number>; normalizer: number }> {
    const count = this.#count;
    const planes = await this.#device.read(this.#repulsion.storage);
    const normalizers = await this.#device.read(this.#normalizers.storage);
    const repulsion = new Float64Array(2 * count);
    let normalizer = 0;
    for (let i = 0; i < count; i++) {
      repulsion[2 * i] = planes[i];
      repulsion[2 * i + 1] = planes[count + i];
      normalizer += normalizers[i];
    }
    return { repulsion, normalizer };
  }

  dispose(): void {
    this.#own.release();
  }
}

/** What the map's points are driven by, and how far the map is from what it should be. */
export class Forces {
  readonly #affinities: Affinities;
  readonly #device: Device;
  readonly #own: Operands;
  readonly #y: Operand;
  readonly #likenesses: readonly Operand[];
  readonly #attraction: Operand;
  readonly #repulsion: ExactRepulsion | InterpolatedRepulsion;
  /** Sum of p ln p. */
  readonly #entropy: number;

  constructor(affinities: Affinities, device: Device, repulsion = fasterRepulsion(affinities.count, device)) {
    const { count, starts, columns, values } = affinities;
    this.#affinities = affinities;
    this.#device = device;
    this.#own = new Operands(device);
    this.#y = this.#own.of([count, 2]);
    this.#attraction = this.#own.of([count, 2]);
    this.#likenesses = [
      this.#own.holding(Int32Array.from(starts), [count + 1]),
      this.#own.holding(Int32Array.from(columns), [columns.length]),
      this.#own.holding(values, [values.length]),
    ];
    this.#repulsion = new (repulsion === 'exact' ? ExactRepulsion : InterpolatedRepulsion)(count, device);
    this.#entropy = values.reduce((sum, p) => (p > 0 ? sum + p * Math.log(p) : sum), 0);
  }

  /**
   * The gradient `[count, 2]` without its factor of 4, with attraction `exaggeration` times as strong, and on demand the
   * divergence in nats of the map from the affinities as they are. (A loss computed with exaggerated affinities is
   * exaggeration x (kl + ln exaggeration).)
   *
   * @param y `[count, 2]`
   * @throws NonFiniteError where the map is not finite
   */
  async at(y: Float64Array, exaggeration = 1, wantsKl = false): Promise<{ gradient: Float64Array; kl?: number }> {
    const { count } = this.#affinities;
    if (y.length !== 2 * count)
      throw new ShapeError(`t-SNE: ${y.length} coordinates for ${count} points in the plane.`);
    const device = this.#device;
    device.write(this.#y.storage, y);
    device.run(tsneAttraction, [this.#y, ...this.#likenesses, this.#y], [this.#attraction], {});
    await this.#repulsion.begin(y, this.#y);
    // A GPU computes meanwhile.
    const cross = wantsKl ? this.#crossEntropy(y) : 0;
    const { repulsion, normalizer } = await this.#repulsion.finish();
    const attraction = await device.read(this.#attraction.storage);
    if (!(normalizer > 0 && normalizer < Number.POSITIVE_INFINITY)) {
      throw new NonFiniteError(
        `t-SNE: coordinates of the map became NaN or infinite (its similarities sum to ${normalizer}).`,
      );
    }
    const gradient = new Float64Array(2 * count);
    for (let i = 0; i < 2 * count; i++) gradient[i] = exaggeration * attraction[i] - repulsion[i] / normalizer;
    return { gradient, kl: wantsKl ? this.#entropy + cross + Math.log(normalizer) : undefined };
  }

  /** Sum of p ln(1 + d^2): what p ln q is without the normaliser. */
  #crossEntropy(y: Float64Array): number {
    const { count, starts, columns, values } = this.#affinities;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      for (let entry = starts[i]; entry < starts[i + 1]; entry++) {
        const j = columns[entry];
        // The other half is the same.
        if (j <= i) continue;
        const [dx, dy] = [y[2 * i] - y[2 * j], y[2 * i + 1] - y[2 * j + 1]];
        sum += values[entry] * Math.log1p(dx * dx + dy * dy);
      }
    }
    return 2 * sum;
  }

  dispose(): void {
    this.#own.release();
    this.#repulsion.dispose();
  }
}
