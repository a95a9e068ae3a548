/**
 * How a map forms, small enough to be part of a page: of some points, at some steps, each coordinate in 12 bits of the frame's
 * own extent. 3,000 points at 31 steps take 370 KB.
 */
import { ShapeError } from '../devices/errors.ts';
import type { TsneSnapshot } from './tsne.ts';

export interface MapAnimation {
  /** Places among the map's points. */
  readonly points: readonly number[];
  readonly frames: readonly AnimationFrame[];
}

export interface AnimationFrame {
  readonly step: number;
  /** The least coordinates, and the side of the square that holds all points of the frame. */
  readonly x: number;
  readonly y: number;
  readonly side: number;
  /** Base64: three bytes a point, 12 bits a coordinate, the first the high ones. */
  readonly data: string;
}

const LEVELS = 4095;

/** Makes an animation of snapshots of the points at `points`. */
export function animationOf(snapshots: readonly TsneSnapshot[], points: ArrayLike<number>): MapAnimation {
  return {
    points: Array.from(points),
    frames: snapshots.map(({ step, values }) => {
      if (values.length !== 2 * points.length) {
        throw new ShapeError(`animation: ${values.length} coordinates for ${points.length} points in the plane.`);
      }
      const [low, high] = [
        [Infinity, Infinity],
        [-Infinity, -Infinity],
      ];
      values.forEach((value, at) => {
        low[at % 2] = Math.min(low[at % 2], value);
        high[at % 2] = Math.max(high[at % 2], value);
      });
      const [x, y] = values.length > 0 ? low : [0, 0];
      const side = values.length > 0 ? Math.max(high[0] - x, high[1] - y) : 0;
      const level = (value: number, from: number): number =>
        side > 0 ? Math.round((LEVELS * (value - from)) / side) : 0;
      let bytes = '';
      for (let i = 0; i < values.length; i += 2) {
        const [a, b] = [level(values[i], x), level(values[i + 1], y)];
        bytes += String.fromCharCode(a >> 4, ((a & 15) << 4) | (b >> 8), b & 255);
      }
      return { step, x, y, side, data: btoa(bytes) };
    }),
  };
}

/** The coordinates of a frame, `[points, 2]`. */
export function coordinatesOf({ x, y, side, data }: AnimationFrame): Float32Array {
  const bytes = atob(data);
  const values = new Float32Array((2 * bytes.length) / 3);
  for (let i = 0; i < values.length / 2; i++) {
    const [a, b, c] = [0, 1, 2].map(byte => bytes.charCodeAt(3 * i + byte));
    values[2 * i] = x + (side * ((a << 4) | (b >> 4))) / LEVELS;
    values[2 * i + 1] = y + (side * (((b & 15) << 8) | c)) / LEVELS;
  }
  return values;
}
