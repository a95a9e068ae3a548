/** The page of `weft explain`: sheets of a few rows each, with what the model says about every row below. */
import { methodNamed } from '../../explain/index.ts';
import type { DrawingFolder, ExplainedImages, ShapedValues, StudyDrawing } from '../../study/drawing.ts';
import type { ExplainedImage } from '../../study/results.ts';
import { explainedSegments, fitLines, limeFitTable, predictionLines } from '../explanation-captions.ts';
import { type ExplanationSheet, explanationSheet } from '../explanation-sheet.ts';
import { type Block, htmlReport, type Section } from '../html.ts';
import { photoStages } from '../photo-stages.ts';
import { encodePng } from '../png.node.ts';
import { percent } from './chapter.ts';

const ROWS_PER_SHEET = 8;

/** Writes figures/sheet-N.png and report.html. */
export async function drawExplanations(
  explained: ExplainedImages,
  folder: DrawingFolder,
): ReturnType<StudyDrawing['explanations']> {
  const { rows, attributions, photos, isSample, title } = explained;
  const nameOf = namesOf(explained);
  const blocks: Block[] = [];
  const sheets: { figure: string; rows: number }[] = [];
  for (let first = 0; first < rows.length; first += ROWS_PER_SHEET) {
    const count = Math.min(ROWS_PER_SHEET, rows.length - first);
    const { sheet, scales } = sheetOf(explained, first, count);
    const png = encodePng(sheet);
    const figure = await folder.figure(`sheet-${first / ROWS_PER_SHEET + 1}.png`, png);
    sheets.push({ figure, rows: count });
    const names = ['image', 'prediction', ...attributions.map(({ method }) => method)].join(', ');
    const caption = `From left to right: ${names}. One scale per column.`;
    blocks.push(
      { kind: 'figure', png, width: sheet.width, caption },
      rowTable(rows.slice(first, first + count), nameOf),
      {
        kind: 'table',
        caption: 'Ends of the colour bars',
        columns: ['method', 'left', 'right'],
        rows: scales.map(({ method, low, high }) => [method, low.toPrecision(3), high.toPrecision(3)]),
      },
    );
  }
  const fit = limeFitTable(
    attributions,
    rows.map(({ source }) => source),
    nameOf,
  );
  if (fit) blocks.push(fit);
  const sections: Section[] = [{ title: 'Explanations', blocks }];
  if (photos.length > 0) sections.push({ title: 'How the pictures were prepared', blocks: photos.map(preparation) });
  const html = htmlReport({
    title,
    notice: isSample ? 'SAMPLE DATA: the small data set of this package.' : undefined,
    sections,
  });
  return { sheets, page: await folder.page(html) };
}

const namesOf =
  ({ classNames }: ExplainedImages) =>
  (label: number): string =>
    classNames[label] ?? `class ${label}`;

/** The sheet of some of the rows: every method a column. */
function sheetOf(explained: ExplainedImages, first: number, count: number): ExplanationSheet {
  const { rows, pictures, attributions } = explained;
  const nameOf = namesOf(explained);
  const part = <A extends ShapedValues>(whole: A): A => {
    const each = whole.values.length / rows.length;
    const values = Float64Array.from({ length: each * count }, (_, i) => whole.values[first * each + i]);
    return { ...whole, values, shape: [count, ...whole.shape.slice(1)] };
  };
  const columns = attributions.map(attribution => ({
    attribution: part(attribution),
    display: methodNamed(attribution.method.replace(/ of .*/, '')).display,
    segments: explainedSegments(attribution)?.slice(first, first + count),
  }));
  const captions = rows
    .slice(first, first + count)
    .map((row, i) => [
      ...predictionLines(row, nameOf),
      ...attributions.flatMap(attribution => fitLines(attribution, first + i)),
    ]);
  return explanationSheet(part(pictures), columns, { captions });
}

function rowTable(rows: readonly ExplainedImage[], nameOf: (label: number) => string): Block {
  return {
    kind: 'table',
    caption: 'Rows, from the top',
    columns: ['image', 'true class', 'predicted', 'probability', 'explained', 'its probability'],
    rows: rows.map(({ source, label, predicted, target, probabilities }) => [
      source,
      label === null ? 'not known' : nameOf(label),
      nameOf(predicted),
      percent(probabilities[predicted]),
      nameOf(target),
      percent(probabilities[target]),
    ]),
  };
}

function preparation({ source, photo: { stages, warnings } }: ExplainedImages['photos'][number]): Block {
  const caption = `${source}: ${stages.map(({ name }) => name).join(', ')}.`;
  return {
    kind: 'figure',
    png: encodePng(photoStages(stages)),
    caption: [caption, ...warnings.map(({ text }) => text)].join(' '),
  };
}
