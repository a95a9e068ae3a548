/**
 * From clusters to segments: each connected piece (neighbours share an edge) stands for itself; pieces above the largest
 * size are cut, then pieces below the smallest join the neighbour they resemble most, the smallest piece first. So every
 * segment is in one piece and none is smaller than asked (unless the image is); one may exceed the largest size, by less
 * than the smallest, where a piece has no smaller neighbour to go to.
 */
import { type Segments, segmentsFromMap } from './segments.ts';

export interface SegmentSizes {
  /** In pixels. */
  readonly smallest: number;
  readonly largest: number;
}

/** A connected piece of the image. */
interface Piece {
  size: number;
  /** Sum of its pixels' colours. */
  readonly color: Float64Array;
  /** Numbers of the pieces it touches. */
  readonly neighbours: Set<number>;
}

/**
 * @param map one cluster number per pixel
 * @param colors [H, W, C], which decide where a small piece goes
 */
export function connectedSegments(
  { labels, shape }: Pick<Segments, 'labels' | 'shape'>,
  colors: Float64Array,
  { smallest, largest }: SegmentSizes,
): Segments {
  const [height, width] = shape;
  const { pieceOf, count } = flood(labels, shape, largest);
  const channels = colors.length / labels.length;
  const pieces = Array.from(
    { length: count },
    (): Piece => ({ size: 0, color: new Float64Array(channels), neighbours: new Set() }),
  );
  const touch = (a: number, b: number): void => {
    if (a === b) return;
    pieces[a].neighbours.add(b);
    pieces[b].neighbours.add(a);
  };
  pieceOf.forEach((number, pixel) => {
    const piece = pieces[number];
    piece.size++;
    for (let c = 0; c < channels; c++) piece.color[c] += colors[pixel * channels + c];
    if (pixel % width < width - 1) touch(number, pieceOf[pixel + 1]);
    if (pixel < (height - 1) * width) touch(number, pieceOf[pixel + width]);
  });

  const joined = Int32Array.from(pieces.keys());
  for (;;) {
    let least = -1;
    for (let i = 0; i < count; i++) {
      const isSmall = joined[i] === i && pieces[i].size < smallest && pieces[i].neighbours.size > 0;
      if (isSmall && (least < 0 || pieces[i].size < pieces[least].size)) least = i;
    }
    if (least < 0) break;
    const into = hostOf(pieces, least, largest);
    joined[least] = into;
    const { size, color, neighbours } = pieces[least];
    pieces[into].size += size;
    for (let c = 0; c < channels; c++) pieces[into].color[c] += color[c];
    for (const other of neighbours) {
      pieces[other].neighbours.delete(least);
      touch(other, into);
    }
  }
  const rootOf = (piece: number): number => {
    while (joined[piece] !== piece) piece = joined[piece];
    return piece;
  };
  return segmentsFromMap(pieceOf.map(rootOf), shape);
}

/** The neighbour nearest in colour among those that stay within the largest size; if none does, the smallest. */
function hostOf(pieces: readonly Piece[], small: number, largest: number): number {
  const { size, color, neighbours } = pieces[small];
  const around = [...neighbours].sort((a, b) => a - b);
  const fitting = around.filter(other => pieces[other].size + size <= largest);
  const cost = (other: number): number =>
    fitting.length === 0
      ? pieces[other].size
      : color.reduce((sum, value, c) => sum + (value / size - pieces[other].color[c] / pieces[other].size) ** 2, 0);
  return (fitting.length > 0 ? fitting : around).reduce((best, other) => (cost(other) < cost(best) ? other : best));
}

/** Numbers the connected pieces of equal label in reading order; a flood stops at `largest` pixels and a new one begins. */
function flood(
  labels: Int32Array,
  [height, width]: readonly [number, number],
  largest: number,
): { pieceOf: Int32Array; count: number } {
  const pieceOf = new Int32Array(labels.length).fill(-1);
  const queue = new Int32Array(labels.length);
  let count = 0;
  for (let first = 0; first < labels.length; first++) {
    if (pieceOf[first] >= 0) continue;
    let end = 0;
    const visit = (pixel: number): void => {
      if (pieceOf[pixel] >= 0 || labels[pixel] !== labels[first] || end >= largest) return;
      pieceOf[pixel] = count;
      queue[end++] = pixel;
    };
    visit(first);
    for (let next = 0; next < end; next++) {
      const pixel = queue[next];
      const x = pixel % width;
      if (x > 0) visit(pixel - 1);
      if (x < width - 1) visit(pixel + 1);
      if (pixel >= width) visit(pixel - width);
      if (pixel < (height - 1) * width) visit(pixel + width);
    }
    count++;
  }
  return { pieceOf, count };
}
