/** The figures of a robustness study: one image under every corruption, and the table of each network as a chart. */
import { type CorruptionName, corruptImages } from '../../data/corruption.ts';
import type { ImageSet } from '../../data/fashion-mnist.ts';
import type { DrawingFolder, RobustnessDrawing, StudyDrawing } from '../../study/drawing.ts';
import type { RobustnessModel } from '../../study/results.ts';
import { heatTable } from '../heat-table.ts';
import { imageSheet } from '../image-sheet.ts';
import type { Picture } from '../picture.ts';
import { encodePng } from '../png.node.ts';
import { pictureOf } from './evaluation-figures.node.ts';

/** The image of the picture sheet: the first test image of this class, of Fashion-MNIST a coat with straight and slanting lines. */
const SHOWN_CLASS = 4;
const SCALE = 2;

export async function drawRobustness(
  set: ImageSet,
  models: readonly RobustnessModel[],
  { seed, severities, classes }: RobustnessDrawing,
  folder: DrawingFolder,
): ReturnType<StudyDrawing['robustness']> {
  const shown = Math.max(0, set.labels.indexOf(SHOWN_CLASS));
  const corruptions = models[0].rows.map(({ corruption }) => corruption);
  const rows = corruptions.map(name =>
    [0, ...severities].map((severity): Picture => {
      return pictureOf(corruptImages(set, name, severity, { seed, indices: [shown] }), 0);
    }),
  );
  const strips: { corruption: CorruptionName; file: string }[] = [];
  for (const [index, corruption] of corruptions.entries()) {
    const file = `corruption-${corruption}.png`;
    await folder.figure(
      file,
      encodePng(imageSheet(rows[index], { columns: rows[index].length, gap: 2, scale: SCALE })),
    );
    strips.push({ corruption, file });
  }
  const sheet = 'corruptions.png';
  await folder.figure(sheet, encodePng(imageSheet(rows.flat(), { columns: 1 + severities.length, scale: SCALE })));
  const tables: string[] = [];
  for (const [index, model] of models.entries()) {
    const file = models.length === 1 ? 'robustness.svg' : `robustness-${index + 1}.svg`;
    await folder.figure(file, robustnessChart(model, classes));
    tables.push(file);
  }
  return { sheet, strips, tables };
}

/** Accuracy by corruption and severity as a heat table, the clean accuracy in the first row; colour begins at guessing. */
export function robustnessChart({ clean, model, rows, severities }: RobustnessModel, classes = 10): string {
  const guessing = Math.round(100 / classes);
  const percent = (accuracy: number): number => 100 * accuracy;
  const cells = severities.map(severity => ({
    row: 'none',
    column: String(severity),
    value: percent(clean.accuracy),
  }));
  for (const { corruption, points } of rows) {
    for (const { severity, accuracy } of points) {
      cells.push({ row: corruption, column: String(severity), value: percent(accuracy) });
    }
  }
  return heatTable(cells, {
    title: `${model}: accuracy by corruption and severity (%)`,
    columnLabel: 'severity',
    domain: [guessing, 100],
    format: value => value.toFixed(1),
    note: `${clean.images} test images; colour from ${guessing} % (guessing) to 100 %.`,
  });
}
