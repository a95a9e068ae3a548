/**
 * Where to write the names of points that lie close together: each name goes to the nearest of many places around its
 * point that no other name and no point has taken. Greedy and without chance, so the same points give the same picture.
 */

export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface LabelledPoint extends Place {
  /** Size of the name in pixels. */
  readonly width: number;
  readonly height: number;
}

const DIRECTIONS = 16;
const RINGS = 7;
/** Between the edge of a point and the name beside it, and between one ring of places and the next. */
const GAP = 2;
const STEP = 8;

export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const boxAround = ({ x, y }: Place, width: number, height: number): Box => ({
  left: x - width / 2,
  right: x + width / 2,
  top: y - height / 2,
  bottom: y + height / 2,
});

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

/**
 * Centres for the names of `points`, in their order; where everything near is taken, the place that hides the least.
 * @param points in pixels
 * @param radius of the points
 * @param bounds names stay within them
 * @param obstacles what else names shall not hide
 */
export function placeLabels(
  points: readonly LabelledPoint[],
  radius: number,
  bounds: Box,
  obstacles: readonly Box[] = [],
): Place[] {
  const taken = [...obstacles, ...points.map(point => boxAround(point, 2 * radius, 2 * radius))];
  return points.map(point => {
    let best: { place: Place; box: Box; hidden: number } | undefined;
    for (const place of placesAround(point, radius)) {
      const box = boxAround(place, point.width, point.height);
      if (box.left < bounds.left || box.right > bounds.right || box.top < bounds.top || box.bottom > bounds.bottom) {
        continue;
      }
      const hidden = taken.reduce((total, other) => total + overlap(box, other), 0);
      if (!best || hidden < best.hidden) best = { place, box, hidden };
      if (hidden === 0) break;
    }
    const place = best?.place ?? point;
    taken.push(best?.box ?? boxAround(place, point.width, point.height));
    return { x: place.x, y: place.y };
  });
}

/** To the right first, then round the point, then farther out. */
function* placesAround({ x, y, width, height }: LabelledPoint, radius: number): Generator<Place> {
  for (let ring = 0; ring < RINGS; ring++) {
    const distance = radius + GAP + ring * STEP;
    for (let turn = 0; turn < DIRECTIONS; turn++) {
      const angle = (2 * Math.PI * turn) / DIRECTIONS;
      yield {
        x: x + Math.cos(angle) * (distance + width / 2),
        y: y - Math.sin(angle) * (distance + height / 2),
      };
    }
  }
}
