/** The chapter on photographs: what the network says about pictures that are not of its data set, and what became of them first. */
import type { PhotosResult } from '../../study/results.ts';
import type { PhotoPrediction } from '../../train/photos.ts';
import type { Block, Section } from '../html.ts';
import { type FigureSource, percent } from './chapter.ts';

/** Photographs whose stages are shown; the others stand in the table only. */
const MOST_SHOWN = 48;

/** The chapter of a `PhotosResult`. */
export function photosSection(result: PhotosResult, figure: FigureSource): Section {
  const { accuracy, photos, stages, unreadable } = result;
  const pictures = result.ownPictures
    ? `the ${photos.length} garment pictures that come with this package (drawn for it, free to use)`
    : `${photos.length} photographs`;
  const blocks: Block[] = [
    {
      kind: 'text',
      text:
        `What does ${result.model} say about pictures from elsewhere? It is shown ${pictures}, prepared by plain means: ` +
        'made grey, edges trimmed, scaled to 28 pixels, sharpened, centred, negated where the garment is darker than its ' +
        'ground, and the ground drawn to black. Nothing is cut out by hand, and no setting was fitted to these pictures.',
    },
  ];
  if (accuracy) blocks.push(...accuracyBlocks(result, accuracy));
  stages.slice(0, MOST_SHOWN).forEach((file, index) => {
    const read = figure(file);
    if (!('png' in read)) return;
    const { png } = read;
    const alt = `${photos[index].name}: the picture, grey, trimmed, resized, sharpened, extended, negated, levels, final`;
    blocks.push({ kind: 'figure', png, alt, caption: photoCaption(photos[index]) });
  });
  if (stages.length > 0) {
    blocks.push({
      kind: 'text',
      text:
        'Each row above, from left to right: the picture on its ground, grey, trimmed, longest edge to 28 pixels, ' +
        'sharpened, extended to a square, negated or not, ground drawn to black, and the bytes that the network gets. ' +
        'Where an answer is wrong, look at the last picture first: if a person cannot tell the garment there either, the ' +
        'preparation is at fault and not the network.',
    });
  }
  if (photos.length > stages.length || photos.length > MOST_SHOWN) blocks.push(tableOf(photos));
  if (unreadable.length > 0) {
    blocks.push({
      kind: 'table',
      caption: 'Files that could not be read',
      columns: ['file', 'reason'],
      rows: unreadable.map(({ name, reason }) => [name, reason]),
    });
  }
  return { title: 'Photographs', blocks };
}

function accuracyBlocks(
  { outside, ownPictures }: PhotosResult,
  { images, right, accuracy, ci95, macro, perLabel }: NonNullable<PhotosResult['accuracy']>,
): Block[] {
  const wide = ci95[1] - ci95[0] > 0.2;
  return [
    {
      kind: 'facts',
      facts: [
        {
          name: 'right',
          value: percent(accuracy, 1),
          detail: `${right} of ${images}; 95 % ${percent(ci95[0], 1)} to ${percent(ci95[1], 1)}`,
        },
        { name: 'mean over classes', value: percent(macro, 1), detail: `${perLabel.length} classes` },
      ],
    },
    {
      kind: 'text',
      text:
        `${right} of ${images} pictures are named rightly. ` +
        (wide
          ? 'With so few pictures the interval is wide: this shows that the way from a photograph to an answer works, not how well. '
          : '') +
        (ownPictures ? 'They are clean drawings on even grounds and easier than photographs taken at home. ' : '') +
        'Published networks of this kind get about 60 % on catalogue pictures and 40 % on household photographs, far below ' +
        'their accuracy on the test images: what they learned is this data set’s way of showing garments as much as garments.' +
        (outside > 0
          ? ` ${outside} further pictures show none of the ten classes; whatever is said about them is wrong, and they count nowhere.`
          : ''),
    },
    {
      kind: 'table',
      caption: 'By what the pictures show',
      columns: ['shows', 'pictures', 'right', 'share'],
      rows: perLabel.map(group => [group.label, group.images, group.right, percent(group.right / group.images, 0)]),
    },
  ];
}

function photoCaption({ name, top, label, right, warnings }: PhotoPrediction): string {
  const said = top.map(one => `${one.name} ${percent(one.probability, 0)}`).join(', ');
  const truth = label === null ? '' : ` It shows: ${label}${right === null ? '' : right ? ' (right)' : ' (wrong)'}.`;
  return `${name}: ${said}.${truth}${warnings.map(({ text }) => ` ${text}`).join('')}`;
}

function tableOf(photos: readonly PhotoPrediction[]): Block {
  return {
    kind: 'table',
    caption: 'All pictures',
    columns: ['picture', 'shows', 'said', 'probability', 'second', 'warnings'],
    rows: photos.map(({ name, label, top, warnings }) => [
      name,
      label ?? '–',
      top[0].name,
      percent(top[0].probability, 1),
      top[1]?.name ?? '',
      warnings.map(({ kind }) => kind).join(', '),
    ]),
  };
}
