/** What is inside the study's networks, drawn: first filters, and the activations of one test image at several depths. */
import { join } from 'node:path';
import { noGrad } from '../../autograd/index.ts';
import { DeviceDataset } from '../../data/device-dataset.ts';
import { CLASS_NAMES, type FashionMnist } from '../../data/index.node.ts';
import { UsageError } from '../../devices/errors.ts';
import { Activation, Conv2d, type Module, Stage } from '../../nn/index.ts';
import { encodePng, enlarge, imagePicture } from '../../report/index.node.ts';
import {
  featureMapSheet,
  filterSheet,
  type InsideResult,
  type NetworkInside,
  type ShownLayer,
} from '../../report/study/inside.ts';
import { writeFileAtomically } from '../../train/atomic-file.node.ts';

/** An ankle boot: an outline, a sole, laces. */
const EXAMPLE = 0;
const MOST_LAYERS = 4;
const MOST_CHANNELS = 16;

/** Draws the example image itself. */
export async function drawExample({ test }: FashionMnist, out: string): Promise<Omit<InsideResult, 'networks'>> {
  const size = test.height * test.width * test.channels;
  const pixels = test.images.subarray(EXAMPLE * size, (EXAMPLE + 1) * size);
  const figure = 'example.png';
  const picture = enlarge(imagePicture(pixels, test.width, test.height), 4);
  await writeFileAtomically(join(out, 'figures', figure), encodePng(picture));
  return { image: EXAMPLE, label: CLASS_NAMES[test.labels[EXAMPLE]], figure };
}

/** Draws one network's filters and activations into `out`/figures. */
export async function drawInside(
  network: string,
  model: Module,
  name: string,
  { test }: FashionMnist,
  out: string,
): Promise<NetworkInside> {
  const write = async (file: string, picture: Parameters<typeof encodePng>[0]): Promise<string> => {
    await writeFileAtomically(join(out, 'figures', `${network}-${file}`), encodePng(picture));
    return `${network}-${file}`;
  };
  const first = model.modules().find(module => module instanceof Conv2d);
  if (!first) throw new UsageError(`${name} has no convolution to look at.`);
  const { value } = first.weight;
  const filters = await write('filters.png', filterSheet(await value.data(), value.shape));
  return {
    network,
    model: name,
    filters: { path: first.path, size: first.kernel, count: value.shape[3], figure: filters },
    layers: await layers(),
  };

  async function layers(): Promise<ShownLayer[]> {
    const images = new DeviceDataset({ ...test, count: test.count }, model.device);
    const { images: x, labels } = images.batch([EXAMPLE]);
    labels.dispose();
    const { output, activations } = noGrad(() => model.eval().trace(x, depths(model)));
    output.dispose();
    x.dispose();
    images.dispose();
    const drawn: ShownLayer[] = [];
    for (const [path, activation] of Object.entries(activations)) {
      const shape = activation.shape.slice(1);
      const values = await activation.data();
      activation.dispose();
      let silent = 0;
      for (let i = 0; i < values.length; i++) if (values[i] <= 0) silent++;
      drawn.push({
        path,
        shape,
        shown: Math.min(MOST_CHANNELS, shape[2]),
        silent: silent / values.length,
        figure: await write(`layer-${path}.png`, featureMapSheet(values, shape, MOST_CHANNELS)),
      });
    }
    return drawn;
  }
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
