/**
 * A model run once, for one image, on the device that follows shapes only: every layer's output shape and what it sees of
 * the image, without a multiplication and before `initialize`. The model runs in evaluation mode, with stand-ins for its
 * parameters, and is left as it was.
 */
import { noGrad } from '../autograd/tape.ts';
import { type Shape, sizeOf } from '../devices/shape.ts';
import { tidy } from '../tensor/lifetime.ts';
import { Tensor } from '../tensor/tensor.ts';
import { fieldIn, type ReceptiveField } from './field-arithmetic.ts';
import { withStandIns } from './parameter.ts';
import { type CostListener, ShapeDevice } from './shape-device.ts';
import { collect } from './tracing.ts';

/** What is needed of a module. */
export interface ShapeRunnable {
  readonly path: string;
  isTraining: boolean;
  call(x: Tensor): Tensor;
  modules(): ShapeRunnable[];
}

/** The output of one layer. */
export interface LayerShape {
  /** Of one image: without the batch axis. */
  readonly shape: Shape;
  readonly field: ReceptiveField;
}

/**
 * Outputs by path within the model, in the order in which they were ready.
 * @param inputShape of one image, [H, W, C]
 * @throws ShapeError when the model does not take such images
 */
export function runOnShapes(
  model: ShapeRunnable,
  inputShape: Shape,
  onCost: CostListener = () => {},
): Map<string, LayerShape> {
  const device = new ShapeDevice(onCost);
  const blank = (shape: Shape): Tensor => new Tensor(device.allocate(sizeOf(shape), 'float32'), shape);
  const modules = model.modules();
  const modes = modules.map(({ isTraining }) => isTraining);
  for (const module of modules) module.isTraining = false;
  try {
    return tidy(() => {
      const x = blank([1, ...inputShape]);
      const [height = 1, width = 1] = inputShape;
      device.setField(x.storage, { size: [1, 1], jump: [1, 1], start: [0, 0], positions: [height, width] });
      const { found } = collect('all', () => withStandIns(blank, () => noGrad(() => model.call(x))));
      return new Map(
        [...found].map(([path, { shape, storage }]) => [
          path,
          { shape: shape.slice(1), field: fieldIn(shape, device.fieldOf(storage)!) },
        ]),
      );
    });
  } finally {
    modules.forEach((module, i) => {
      module.isTraining = modes[i];
    });
  }
}
