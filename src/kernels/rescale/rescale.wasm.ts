/** In WebAssembly: a task is a row, read beside the first row of its group four elements at a time. */
import { input, output, type WasmVariant } from '../../devices/kernel.ts';
import { type F32x4, f32, i32, wasmProgram } from '../../devices/wasm/assembler/module.ts';
import { fourLanes, type Lanes, oneLane } from '../lanes.wasm.ts';
import { LARGEST, type RescaleParams, ROUNDING, rowLength } from './rescale.ts';

/** Elements worth a second thread. */
const GRAIN = 32_768;

const arrays = { x: i32, y: i32, upstream: i32, plain: i32, m: i32 };

const program = wasmProgram('rescale', module => {
  module.function(
    'rows',
    { start: i32, end: i32, ...arrays, length: i32, group: i32, threshold: f32 },
    (f, { start, end, x, y, upstream, plain, m, length, group, threshold }) => {
      const bytes = f.let(length.shl(2));
      const whole = f.let(length.and(-4).shl(2));
      f.for(start, end, 1, row => {
        const at = f.let(row.mul(bytes));
        const back = f.let(row.remU(group).mul(bytes));
        const step = (lanes: Lanes): void => {
          const own = f.let(at.sub(back));
          const [x1, x0] = [f.let(lanes.load(x.add(at))), f.let(lanes.load(x.add(own)))];
          const [y1, y0] = [f.let(lanes.load(y.add(at))), f.let(lanes.load(y.add(own)))];
          const slope = f.let(lanes.load(plain.add(at)));
          const dx = f.let(x1.sub(x0));
          const dy = f.let(y1.sub(y0));
          const mayBeRounding = (difference: F32x4, a: F32x4, b: F32x4) =>
            difference.abs().le(a.abs().max(b.abs()).mul(lanes.all(ROUNDING)));
          const equal = f.let(dx.eq(lanes.all(0)));
          const close = dx
            .abs()
            .lt(lanes.all(threshold))
            .or(mayBeRounding(dx, x1, x0));
          const agrees = equal.or(close.and(mayBeRounding(dy, y1, y0)));
          const finite = slope.abs().le(lanes.all(LARGEST));
          const ratio = f.let(lanes.zeroWhere(equal, f.let(lanes.load(upstream.add(at)).mul(dy).div(dx))));
          f.store(m.add(at), lanes.where(agrees.and(finite), slope, ratio));
          f.advance(at, 4 * lanes.width);
        };
        const rowEnd = f.let(at.add(bytes));
        const vectorEnd = f.let(at.add(whole));
        f.while(
          () => at.ltU(vectorEnd),
          () => step(fourLanes),
        );
        f.while(
          () => at.ltU(rowEnd),
          () => step(oneLane),
        );
      });
    },
  );
});

export const rescaleWasm: readonly WasmVariant<RescaleParams>[] = [
  {
    name: 'rows',
    applies: () => true,
    plan([x], params) {
      const length = rowLength(x, params);
      const group = 1 + params.backgrounds;
      const slots = [input(0), input(1), input(2), input(3), output(0)];
      return {
        passes: [
          {
            program,
            entry: 'rows',
            tasks: params.images * group,
            args: [...slots, length, group, params.threshold],
            grain: Math.max(1, Math.ceil(GRAIN / Math.max(1, length))),
          },
        ],
      };
    },
  },
];
