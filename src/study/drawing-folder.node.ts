/** A stage's folder as drawings see it: whole files or none. */
import { join } from 'node:path';
import { writeFileAtomically } from '../train/atomic-file.node.ts';
import type { DrawingFolder } from './drawing.ts';

export function drawingFolder(path: string): DrawingFolder {
  return {
    path,
    async figure(file, contents) {
      await writeFileAtomically(join(path, 'figures', file), contents);
      return file;
    },
    async page(html) {
      const page = join(path, 'report.html');
      await writeFileAtomically(page, html);
      return page;
    },
  };
}
