/** The chapter on what is wrong in the data, or may be: repetitions, blank images, labels to doubt, each with its pictures. */
import type { AuditResult, AuditRow } from '../../study/results.ts';
import type { Block, Section } from '../html.ts';
import { drawn, type FigureSource, percent, whole } from './chapter.ts';

/** The chapter of an audit. */
export function auditSection(result: AuditResult, read: FigureSource): Section {
  const { exact, mirrored, near, blank, byNeighbours, byPredictions, sheets, trainImages, testImages } = result;
  const { folds, epochs, accuracy, count, both, parameters } = byPredictions;
  const copies = exact.withinTrain + exact.withinTest + exact.testInTrain;
  const sheet = (rows: readonly AuditRow[], columns: readonly string[], caption: string): Block[] =>
    rows.length === 0 ? [] : [pictureTable(rows, columns, caption, read)];
  const beside = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'];
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `All ${whole(trainImages)} training and ${whole(testImages)} test images were compared and looked through. A test image that also ` +
        'stands among the training images makes the test easier than it should be; a wrong label teaches what is wrong. Nothing was ' +
        'changed or left out: the networks of this study train on all images.',
    },
    {
      kind: 'facts',
      facts: [
        {
          name: 'Exact repetitions',
          value: whole(copies),
          detail: `${whole(exact.testInTrain)} test images in training`,
        },
        { name: 'Mirrored repetitions', value: whole(mirrored), detail: 'one image is another, left for right' },
        {
          name: 'Near repetitions',
          value: whole(near.withinTrain + near.withinTest + near.testInTrain),
          detail: `${whole(near.withinTest)} within the test images, ${whole(near.testInTrain)} between test and training`,
        },
        { name: 'Blank images', value: whole(blank), detail: 'every pixel has one value' },
        {
          name: 'Labels doubted by neighbours',
          value: whole(byNeighbours.count),
          detail: `of ${whole(byNeighbours.compared)} compared, exact neighbours`,
        },
        {
          name: 'Labels doubted by predictions',
          value: whole(count),
          detail: `${percent(count / trainImages, 1)} of training`,
        },
      ],
    },
    ...sheet(sheets.exact, beside, 'Images that are equal byte for byte, a group in each row'),
    ...sheet(sheets.mirrored, beside, 'Images of which one is the other mirrored, a pair in each row'),
    ...sheet(sheets.near, beside, 'Images that are nearly equal, the most alike first, a pair in each row'),
    ...sheet(sheets.blank, ['image'], 'Blank images'),
    {
      kind: 'text',
      text:
        `Labels are doubted in two ways. By neighbours: none of an image's nearest training images has its label, and nine in ten agree ` +
        `on another. By predictions: ${folds} small networks (${whole(parameters)} parameters, ${epochs} epochs) were each trained on the ` +
        `images of the other ${folds - 1 === 1 ? 'fold' : 'folds'}, so that every training image was judged by a network that had not seen ` +
        `it; they are right on ${percent(accuracy)}. An image is doubted where another class is as probable as it is for that class's own ` +
        `images, and more probable than its label (confident learning). ${whole(both)} of the foremost by neighbours are doubted by the ` +
        'predictions too. Many doubted labels are right and the image is hard: look before you leave one out.',
    },
    ...sheet(
      sheets.neighbours,
      ['the image', 'nearest', 'second', 'third', 'fourth', 'fifth'],
      'Labels doubted by neighbours: the image, and the training images nearest to it, with their labels',
    ),
    ...sheet(sheets.predictions, ['image'], 'Labels doubted by predictions, the most doubtful first'),
  ];
  return { title: 'What is wrong in the data', blocks };
}

/** Rows of pictures with names, numbers and labels as text. */
function pictureTable(rows: readonly AuditRow[], names: readonly string[], caption: string, read: FigureSource): Block {
  const most = Math.max(...rows.map(({ images }) => images.length));
  return {
    kind: 'pictures',
    caption,
    columns: ['row', ...names.slice(0, most), 'remark'],
    rows: rows.map(({ name, images, remark }) => ({
      name,
      remark,
      pictures: images.map(({ caption: words, figure }) => {
        const content = read(drawn(figure));
        if (!('png' in content)) throw new TypeError(`${figure} is no picture.`);
        return { png: content.png, caption: words };
      }),
    })),
  };
}
