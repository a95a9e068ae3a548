/** One chapter as a page of its own, beside the figures it shows. */
import { drawingFolder } from '../../study/drawing-folder.node.ts';
import { htmlReport, type Section } from '../html.ts';
import type { FigureSource } from './chapter.ts';
import { figuresOf } from './figure-source.node.ts';

/** Writes `report.html` into the folder of a stage. Gives its path. */
export async function writeChapterPage(
  folder: string,
  title: string,
  sampleData: boolean,
  write: (read: FigureSource) => Section,
): Promise<string> {
  const html = htmlReport({
    title,
    notice: sampleData ? 'SAMPLE DATA: the small data set of this package.' : undefined,
    sections: [write(figuresOf(folder))],
  });
  return drawingFolder(folder).page(html);
}
