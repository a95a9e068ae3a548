/**
 * What is seen of the image through one operation after another. Fields follow the arrows of the network as shapes do: a
 * filter of k pixels widens the field by k - 1 times the distance between neighbours, a stride multiplies that distance,
 * padding moves its start outwards, a sum sees what its parts see (Araujo, Norris, Sim: Computing receptive fields of
 * convolutional neural networks, Distill 2019). Which of these an operation does is in its row. Where places see
 * differently in a way that start and distance cannot tell, the field holds all that any of them sees.
 */
import type { PerAxis, View } from '../autograd/row.ts';
import type { Shape } from '../devices/shape.ts';

/** What one value of an array sees of the image; pairs are [vertical, horizontal]. */
export interface ReceptiveField {
  /** Pixels seen, those of the padding included. */
  readonly size: PerAxis;
  /** Image pixels between the centres of neighbours; 0 where all values see the same. */
  readonly jump: PerAxis;
  /** Row and column of the first pixel that the first value sees; negative in the padding. */
  readonly start: PerAxis;
  /** Values along each axis. */
  readonly positions: PerAxis;
}

/** A field along one of its axes. */
interface Span {
  readonly size: number;
  readonly jump: number;
  readonly start: number;
  readonly positions: number;
}

const along = ({ size, jump, start, positions }: ReceptiveField, axis: 0 | 1): Span => ({
  size: size[axis],
  jump: jump[axis],
  start: start[axis],
  positions: positions[axis],
});

function fieldOf(spanOf: (axis: 0 | 1) => Span): ReceptiveField {
  const [vertical, horizontal] = [spanOf(0), spanOf(1)];
  const both = (key: keyof Span): PerAxis => [vertical[key], horizontal[key]];
  return { size: both('size'), jump: both('jump'), start: both('start'), positions: both('positions') };
}

/** How far all values together see. */
const extentOf = ({ size, jump, positions }: Span): number => size + (positions - 1) * jump;

/** All that any value sees, seen from each of `places`. */
const everythingFrom = (span: Span, places: number): Span => ({
  size: extentOf(span),
  jump: places === 1 ? span.jump : 0,
  start: span.start,
  positions: places,
});

/** Height and width of an array of images; undefined where the axes mean something else. */
const placesOf = (shape: Shape): PerAxis | undefined => (shape.length === 4 ? [shape[1], shape[2]] : undefined);

/** A field as an array of this shape has it: repeated by broadcasting, or, after a reshape, no longer told apart by place. */
export function fieldIn(shape: Shape, field: ReceptiveField): ReceptiveField {
  const places = placesOf(shape);
  if (!places) return field;
  return fieldOf(axis => {
    const span = along(field, axis);
    return span.positions === places[axis] ? span : everythingFrom(span, places[axis]);
  });
}

/** What two parts see together; where their values do not lie on one grid, all that any of them sees. */
export function together(a: ReceptiveField, b: ReceptiveField): ReceptiveField {
  return fieldOf(axis => {
    const [one, other] = [along(a, axis), along(b, axis)];
    const start = Math.min(one.start, other.start);
    if (one.jump === other.jump && one.positions === other.positions) {
      const end = Math.max(one.start + one.size, other.start + other.size);
      return { size: end - start, jump: one.jump, start, positions: one.positions };
    }
    const end = Math.max(one.start + extentOf(one), other.start + extentOf(other));
    return { size: end - start, jump: 0, start, positions: Math.max(one.positions, other.positions) };
  });
}

/** The field of an output of shape `outputShape` that looks at an operand of `field` as `view` says. */
export function through(view: View, outputShape: Shape, field: ReceptiveField): ReceptiveField {
  if (view === 'same') return fieldIn(outputShape, field);
  const places = placesOf(outputShape);
  return fieldOf(axis => {
    const span = along(field, axis);
    const { size, jump, start } = span;
    if ('everywhere' in view) {
      if (view.everywhere[axis]) return everythingFrom(span, places?.[axis] ?? 1);
      return places && places[axis] !== span.positions ? everythingFrom(span, places[axis]) : span;
    }
    const stride = view.strides[axis];
    const before = view.before[axis];
    const positions = places?.[axis] ?? span.positions;
    if ('window' in view) {
      return {
        size: size + (view.window[axis] - 1) * jump,
        jump: jump * stride,
        start: start - before * jump,
        positions,
      };
    }
    // Place p lies in the windows from number ceil((p + before - window + 1) / stride) to floor((p + before) / stride).
    // Not rounded, they are at least as far apart.
    const reach = ((view.windowsOver[axis] - 1) / stride) * jump;
    return {
      size: Math.ceil(size + reach),
      jump: jump / stride,
      start: start + (before / stride) * jump - reach,
      positions,
    };
  });
}
