/** The chapter on training: what the networks are made of, how they were trained, and how they learned. */
import type { ModelSpec, ModelSummary } from '../../nn/index.ts';
import { type EpochRecord, type Recipe, recipeInWords } from '../../train/index.ts';
import type { Block, Section } from '../html.ts';
import { duration, type FigureSource, percent, shown, whole } from './chapter.ts';

/** What is told of a trained network. */
export interface TrainedNetwork {
  readonly model: ModelSpec;
  readonly recipe: Recipe;
  /** Default: the ten of Fashion-MNIST. */
  readonly classes?: number;
  /** Whether the data is other than Fashion-MNIST. */
  readonly isOther?: boolean;
  readonly summary: ModelSummary;
  readonly parameters: number;
  readonly trainImages: number;
  readonly validationImages: number;
  readonly validationAccuracy?: number;
  /** Number of the epoch whose parameters were kept. */
  readonly bestEpoch: number;
  readonly history: readonly EpochRecord[];
  readonly read: FigureSource;
}

/** The chapter on the networks and their training. */
export function trainingSection(networks: readonly TrainedNetwork[]): Section {
  const [{ trainImages, validationImages, recipe, classes = 10, isOther }] = networks;
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `Two networks learn the ${isOther ? classes : 'ten'} classes from ${whole(trainImages)} training images. ${whole(validationImages)} others are held ` +
        'out: they choose nothing but the epoch that is kept, and later the temperature of the confidence. The CNN is a plain ' +
        'stack of convolutions and pooling; the Mini ResNet adds the input of every block to its output, so that a block learns ' +
        `what to change rather than everything anew. ${alterations(recipe)}`,
    },
    {
      kind: 'table',
      caption: 'The networks and what their training took',
      columns: [
        'network',
        'parameters',
        'operations an image',
        'epochs',
        'kept',
        'held-out accuracy (%)',
        'time',
        'images/s',
      ],
      rows: networks.map(
        ({ model, parameters, summary, history, bestEpoch, validationAccuracy, trainImages: images }) => {
          const seconds = history.reduce((sum, epoch) => sum + epoch.seconds, 0);
          return [
            model.name,
            whole(parameters),
            `${(summary.flops / 1e6).toFixed(1)} M`,
            history.length,
            bestEpoch,
            validationAccuracy === undefined ? '–' : (100 * validationAccuracy).toFixed(2),
            duration(seconds),
            whole(Math.round((images * history.length) / seconds)),
          ];
        },
      ),
    },
  ];
  for (const network of networks) blocks.push(...networkBlocks(network));
  return { title: 'Training', blocks };
}

/** How training images are altered, of the usual recipes. */
function alterations({ augmentation }: Recipe): string {
  if (!augmentation) return '';
  if (augmentation.flip !== 'none')
    return 'Every training image is seen mirrored or moved by a pixel or two, never twice the same.';
  return 'Every training image is seen moved by a pixel or two; none is mirrored, for a mirrored image need not show the same.';
}

function networkBlocks({ model, recipe, history, summary, read }: TrainedNetwork): Block[] {
  const last = history[history.length - 1];
  const gap =
    last.validationAccuracy === undefined
      ? ''
      : ` At the end it had ${percent(last.accuracy, 1)} of the (altered) training images right and ${percent(last.validationAccuracy, 1)} of ` +
        `those held out${last.validationAccuracy > last.accuracy ? ': the unaltered images are easier than the altered ones it trained on' : ''}.`;
  return [
    { kind: 'heading', text: model.name },
    {
      kind: 'text',
      text: recipeInWords(recipe),
    },
    shown(
      read,
      'loss.svg',
      `${model.name}: the loss it was trained on, batch by batch. It falls fast at first, wavers while the learning rate is high, ` +
        'and settles as the rate goes to zero. Label smoothing keeps it from reaching zero; its height means little by itself.',
    ),
    shown(
      read,
      'learning-curve.svg',
      `${model.name}: after each epoch, on the images trained on and on those held out. A held-out curve that turns away from the ` +
        `other would show that it learns its images by heart.${gap}`,
    ),
    { kind: 'code', text: String(summary) },
  ];
}
