/** The chapter on corruptions: what is left of a network's accuracy when the same images are badly taken. */
import type { RobustnessModel, RobustnessResult } from '../../study/results.ts';
import type { CorruptionRow } from '../../train/robustness.ts';
import type { Block, Section } from '../html.ts';
import { drawn, type FigureSource, interval, percent, shown, whole } from './chapter.ts';

/** The chapter of a `RobustnessResult`. */
export function robustnessSection(result: RobustnessResult, figure: FigureSource): Section {
  const { images, models, severities } = result;
  const figures = drawn(result.figures);
  const rows = models[0].rows;
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `${whole(images)} test images are corrupted in ${rows.length} ways at severities ${severities.join(', ')} of 5, and the ` +
        'networks, which saw nothing like it in training unless it was part of their augmentation, name them again. The ' +
        'corruptions follow Fashion-MNIST-C in style; their strengths are our own, so the figures compare the networks ' +
        'and corruptions here with each other and not with a published table.',
    },
    {
      kind: 'facts',
      facts: models.flatMap(({ model, clean, meanAccuracy, meanRelative }) => [
        { name: `${model}, clean`, value: percent(clean.accuracy), detail: `95 % ${interval(clean.ci95)}` },
        {
          name: `${model}, corrupted`,
          value: percent(meanAccuracy),
          detail: `mean over corruptions and severities; ${percent(meanRelative, 1)} of the clean accuracy`,
        },
      ]),
    },
    {
      kind: 'gallery',
      pictures: figures.strips.map(({ corruption, file }) => {
        const read = figure(file);
        if (!('png' in read)) throw new TypeError(`${file} is no picture.`);
        const row = rows.find(one => one.corruption === corruption)!;
        return { png: read.png, caption: `${corruption}: ${row.what}` };
      }),
      width: 60 * (1 + severities.length),
      caption: `One ${result.dataKind === 'other' ? 'image' : 'garment'}, clean and at severities ${severities.join(', ')}, left to right.${result.dataKind === 'other' ? '' : ' A person still knows most of these.'}`,
    },
  ];
  models.forEach((model, index) => {
    blocks.push(shown(figure, figures.tables[index], describe(model)), tableOf(model));
  });
  return { title: 'Robustness', blocks };
}

/** What the table shows, from its own numbers. */
function describe({ model, clean, rows, severities }: RobustnessModel): string {
  const sorted = [...rows].sort((a, b) => a.accuracy - b.accuracy);
  const [worst] = sorted;
  const best = sorted[sorted.length - 1];
  const harmless = rows.filter(row => row.points.every(point => point.accuracy >= clean.ci95[0]));
  const reach = clean.ci95[1] - clean.ci95[0];
  return (
    `Accuracy of ${model} by corruption and severity. ${nameOf(worst)} costs most (${percent(worst.accuracy, 1)} on average), ` +
    `${nameOf(best)} least (${percent(best.accuracy, 1)}). ` +
    (harmless.length > 0
      ? `At severities ${severities.join(', ')} the accuracy stays within the clean interval for ${harmless.map(row => row.corruption).join(', ')}. `
      : '') +
    `Differences below about ${(100 * reach).toFixed(1)} points between two cells may be chance. A fall says that the ` +
    'network leans on something that the corruption changes; it does not say on what.'
  );
}

const nameOf = ({ corruption }: CorruptionRow): string => `“${corruption}”`;

function tableOf({ model, clean, rows, severities }: RobustnessModel): Block {
  return {
    kind: 'table',
    caption: `${model}: accuracy (95 % interval) by corruption and severity; share of the clean accuracy that is left on average`,
    columns: ['corruption', ...severities.map(severity => `severity ${severity}`), 'left'],
    rows: [
      ['none', ...severities.map(() => `${percent(clean.accuracy, 1)} (${interval(clean.ci95)})`), percent(1, 1)],
      ...rows.map(({ corruption, points, accuracy }) => [
        corruption,
        ...points.map(point => `${percent(point.accuracy, 1)} (${interval(point.ci95)})`),
        percent(clean.accuracy === 0 ? 0 : accuracy / clean.accuracy, 1),
      ]),
    ],
  };
}
