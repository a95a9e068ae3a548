/**
 * The chapter of explanation sheets: chosen images by chosen methods, side by side. What the pictures are worth is the
 * business of the chapter after it, which scores the methods.
 */
import type { ExplainResult } from '../../study/results.ts';
import type { Block, Section } from '../html.ts';
import { type FigureSource, percent, shown } from './chapter.ts';

/** The chapter of a set of sheets. */
export function explainSection(
  { model, images, methods, sheets, background, classNames }: ExplainResult,
  read: FigureSource,
): Section {
  const nameOf = (label: number | null): string =>
    label === null ? 'not known' : (classNames[label] ?? `class ${label}`);
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `Where does ${model} look? Every method answers in its own way, and all of them with a picture that looks convincing. Some ` +
        'weigh regions (class activation maps, occlusion, LIME), some pixels (gradients, integrated gradients), some share out the ' +
        `score so that the parts add up to it (SHAP, compared with ${background} training images). Red speaks for the class that ` +
        'is explained, blue against it. A mistake is shown twice: for the class it was taken for, and for its own.',
    },
  ];
  let first = 0;
  const columns = ['the image', 'what the network says', ...methods.map(({ method }) => method)].join(', ');
  for (const { figure, rows } of sheets) {
    const some = images.slice(first, first + rows);
    first += rows;
    const wrong = some.filter(({ label, predicted }) => label !== null && label !== predicted).length;
    blocks.push(
      shown(
        read,
        figure,
        `Columns: ${columns}. One scale per column and sheet. ${wrong === 0 ? 'All of these are answered rightly.' : `${wrong} of the ${rows} rows belong to mistakes.`} ` +
          'Where methods disagree about a row, the pictures alone do not say which to believe; where they agree they may share an error.',
      ),
      {
        kind: 'table',
        caption: 'The rows, from the top',
        columns: ['image', 'true class', 'predicted', 'probability', 'explained', 'its probability'],
        rows: some.map(({ source, label, predicted, target, probabilities }) => [
          source,
          nameOf(label),
          nameOf(predicted),
          percent(probabilities[predicted], 1),
          nameOf(target),
          percent(probabilities[target], 1),
        ]),
      },
    );
  }
  blocks.push({
    kind: 'table',
    caption:
      'The methods. Additivity: by how much the parts miss the whole, relative to it (methods that do not promise to add up have none).',
    columns: ['method', 'layer', 'seconds', 'additivity error, median', 'largest'],
    rows: methods.map(({ method, layer, seconds, additivity }) => [
      method,
      layer ?? '–',
      seconds.toFixed(1),
      additivity ? additivity.median.toExponential(1) : '–',
      additivity ? additivity.largest.toExponential(1) : '–',
    ]),
  });
  return { title: 'Explanations: where it looks', blocks };
}
