/** The table of what maps are worth, for the page and for a terminal. */
import type { ExploreResult, MapComparison, MapQuality } from '../../explore/index.ts';
import type { Block } from '../html.ts';
import type { Picture } from '../picture.ts';
import { scatterChart } from '../scatter-chart.ts';
import { type FigureSource, percent, shown, whole } from './chapter.ts';

export const COMPARISON_COLUMNS = [
  ...['trustworthiness', 'continuity', 'recall 10', 'recall 50', 'accuracy', 'divergence', 'centroids', 'confusions'],
] as const;

/** A correlation with its interval; a dash where there is none. */
export function intervalText(interval: MapQuality['confusions']): string {
  if (!interval) return '-';
  const { estimate, low, high } = interval;
  return low === null || high === null
    ? estimate.toFixed(2)
    : `${estimate.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

/** The numbers of a row, in the order of the columns. */
export function comparisonCells(row: MapQuality): string[] {
  return [
    row.trustworthiness.toFixed(4),
    row.continuity.toFixed(4),
    percent(row.recall10, 1),
    percent(row.recall50, 1),
    percent(row.accuracy, 1),
    row.kl === null ? '–' : row.kl.toFixed(3),
    row.centroids === null ? '-' : row.centroids.toFixed(2),
    intervalText(row.confusions),
  ];
}

/** These maps come on top of the chapter's own, and a page has to hold them all. */
const MOST_ELEMENTS = 500;

/** The file of the chart of a map. */
const chartFile = ({ space, method }: MapQuality): string => `${space}-${method.toLowerCase()}-map.svg`;

/** Charts of the maps that the chapter does not show elsewhere, by file name; `encode` as for `exploreCharts`. */
export function comparisonCharts(
  { comparison, map, classNames }: Pick<ExploreResult, 'comparison' | 'map' | 'classNames'>,
  encode?: (picture: Picture) => Uint8Array,
): Record<string, string> {
  const drawn = (comparison?.maps ?? []).filter(({ points }) => points);
  return Object.fromEntries(
    drawn.map(row => [
      chartFile(row),
      scatterChart(row.points!.flat(), map.labels, classNames, {
        title: `${row.method} of the ${row.space} of the same ${whole(map.images)} images`,
        encode,
        mostElements: MOST_ELEMENTS,
      }),
    ]),
  );
}

/** What the maps of an exploration are worth. */
export function comparisonBlocks({ images, spaces, maps, perplexity }: MapComparison, read: FigureSource): Block[] {
  const [first] = spaces;
  const hasNetwork = maps.some(({ confusions }) => confusions !== null);
  const said = spaces.map(
    ({ name, dimensions, accuracy, confusions }) =>
      `Among all ${dimensions} components of the ${name}, 10 neighbours vote for the right class of ${percent(accuracy, 1)} of the images` +
      `${confusions ? `, and overlap there has a rank correlation of ${intervalText(confusions)} with the confusions of the network` : ''}.`,
  );
  return [
    {
      kind: 'text',
      text:
        `The same ${whole(images)} images were laid out in three ways${spaces.length > 1 ? `, by their pixels and by the features that the network's last layer weighs` : `, by their ${first?.name}`}. ` +
        said.join(' '),
    },
    ...maps
      .filter(({ points }) => points)
      .map(row =>
        shown(
          read,
          chartFile(row),
          `${row.method} of the ${row.space}: directions and units of this map have no meaning, and no relation to those of another.`,
        ),
      ),
    {
      kind: 'table',
      columns: ['Space', 'Map', ...COMPARISON_COLUMNS],
      rows: maps.map(row => [row.space, row.method, ...comparisonCells(row)]),
      caption:
        'Trustworthiness: no stranger came near (12 neighbours, 1 is best); continuity: no neighbour was torn away. Recall: the share of the ' +
        'nearest 10 and 50 images that are the nearest on the map. Accuracy: 10 neighbours on the map vote, the image itself left out. ' +
        `Divergence: what t-SNE makes small (perplexity ${perplexity}, all pairs, in nats); the other maps do not look at it. Centroids: rank ` +
        'correlation of the distances between class centroids in the space and on the map.' +
        (hasNetwork
          ? ' Confusions: rank correlation, over pairs of classes, of overlap on the map (training images) with what the network confuses ' +
            '(test images), with its 95 % interval over the pairs.'
          : ''),
    },
  ];
}
