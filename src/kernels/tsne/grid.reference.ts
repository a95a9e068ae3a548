/** Point by point, node by node. */
import type { TypedArray } from '../../devices/dtype.ts';
import type { Spec } from '../../devices/kernel.ts';
import { nodesAround, type TsneSpreadParams } from './grid.ts';

/** Calls back for each of the nine nodes around point i, with its index and weight. */
function aroundPoint(
  y: TypedArray,
  [originX, originY, nodesPerUnit]: TypedArray,
  nodes: number,
  i: number,
  see: (node: number, weight: number) => void,
): void {
  const alongX = nodesAround((y[2 * i] - originX) * nodesPerUnit, nodes);
  const alongY = nodesAround((y[2 * i + 1] - originY) * nodesPerUnit, nodes);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      const node = (alongY.first + row) * nodes + alongX.first + column;
      see(node, alongY.weights[row] * alongX.weights[column]);
    }
  }
}

export function tsneSpreadReference(
  [y, placement]: readonly TypedArray[],
  [charges]: readonly TypedArray[],
  [{ shape }]: readonly Spec[],
  { nodes }: TsneSpreadParams,
): void {
  charges.fill(0);
  for (let i = 0; i < shape[0]; i++) {
    aroundPoint(y, placement, nodes, i, (node, weight) => {
      charges[node] += weight;
    });
  }
}

export function tsneGatherReference(
  [y, placement, field]: readonly TypedArray[],
  [values]: readonly TypedArray[],
  [{ shape }, , { shape: fieldShape }]: readonly Spec[],
): void {
  values.fill(0);
  for (let i = 0; i < shape[0]; i++) {
    aroundPoint(y, placement, fieldShape[0], i, (node, weight) => {
      values[2 * i] += weight * field[2 * node];
      values[2 * i + 1] += weight * field[2 * node + 1];
    });
  }
}
