/** What neighbours and labels must be before anything is counted by them. */
import { ShapeError, UsageError } from '../devices/errors.ts';
import type { Neighbours } from './neighbours.ts';

/** Throws unless `neighbours` are whole: k indices and distances for each point. */
export function checkNeighbours({ indices, distances, count, k }: Neighbours, what: string): void {
  const isWhole = Number.isInteger(count) && count >= 0 && Number.isInteger(k) && k >= 1;
  if (!isWhole || indices.length !== count * k || distances.length !== count * k) {
    throw new ShapeError(
      `${what}: ${indices.length} indices and ${distances.length} distances are not ${k} neighbours of ${count} points.`,
    );
  }
  const missing = indices.findIndex(index => index < 0);
  if (missing >= 0) {
    throw new UsageError(`${what}: a neighbour of point ${Math.floor(missing / k)} has the index ${indices[missing]}.`);
  }
}

/** Throws unless `neighbours` are whole, and those of `count` points among themselves. */
export function checkKnownNeighbours(neighbours: Neighbours, count: number, what: string): void {
  checkNeighbours(neighbours, what);
  if (neighbours.count !== count)
    throw new ShapeError(`${what}: neighbours of ${neighbours.count} points were given for ${count} points.`);
  const foreign = neighbours.indices.findIndex(index => index >= count);
  if (foreign >= 0)
    throw new UsageError(
      `${what}: point ${neighbours.indices[foreign]} is a neighbour, but there are ${count} points.`,
    );
}

/** Throws UsageError unless every label is a class and every neighbour has one. */
export function checkLabels({ indices }: Neighbours, labels: ArrayLike<number>, classes: number, what: string): void {
  if (!Number.isInteger(classes) || classes < 1) {
    throw new UsageError(`${what}: the number of classes is a whole number of at least 1, not ${classes}.`);
  }
  for (let i = 0; i < labels.length; i++) {
    if (!(Number.isInteger(labels[i]) && labels[i] >= 0 && labels[i] < classes)) {
      throw new UsageError(`${what}: the label of point ${i} is ${labels[i]}; classes are 0 to ${classes - 1}.`);
    }
  }
  const last = indices.reduce((most, index) => Math.max(most, index), -1);
  if (last >= labels.length) {
    throw new UsageError(`${what}: point ${last} is a neighbour, but there are ${labels.length} labels.`);
  }
}

/** Throws ShapeError unless every point has a label of its own. */
export function checkOwnLabels({ count }: Neighbours, labels: ArrayLike<number>, what: string): void {
  if (labels.length < count) throw new ShapeError(`${what}: ${labels.length} labels for ${count} points.`);
}
