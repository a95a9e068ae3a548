/**
 * What stands beside explanations: what the model says about an image, the pieces a method explains by, and how far the
 * linear models of LIME can be believed. A LIME picture without these figures is a picture of nothing in particular.
 */
import type { Attribution, LimeAttribution, Players, Segments } from '../explain/index.ts';
import type { TableBlock } from './html.ts';

/** What a model says about one image, and what it is explained for. */
export interface PredictionCaption {
  /** Which image. */
  readonly source?: string;
  /** The true class; null or absent where it is not known. */
  readonly label?: number | null;
  /** The class explained. */
  readonly target: number;
  /** [classes] */
  readonly probabilities: ArrayLike<number>;
}

/** 0.4267 as 42.7 %. */
const percent = (share: number): string => `${short(share)} %`;
const short = (share: number): string => (100 * share).toFixed(1);

/** The image's name and true class, the `top` likeliest classes and the class explained with probabilities. */
export function predictionLines(
  { source, label, target, probabilities }: PredictionCaption,
  nameOf: (label: number) => string,
  top = 3,
): string[] {
  const order = Array.from(probabilities, (_, k) => k).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const shown = new Set([...order.slice(0, top), target]);
  const truth = label === null || label === undefined ? 'true class not known' : `true: ${nameOf(label)}`;
  return [
    ...(source === undefined ? [] : [source]),
    truth,
    '',
    ...[...shown].map(k => `${nameOf(k)} ${short(probabilities[k])}%`),
    '',
    `explained: ${nameOf(target)}`,
  ];
}

const isLime = (attribution: Pick<Attribution, 'method'>): attribution is LimeAttribution =>
  attribution.method === 'lime' && 'explained' in attribution;

/** How well LIME's linear model of one image fits, as lines for a caption; none for other methods. */
export function fitLines(attribution: Pick<Attribution, 'method'>, image: number): string[] {
  if (!isLime(attribution)) return [];
  const { r2, localPrediction } = attribution.explained[image];
  return [
    `LIME: R2 ${r2.toFixed(2)}`,
    `it predicts ${short(localPrediction)}%`,
    `class changed ${short(attribution.changed[image])}%`,
  ];
}

/**
 * The segments of each image, where a method explains by segments: superpixels, cells, a map of the caller's. Undefined for
 * all others, single pixels among them.
 */
export function explainedSegments(attribution: ExplainedBySegments): Segments[] | undefined {
  if (attribution.segments) return [...attribution.segments];
  const [, height, width] = attribution.shape;
  const players = (attribution.images ?? []).flatMap(image => image.players ?? []);
  const isSegment = ({ labels, count }: Players): boolean => labels.length === height * width && count < labels.length;
  if (players.length === 0 || !players.every(isSegment)) return undefined;
  return players.map(({ labels, count }) => ({ labels, count, shape: [height, width] }));
}

/** An attribution as far as its pieces go: LIME's segments, or who played in each image where there are players. */
type ExplainedBySegments = Pick<Attribution, 'shape'> & {
  readonly segments?: readonly Segments[];
  readonly images?: readonly { readonly players?: Players }[];
};

/**
 * How far each LIME explanation can be trusted, a row per image; undefined where LIME is not among the methods.
 *
 * @param names of the images
 */
export function limeFitTable(
  attributions: readonly Pick<Attribution, 'method'>[],
  names: readonly string[],
  nameOf: (label: number) => string,
): TableBlock | undefined {
  const lime = attributions.find(isLime);
  if (!lime) return undefined;
  return {
    kind: 'table',
    caption:
      'How far the linear models of LIME can be trusted. R² is the share of the probability’s variation over altered images ' +
      'that the model accounts for, each image judged by a fit to the others; the local prediction should come close to the probability; where altering the image ' +
      'hardly ever changed the class, there was little to learn from.',
    columns: ['image', 'explained', 'segments', 'R²', 'probability', 'local prediction', 'class changed'],
    rows: lime.explained.map(({ label, r2, probability, localPrediction }, i) => [
      names[i],
      nameOf(label),
      lime.segments[i].count,
      r2.toFixed(3),
      percent(probability),
      percent(localPrediction),
      percent(lime.changed[i]),
    ]),
  };
}
