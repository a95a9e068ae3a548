/** What there is to see inside a network: its first filters, and the activations of one image at several depths. */
import { noGrad } from '../autograd/index.ts';
import type { ImageSet } from '../data/fashion-mnist.ts';
import { UsageError } from '../devices/errors.ts';
import { Activation, Conv2d, type Module, Stage } from '../nn/index.ts';
import type { DrawingFolder, NetworkView, StudyDrawing } from './drawing.ts';
import { imagesOf } from './image-tensor.ts';
import type { NetworkInside } from './results.ts';

const MOST_LAYERS = 4;
const MOST_CHANNELS = 16;

interface SeenLayer {
  readonly path: string;
  /** [height, width, channels] */
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/**
 * Looks into a network.
 * @param example which image of the set the activations are of
 * @throws UsageError for a network without convolutions
 */
export async function lookInside(
  network: string,
  model: Module,
  name: string,
  set: ImageSet,
  example: number,
  drawing: StudyDrawing | undefined,
  folder: DrawingFolder,
): Promise<NetworkInside> {
  const first = model.modules().find(module => module instanceof Conv2d);
  if (!first) throw new UsageError(`${name} has no convolution to look at.`);
  const { value } = first.weight;
  const layers = await activationsOf(model, set, example);
  const shown = layers.map(({ shape }) => Math.min(MOST_CHANNELS, shape[2]));
  const view: NetworkView = {
    network,
    filters: { values: await value.data(), shape: value.shape },
    layers: layers.map((layer, i) => ({ ...layer, shown: shown[i] })),
  };
  const drawn = await drawing?.inside(view, folder);
  return {
    network,
    model: name,
    filters: {
      path: first.path,
      size: first.kernel,
      count: value.shape[3],
      ...(value.shape[2] > 1 && { channels: value.shape[2] }),
      figure: drawn?.filters,
    },
    layers: layers.map(({ path, shape, values }, i) => ({
      path,
      shape,
      shown: shown[i],
      silent: shareOfSilent(values),
      figure: drawn?.layers[i],
    })),
  };
}

async function activationsOf(model: Module, set: ImageSet, example: number): Promise<SeenLayer[]> {
  const x = imagesOf(set, [example], model.device);
  const { output, activations } = noGrad(() => model.eval().trace(x, depths(model)));
  output.dispose();
  x.dispose();
  const seen: SeenLayer[] = [];
  for (const [path, activation] of Object.entries(activations)) {
    seen.push({ path, shape: activation.shape.slice(1), values: await activation.data() });
    activation.dispose();
  }
  return seen;
}

/** Share of the values that are zero or less. */
function shareOfSilent(values: ArrayLike<number>): number {
  let silent = 0;
  for (let i = 0; i < values.length; i++) if (values[i] <= 0) silent++;
  return silent / values.length;
}

/** Where to look: the stem and the stages of a residual network, the activations of a plain one. */
function depths(model: Module): string[] {
  const modules = model.modules();
  const stages = modules.filter(module => module instanceof Stage).map(({ path }) => path);
  if (stages.length > 0) return ['act', ...stages].slice(0, MOST_LAYERS);
  const convolutions = modules.filter(module => module instanceof Conv2d).length;
  return modules
    .filter(module => module instanceof Activation)
    .map(({ path }) => path)
    .slice(0, Math.min(MOST_LAYERS, convolutions));
}
