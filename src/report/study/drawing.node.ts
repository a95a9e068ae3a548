/** Draws everything that a study finds: hand it to a study's session as its `drawing`. */
import type { ImageSet } from '../../data/fashion-mnist.ts';
import type { DrawingFolder, NetworkView, StudyDrawing } from '../../study/drawing.ts';
import { htmlReport } from '../html.ts';
import { photoStages } from '../photo-stages.ts';
import { enlarge, type Picture } from '../picture.ts';
import { encodePng } from '../png.node.ts';
import { drawCheckpoint, drawNetwork, pictureOf, sheetOf } from './evaluation-figures.node.ts';
import { drawExplanations } from './explanation-page.node.ts';
import { judgementFigures } from './explanations.ts';
import { exploreCharts, explorePictures } from './explore-figures.ts';
import { figuresOf } from './figure-source.node.ts';
import { featureMapSheet, filterSheet } from './inside.ts';
import { comparisonCharts } from './map-comparison.ts';
import { photosSection } from './photos.ts';
import { drawRobustness } from './robustness-figures.node.ts';
import { trainingFigures } from './training-figures.ts';
import { tuningFigures } from './tuning.ts';

export const studyDrawing: StudyDrawing = {
  data: drawClasses,
  async exploration(result, data, pca, folder) {
    await keepCharts({ ...exploreCharts(result, encodePng), ...comparisonCharts(result, encodePng) }, folder);
    await keepPictures(explorePictures(result, data, pca), folder);
  },
  async training(history, evaluation, folder) {
    await keepCharts(trainingFigures(history, evaluation), folder);
  },
  network: drawNetwork,
  checkpoint: drawCheckpoint,
  async example(set, index, folder) {
    return folder.figure('example.png', encodePng(enlarge(pictureOf(set, index), 4)));
  },
  async image(set, name, index, folder) {
    return folder.figure(`${name}-${index}.png`, encodePng(pictureOf(set, index)));
  },
  inside: drawInside,
  async tuning(result, folder) {
    await keepCharts(tuningFigures(result), folder);
  },
  explanations: drawExplanations,
  async judgement(judgement, folder) {
    return keepCharts(judgementFigures(judgement), folder);
  },
  robustness: drawRobustness,
  async photo(stages, place, folder) {
    return folder.figure(`photo-${String(place).padStart(3, '0')}.png`, encodePng(photoStages(stages)));
  },
  async photos(result, folder) {
    const sections = [photosSection(result, figuresOf(folder.path))];
    await folder.page(htmlReport({ title: `What ${result.model} says about photographs`, sections }));
  },
};

/** Gives the files. */
async function keepCharts(charts: Readonly<Record<string, string>>, folder: DrawingFolder): Promise<string[]> {
  for (const [file, svg] of Object.entries(charts)) await folder.figure(file, svg);
  return Object.keys(charts);
}

async function keepPictures(pictures: Readonly<Record<string, Picture>>, folder: DrawingFolder): Promise<void> {
  for (const [file, picture] of Object.entries(pictures)) await folder.figure(file, encodePng(picture));
}

const SHOWN_PER_CLASS = 14;

/** The first images of every class, a row each. */
async function drawClasses(train: ImageSet, classNames: readonly string[], folder: DrawingFolder): Promise<string> {
  const shown = classNames.flatMap((_, label) =>
    Array.from(train.labels.keys())
      .filter(index => train.labels[index] === label)
      .slice(0, SHOWN_PER_CLASS),
  );
  return folder.figure('classes.png', sheetOf(train, shown, { columns: SHOWN_PER_CLASS, scale: 2 }));
}

async function drawInside(
  { network, filters, layers }: NetworkView,
  folder: DrawingFolder,
): ReturnType<StudyDrawing['inside']> {
  const keep = (file: string, picture: Picture) => folder.figure(`${network}-${file}`, encodePng(picture));
  const filterFile = await keep('filters.png', filterSheet(filters.values, filters.shape));
  const files: string[] = [];
  for (const { path, values, shape, shown } of layers) {
    files.push(await keep(`layer-${path}.png`, featureMapSheet(values, shape, shown)));
  }
  return { filters: filterFile, layers: files };
}
