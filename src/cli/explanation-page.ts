/** The page of `weft explain`: sheets of a few rows each, with what the model says about every row below. */
import { join } from 'node:path';
import { CLASS_NAMES } from '../data/index.node.ts';
import type { PreparedPhoto } from '../data/photo.ts';
import { type Attribution, methodNamed } from '../explain/index.ts';
import {
  type Block,
  encodePng,
  explainedSegments,
  explanationSheet,
  fitLines,
  htmlReport,
  limeFitTable,
  predictionLines,
  type Section,
} from '../report/index.node.ts';
import { photoStages } from '../report/photo-stages.ts';
import { writeFileAtomically } from '../train/atomic-file.node.ts';
import { formatPercent } from './progress.ts';

/** One image explained for one class. */
export interface ExplainedRow {
  /** Which image: `test 17`, or the name of a file. */
  readonly source: string;
  /** Position in its part of the data set; null for a picture from a file. */
  readonly index: number | null;
  /** Null where it is not known. */
  readonly label: number | null;
  readonly predicted: number;
  /** The class explained. */
  readonly target: number;
  readonly probabilities: readonly number[];
}

export const ROWS_PER_SHEET = 8;

interface Page {
  readonly title: string;
  readonly rows: readonly ExplainedRow[];
  /** [rows, H, W, C] in [0, 1] */
  readonly pictures: { readonly values: ArrayLike<number>; readonly shape: readonly number[] };
  readonly attributions: readonly Attribution[];
  readonly isSample: boolean;
  /** Pictures from files among the rows, whose preparation is shown. */
  readonly photos: readonly { readonly source: string; readonly photo: PreparedPhoto }[];
}

const nameOf = (label: number): string => CLASS_NAMES[label] ?? `class ${label}`;

/** Writes figures/sheet-N.png and report.html into `out`; gives the page's path. */
export async function writeExplanationPage(out: string, page: Page): Promise<string> {
  const { rows, pictures, attributions } = page;
  const blocks: Block[] = [];
  for (let first = 0; first < rows.length; first += ROWS_PER_SHEET) {
    const some = rows.slice(first, first + ROWS_PER_SHEET);
    const part = <A extends { values: ArrayLike<number>; shape: readonly number[] }>(whole: A): A => {
      const each = whole.values.length / rows.length;
      const values = Float64Array.from({ length: each * some.length }, (_, i) => whole.values[first * each + i]);
      return { ...whole, values, shape: [some.length, ...whole.shape.slice(1)] };
    };
    const columns = attributions.map(attribution => ({
      attribution: part(attribution),
      display: methodNamed(attribution.method.replace(/ of .*/, '')).display,
      segments: explainedSegments(attribution)?.slice(first, first + ROWS_PER_SHEET),
    }));
    const captions = some.map((row, i) => [
      ...predictionLines(row, nameOf),
      ...attributions.flatMap(attribution => fitLines(attribution, first + i)),
    ]);
    const { sheet, scales } = explanationSheet(part(pictures), columns, { captions });
    const png = encodePng(sheet);
    await writeFileAtomically(join(out, 'figures', `sheet-${first / ROWS_PER_SHEET + 1}.png`), png);
    const names = ['image', 'prediction', ...attributions.map(({ method }) => method)].join(', ');
    blocks.push(
      { kind: 'figure', png, width: sheet.width, caption: `From left to right: ${names}. One scale per column.` },
      {
        kind: 'table',
        caption: 'Rows, from the top',
        columns: ['image', 'true class', 'predicted', 'probability', 'explained', 'its probability'],
        rows: some.map(({ source, label, predicted, target, probabilities }) => [
          source,
          label === null ? 'not known' : nameOf(label),
          nameOf(predicted),
          formatPercent(probabilities[predicted]),
          nameOf(target),
          formatPercent(probabilities[target]),
        ]),
      },
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
  if (page.photos.length > 0)
    sections.push({ title: 'How the pictures were prepared', blocks: page.photos.map(preparation) });
  const path = join(out, 'report.html');
  const html = htmlReport({
    title: page.title,
    notice: page.isSample ? 'SAMPLE DATA: the small data set of this package.' : undefined,
    sections,
  });
  await writeFileAtomically(path, html);
  return path;
}

function preparation({ source, photo: { stages, warnings } }: Page['photos'][number]): Block {
  const caption = `${source}: ${stages.map(({ name }) => name).join(', ')}.`;
  return {
    kind: 'figure',
    png: encodePng(photoStages(stages)),
    caption: [caption, ...warnings.map(({ text }) => text)].join(' '),
  };
}
