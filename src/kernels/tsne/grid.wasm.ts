/**
 * In WebAssembly. Spreading is one task, as points share nodes and a sum must not depend on who adds what: point after
 * point, three vectors of which the fourth lane adds nothing. (70,000 points take a hundredth of a step.) Gathering is a task
 * per point.
 */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import {
  F32,
  F32x4,
  type FunctionBuilder,
  type I32,
  i32,
  splat,
  wasmProgram,
} from '../../devices/wasm/assembler/module.ts';
import type { TsneGatherParams, TsneSpreadParams } from './grid.ts';

/** Points worth a second thread. */
const GRAIN = 2048;

interface Around {
  readonly node: I32;
  readonly weights: readonly F32[];
}

/** The first of three nodes along an axis, and their weights. */
function nodesAround(f: FunctionBuilder, place: F32, nodes: I32): Around {
  const given = f.let(place);
  // What is no number must not point anywhere.
  const t = f.let(given.gt(1).select(given, F32.constant(1)).min(nodes.sub(3).toF32S()));
  const node = f.let(t.add(0.5).floor());
  const u = f.let(t.sub(node));
  const [before, after] = [f.let(u.neg().add(0.5)), f.let(u.add(0.5))];
  const weights = [before.mul(before).mul(0.5), u.mul(u).neg().add(0.75), after.mul(after).mul(0.5)];
  return { node: f.let(node.truncateToI32S().sub(1)), weights: weights.map(weight => f.let(weight)) };
}

function around(f: FunctionBuilder, y: I32, placement: I32, point: I32, nodes: I32): Around[] {
  const at = f.let(y.add(point.shl(3)));
  const scale = f.let(placement.f32(8));
  return [0, 4].map(axis => nodesAround(f, at.f32(axis).sub(placement.f32(axis)).mul(scale), nodes));
}

const spread = wasmProgram('tsneSpread', module => {
  module.function(
    'all',
    { start: i32, end: i32, y: i32, placement: i32, charges: i32, points: i32, nodes: i32 },
    (f, { y, placement, charges, points, nodes }) => {
      const rowBytes = f.let(nodes.shl(2));
      f.fill(charges, 0, nodes.mul(rowBytes));
      f.for(0, points, 1, point => {
        const [x, ofRows] = around(f, y, placement, point, nodes);
        const weights = f.let(
          x.weights.reduce((vector, weight, lane) => vector.replaceLane(lane, weight), F32x4.constant(0, 0, 0, 0)),
        );
        const at = f.let(charges.add(ofRows.node.mul(rowBytes)).add(x.node.shl(2)));
        for (const weight of ofRows.weights) {
          f.store(at, at.f32x4().add(weights.mul(splat(weight))));
          f.advance(at, rowBytes);
        }
      });
    },
  );
});

const gather = wasmProgram('tsneGather', module => {
  module.function(
    'points',
    { start: i32, end: i32, y: i32, placement: i32, field: i32, values: i32, nodes: i32 },
    (f, { start, end, y, placement, field, values, nodes }) => {
      const rowBytes = f.let(nodes.shl(3));
      f.for(start, end, 1, point => {
        const [x, ofRows] = around(f, y, placement, point, nodes);
        const [first, second, third] = x.weights.map(weight => f.let(splat(weight)));
        const pair = f.let(first.shuffle(second, 0, 1, 4, 5));
        const sum = f.let(splat(0));
        const at = f.let(field.add(ofRows.node.mul(rowBytes)).add(x.node.shl(3)));
        for (const weight of ofRows.weights) {
          const row = pair.mul(at.f32x4()).add(third.mul(at.f32x4LoadTwo(16)));
          f.set(sum, sum.add(row.mul(splat(weight))));
          f.advance(at, rowBytes);
        }
        const total = f.let(sum.add(sum.shuffle(sum, 2, 3, 0, 1)));
        const to = f.let(values.add(point.shl(3)));
        f.storeLane(to, total, 0);
        f.storeLane(to, total, 1, 4);
      });
    },
  );
});

export const tsneSpreadWasm: readonly WasmVariant<TsneSpreadParams>[] = [
  {
    name: 'points',
    applies: () => true,
    plan([{ shape }], { nodes }) {
      const args = [input(0), input(1), output(0), shape[0], nodes];
      return { passes: [{ program: spread, entry: 'all', tasks: 1, args }] };
    },
  },
];

export const tsneGatherWasm: readonly WasmVariant<TsneGatherParams>[] = [
  {
    name: 'points',
    applies: () => true,
    plan([{ shape }, , { shape: fieldShape }]) {
      const args = [input(0), input(1), input(2), output(0), fieldShape[0]];
      return { passes: [{ program: gather, entry: 'points', tasks: shape[0], args, grain: GRAIN }] };
    },
  },
];
